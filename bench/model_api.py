"""Against Intel Model API, which wraps the same models around the same OpenVINO: throughput, processor time, memory.

Each contestant is a process of its own, Model API in an environment of its own (``.bench-venvs``). They take turns on
the same file and the same pictures, and must say the same of them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench.agreement import boxes_agree, classes_agree
from bench.figures import Figure, Outcome
from bench.options import NO_DATA, Options
from bench.storage import MODELS, bundle, clip, pictures
from bench.worker import Worker, environment
from vedette.benchmark.rounds import Series, interleave
from vedette.registry import load_plugins

REQUIREMENTS = ["openvino-model-api[onnx]==0.4.7", "opencv-python-headless"]
FRAME_WH = {"input_frame_width": 1280, "input_frame_height": 720}
"""What Model API can be told: it then compiles a graph of fixed size, which is faster than what it does by itself."""
TOLD = ", frame size told"
RAW = "raw OpenVINO"
VIDEO_FRAMES = 300
COMPARED = 60

BROKEN_YOLOX = (
    "Model API's YOLOX wrapper cannot be used as it is: its postprocess needs meta['scale'], which its preprocessing no"
    " longer gives (KeyError). 'YOLOX-nano' runs it with this one value put in by us; 'retail-0005' is its SSD wrapper,"
    " unchanged"
)
HOW = (
    "Model API's best is the fastest of one call at a time (LATENCY) and AsyncPipeline with 2 and 3 requests"
    " (THROUGHPUT), with and without being told the frame size, at f32. CPU and RSS are those of that contestant, RSS"
    " is the peak of its process. 'ceiling' is raw inference, which both do alike, by Model API's best"
)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One model on one input, and what both libraries must be told of it."""

    name: str
    model: str
    wrapper: str
    configuration: Mapping[str, Any]
    video: bool
    params: Mapping[str, Any] = field(default_factory=dict)
    target: float


SUBJECTS = (
    Subject(
        name="MobileNetV2, 720p pictures in memory",
        model="mobilenet_v2",
        wrapper="Classification",
        configuration={
            "topk": 5,
            "mean_values": [127.5] * 3,
            "scale_values": [127.5] * 3,
            "reverse_input_channels": True,
        },
        params={"top_k": 5},
        video=False,
        target=2.0,
    ),
    Subject(
        name="YOLOX-nano, 720p video",
        model="yolox_nano",
        wrapper="YOLOX-repaired",
        configuration={
            "confidence_threshold": 0.4,
            "iou_threshold": 0.65,
            "agnostic_nms": False,
            "resize_type": "fit_to_window",
            "pad_value": 114,
        },
        params={"confidence_threshold": 0.4, "iou_threshold": 0.65},
        video=True,
        target=1.0,
    ),
    Subject(
        name="retail-0005, 720p video",
        model="retail_0005",
        wrapper="SSD",
        configuration={"confidence_threshold": 0.5},
        params={"confidence_threshold": 0.5},
        video=True,
        target=1.0,
    ),
)


def run(options: Options) -> Outcome:
    """All subjects, one after the other."""
    if options.data is None:
        return Outcome(skipped=NO_DATA)
    theirs = environment("model-api", REQUIREMENTS, options.say)
    figures: list[Figure] = []
    notes = [HOW, BROKEN_YOLOX]
    for subject in SUBJECTS[:1] if options.quick else SUBJECTS:
        found, note = _measure(subject, options.data, theirs, options)
        figures += found
        notes.append(note)
    return Outcome(figures=figures, notes=notes)


def _measure(subject: Subject, data: Path, theirs: Path, options: Options) -> tuple[list[Figure], str]:
    amount = VIDEO_FRAMES if subject.video else options.seconds
    with ExitStack() as stack:
        options.say(f"{subject.name}: opening")
        workers = {
            name: stack.enter_context(Worker(python, program, task))
            for name, (python, program, task) in _tasks(subject, data, theirs, options).items()
        }
        answers = {name: worker.results(COMPARED) for name, worker in workers.items()}

        contestants = {name: partial(worker.run, amount) for name, worker in workers.items()}
        series = interleave(contestants, options.rounds, options.say, options.attempts)
        rss = {name: worker.peak_rss_mb for name, worker in workers.items()}
        precisions = {worker.about["precision"] for worker in workers.values()}
    if precisions != {"f32"}:
        raise RuntimeError(f"{subject.name}: not everybody computes in f32: {precisions}")
    return _judge(subject, series, rss, answers), _describe(subject, series, rss)


def _tasks(
    subject: Subject, data: Path, theirs: Path, options: Options
) -> dict[str, tuple[Path, str, dict[str, Any]]]:
    """The Python, the program and the task of each contestant."""
    registry = load_plugins()
    frames = str(clip(data, options.say) if subject.video else pictures(data, registry))
    packed = str(bundle(subject.model, data, registry))
    this = Path(sys.executable)
    ours = {"model": packed, "frames": frames, "params": dict(subject.params)}
    peer: dict[str, Any] = {
        "model": str(data / "models" / MODELS[subject.model].model),
        "wrapper": subject.wrapper,
        "frames": frames,
    }
    tasks: dict[str, tuple[Path, str, dict[str, Any]]] = {
        "vedette pipeline": (this, "ours.py", {**ours, "mode": "pipeline"})
    }
    if not subject.video:
        tasks["vedette one by one"] = (this, "ours.py", {**ours, "mode": "one by one"})
        tasks[RAW] = (this, "ours.py", {**ours, "mode": "raw"})
    for told, size in ((TOLD, FRAME_WH), ("", {})):
        peer["configuration"] = {**subject.configuration, **size}
        for requests, name in ((0, "one by one"), (2, "async 2"), (3, "async 3")):
            tasks[f"model api {name}{told}"] = (theirs, "theirs.py", {**peer, "requests": requests})
    return tasks


def _judge(
    subject: Subject, series: Mapping[str, Series], rss: Mapping[str, float], answers: Mapping[str, list[Any]]
) -> list[Figure]:
    def best_of(*names: str) -> str:
        return max(names, key=lambda name: series[name].rate_hz)

    best_ours = best_of(*(name for name in series if name.startswith("vedette")))
    best_theirs = best_of(*(name for name in series if name.startswith("model api")))
    untold = best_of(*(name for name in series if name.startswith("model api") and TOLD not in name))
    ours, theirs = series[best_ours], series[best_theirs]
    contended = sum(found.contended for found in series.values())

    def figure(name: str, value: float, unit: str = "", **judged: Any) -> Figure:
        return Figure(subject=subject.name, name=name, value=value, unit=unit, contended=contended, **judged)

    agree = boxes_agree if subject.video else classes_agree
    found = [
        figure("throughput by Model API's best", ours.per_round(theirs), target=subject.target),
        figure("the same, frame size not told", ours.per_round(series[untold])),
        figure("our throughput", ours.rate_hz, "frames/s"),
        figure("Model API's best throughput", theirs.rate_hz, "frames/s"),
        figure("CPU per frame by Model API's best", ours.cpu_ms / theirs.cpu_ms, target=1.0, better="lower"),
        figure("agreement of the results", agree(answers[best_ours], answers[best_theirs])),
    ]
    if RAW in series:
        raw = series[RAW]
        beyond = (ours.cpu_ms - raw.cpu_ms) / (theirs.cpu_ms - raw.cpu_ms)
        found.append(figure("CPU beyond raw inference by Model API's", beyond))
        found.append(figure("ceiling of the throughput ratio", raw.per_round(theirs)))
    if subject.video:
        ratio = rss[best_ours] / rss[best_theirs]
        found.append(figure("peak RSS by Model API's best", ratio, target=1.0, better="lower"))
    return found


def _describe(subject: Subject, series: Mapping[str, Series], rss: Mapping[str, float]) -> str:
    lines: Sequence[str] = [
        f"{name} {found.rate_hz:.1f} frames/s, CPU {found.cpu_ms:.2f} ms/frame, peak RSS {rss[name]:.0f} MB"
        for name, found in series.items()
    ]
    return f"{subject.name}: {'; '.join(lines)}"

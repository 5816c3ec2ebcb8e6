"""Throughput on a video by what the processor would allow if nothing came on top and nothing stood in the way.

The ideal is cores divided by processor seconds per frame of (decode + preprocess) and of raw inference, each measured
alone, in the same run.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from statistics import median
from typing import Any

import numpy as np

from bench.figures import Figure, Outcome
from bench.options import NO_DATA, Options
from bench.storage import bundle, clip
from vedette.benchmark.bundle import PARTS, run_pipeline
from vedette.benchmark.meter import timed
from vedette.benchmark.parts import make_pictures
from vedette.benchmark.raw import RawRuntime
from vedette.benchmark.rounds import interleave
from vedette.bundle.bundle import open_bundle
from vedette.bundle.trust import Trust
from vedette.decoding import image_decoder
from vedette.errors import EndOfStream
from vedette.model.candidates import Wanted
from vedette.model.feeds import Row, still
from vedette.model.loading import LoadedGraph, load_model
from vedette.model.pool import SessionPool
from vedette.pipeline.config import Stream, parse_config
from vedette.pipeline.sources import find_source
from vedette.pipeline.summary import Summary
from vedette.registry import Registry, load_plugins
from vedette.specs import Roi

TARGET = 0.85
CANDIDATE: dict[str, Any] = {"backend": "openvino", "device": "cpu", "precision": "f32", "proof": "off"}


def run(options: Options) -> Outcome:
    """YOLOX-nano in OpenVINO on the 720p clip, with all cores."""
    if options.data is None:
        return Outcome(skipped=NO_DATA)
    registry = load_plugins((PARTS,))
    model_path = bundle("yolox_nano", options.data, registry)
    video = clip(options.data, options.say)
    threads = len(os.sched_getaffinity(0))
    pool = SessionPool(threads)
    params = {"stop_s": 4.0} if options.quick else {}
    config = parse_config(
        {
            "threads": threads,
            "signatures": "off",
            "stream": [{"name": "frames", "source": str(video), "params": params}],
            "stage": [{"name": "model", "bundle": str(model_path), "on_error": "stop", **CANDIDATE}],
            "sink": [{"use": "null"}],
        }
    )
    summaries: list[Summary] = []
    with ExitStack() as stack:
        opened = stack.enter_context(open_bundle(model_path, Trust("off")))
        model = load_model(opened, registry, pool, image_decoder(registry), wanted=Wanted(**CANDIDATE))
        stack.callback(model.close)
        raw = RawRuntime(model, make_pictures((1280, 720))[0])
        series = interleave(
            {
                "decode + preprocess": lambda: timed(
                    lambda: _read_all(registry, config.stream[0], model.graphs[0])
                ),
                "raw inference": lambda: timed(lambda: raw.run(options.seconds)),
                "pipeline": lambda: run_pipeline(config, registry, pool, 3600.0, summaries),
            },
            options.rounds,
            options.say,
            options.attempts,
        )
    read, infer, whole = series["decode + preprocess"], series["raw inference"], series["pipeline"]
    ideal = threads * 1e3 / (read.cpu_ms + infer.cpu_ms)
    subject = f"YOLOX-nano f32, 720p H.264, {threads} threads"
    contended = sum(found.contended for found in series.values())

    def figure(name: str, value: float, unit: str, **judged: Any) -> Figure:
        return Figure(subject=subject, name=name, value=value, unit=unit, contended=contended, **judged)

    used = median(sample.cpu_s / sample.wall_s for sample in whole.samples)
    return Outcome(
        figures=[
            figure("throughput by ideal", whole.rate_hz / ideal, "", target=TARGET),
            figure("throughput", whole.rate_hz, "frames/s"),
            figure("ideal", ideal, "frames/s"),
            figure("raw inference, alone", infer.rate_hz, "frames/s"),
            figure("CPU of decode + preprocess, alone", read.cpu_ms, "ms/frame"),
            figure("CPU of raw inference, alone", infer.cpu_ms, "ms/frame"),
            figure("CPU of the pipeline", whole.cpu_ms, "ms/frame"),
            figure("cores that the pipeline kept busy", used, ""),
        ],
    )


def _read_all(registry: Registry, stream: Stream, graph: LoadedGraph) -> int:
    """Decode every frame of the video and write it into an input tensor, in one thread besides the decoder's own."""
    spec = find_source(registry, stream, "video")
    inputs = {
        name: np.zeros([size or 1 for size in info.shape], info.dtype)
        for name, info in graph.session.inputs.items()
    }
    frames = 0
    with closing(spec.open(stream.source, registry.convert_params(spec, stream.params, "video"))) as source:
        while True:
            try:
                capture = source.read(1.0)
            except EndOfStream:
                return frames
            if capture is not None:
                frame = still(capture.image)  # type: ignore[arg-type]  # a video gives pixels
                graph.fill(inputs, 0, Row(frame=frame, roi=Roi.whole(frame.size_wh), index=0))
                frames += 1

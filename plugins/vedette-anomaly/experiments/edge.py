"""The bundle of one seed in a pipeline, float and int8, as an edge box runs it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray

from vedette.bundle.manifest import Grade, Storage
from vedette.packet import Packet
from vedette.pipeline.run import Pipeline
from vedette.results import AnomalyMap
from vedette_anomaly.decoder import Params
from vedette_anomaly.recipes.bundle import Packing, pack_stream
from vedette_anomaly.recipes.footage import Footage
from vedette_anomaly.recipes.next_frame import NextFrame, NextFrameSettings
from vedette_anomaly.site.finish import goldens
from vedette_torch.quantise.onnx_graph import load_float, prepare
from vedette_torch.quantise.qdq import calibrate

if TYPE_CHECKING:
    from ped2 import Test

CALIBRATED_BY = 64
"""Frames of normal footage."""


def edge_figures(data: Path, folder: Path, settings: NextFrameSettings, test: Test) -> dict[str, Any]:
    """Figures over the test clips of the float and of the int8 bundle, each on the backend that the box chooses."""
    recipe = NextFrame()
    learnt, held = recipe.footage(data / "train", settings)
    float_model = folder / "model.onnx"
    int8_model = folder / "int8.onnx"
    onnx.save(quantised(float_model, learnt, settings), int8_model)
    figures = {}
    for storage, model in (("f32", float_model), ("int8", int8_model)):
        bundle = packed(recipe, settings, storage, model, held, folder / f"ped2-{storage}.vedette")
        figures[storage] = in_a_pipeline(bundle, data, test) | {
            "model_kb": round(model.stat().st_size / 1000)
        }
    return figures


def packed(
    recipe: NextFrame,
    settings: NextFrameSettings,
    storage: Storage,
    model: Path,
    held: list[Footage],
    to: Path,
) -> Path:
    """A bundle that is for this measurement only: its grade says so."""
    grade = Grade(variant=storage, precision="f32", metric="measured by this experiment", value=1.0, n=1)
    packing = Packing(
        name="ped2",
        version="1.0.0",
        licence="research only: learnt from UCSD Ped2",
        models={storage: model},
        pictures=goldens(held),
        decoder=Params(),
        origin="experiments/ped2.py",
        grades=(grade,),
    )
    return pack_stream(recipe, settings, packing, to)


def quantised(model: Path, learnt: list[Footage], settings: NextFrameSettings) -> onnx.ModelProto:
    """All that lies between the first and the last convolution in int8. Frames stay as they are: those of the state,
    those that are compared, and that to which the predicted change is added."""
    made = calibrate(prepare(load_float(model)), _feeds(learnt, settings.past))
    nodes = made.model.graph.node
    features = {name for node in nodes if node.op_type in ("Conv", "Relu", "Resize") for name in node.output}
    keep = [
        node.name
        for node in nodes
        if node.op_type not in ("Conv", "Relu", "Resize")
        and not (node.op_type == "Add" and set(node.input) <= features)
    ]
    found: onnx.ModelProto = made.quantise(keep)
    return found


def _feeds(learnt: list[Footage], past: int) -> Iterator[dict[str, NDArray[np.float32]]]:
    for number in range(CALIBRATED_BY):
        item = learnt[number % len(learnt)]
        at = past + (number * 37) % (len(item) - past)
        frames = (np.stack(item.frames[at - past : at + 1]).astype(np.float32) + 1) / 256
        yield {"frame": frames[-1:], "past": frames[None, :-1, 0]}


def in_a_pipeline(bundle: Path, data: Path, test: Test) -> dict[str, Any]:
    """The figures of the scores that the stages give, all clips as streams side by side."""
    clips = [item.path for item in test.footage]
    found: dict[str, dict[int, float]] = defaultdict(dict)

    def keep(packet: Packet) -> None:
        score = packet.results["score"]
        assert isinstance(score, AnomalyMap)
        if len(score):
            found[packet.frame.stream][packet.frame.seq] = float(score.score[0])

    config = {
        "signatures": "off",
        "stream": [{"name": path.stem, "source": str(path)} for path in clips],
        "stage": [
            {"name": "model", "bundle": str(bundle.resolve())},
            {"name": "score", "use": "anomaly_smooth", "takes": {"anomaly": "model"}},
        ],
    }
    with Pipeline.from_dict(config) as pipeline:
        pipeline.observe(keep)
        summary = pipeline.run()
    scores = []
    for path, truth in zip(clips, test.abnormal, strict=True):
        by_frame = found[path.stem]
        first = by_frame[min(by_frame)]
        scores.append(np.array([by_frame.get(at, first) for at in range(len(truth))]))
    stage = summary.stages["model"]
    return test.of_frames(scores) | {
        "runs on": stage["graphs"]["model"],
        "fallbacks": stage["fallbacks"],
        "frames per second": round(sum(map(len, found.values())) / summary.elapsed_s, 1),
    }

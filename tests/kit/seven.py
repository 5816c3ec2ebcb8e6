"""One pipeline with a generated plugin of every kind; run by test_generated.py in an environment of their own.

The test pictures of ``my-source`` go through ``my-model``; and through ``my-preprocess``, ``my-backend`` and
``my-postprocess``, which run a model of their own: each channel of a picture is a heat map, whose highest
point is on the bright bar. Boxes around the points are what ``my-stage`` counts and ``my-sink`` writes down.
"""

import json
import sys
from pathlib import Path

import numpy as np

from vedette import Detections, Keypoints, Pipeline, StageSpec, hookimpl, load_plugins
from vedette.bundle.manifest import (
    Decoder,
    Grade,
    Graph,
    GraphFiles,
    Input,
    Manifest,
    Output,
    PreprocessFeed,
    Run,
    Variant,
)
from vedette.bundle.write import write_bundle


class Boxes:
    """A box of 8 x 8 pixels around each point."""

    def start(self, stream):
        return None

    def process(self, inputs, state):
        points = inputs.results["points"].points.reshape(-1, 2)
        n = len(points)
        return Detections.of(np.concatenate([points - 4, points + 4], axis=1), np.ones(n), np.zeros(n))


@hookimpl
def vedette_stages():
    return [
        StageSpec(
            name="boxes",
            summary="Boxes of points.",
            takes={"points": Keypoints},
            gives=Detections,
            build=lambda params: Boxes(),
        )
    ]


def pack(folder):
    """A bundle whose three parts are the generated ones."""
    np.savez(folder / "net.npz", weight=np.eye(3, dtype=np.float32), shape=[-1, 3, 24, 32])
    feed = PreprocessFeed(name="my-preprocess", params={"size_wh": [32, 24]})
    graph = Graph(
        inputs={"x": Input(dtype="float32", shape=(None, 3, 24, 32), feed=feed)},
        outputs={"y": Output(dtype="float32", shape=(None, 3, 24, 32))},
    )
    manifest = Manifest(
        schema=1,
        name="channels",
        version="1.0.0",
        task="keypoints",
        licence="Apache-2.0",
        graphs={"net": graph},
        program=(Run(run="net"),),
        decoder=Decoder(name="my-postprocess", params={"stride": 1.0}),
        variants={"f32": Variant(graphs={"net": GraphFiles(format="my-backend", files=("net.npz",))})},
        files={},
        grades=(Grade(variant="f32", precision="f32", metric="reference", value=1.0, n=1),),
    )
    return str(write_bundle(folder / "channels-1.0.0.vedette", manifest, {"net.npz": folder / "net.npz"}))


def main(folder):
    config = {
        "stream": [{"name": "test", "source": "my-source://12"}],
        "stage": [
            {"name": "colour", "bundle": "my-model"},
            {"name": "points", "bundle": pack(folder)},
            {"name": "boxes", "use": "boxes", "takes": {"points": "points"}},
            {"name": "crowd", "use": "my-stage", "takes": {"boxes": "boxes"}, "params": {"limit": 2}},
        ],
        "sink": [
            {"use": "my-sink", "params": {"path": str(folder / "boxes.csv")}},
            {"use": "jsonl", "params": {"path": str(folder / "all.jsonl")}},
        ],
    }
    with Pipeline.from_dict(config, registry=load_plugins([__name__])) as pipeline:
        summary = pipeline.run()
        parts = pipeline.plan.stages["points"].model.parts
    print(
        json.dumps(
            {
                "complete": summary.streams["test"]["complete"],
                "parts": [
                    *(spec.name for spec, _ in parts.preprocess.values()),
                    parts.backend.name,
                    parts.postprocess.name,
                ],
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""What the pipeline itself costs per frame: everything but decode, preprocess, infer and postprocess."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.figures import Figure, Outcome
from bench.options import Options
from bench.parts import pack_null_bundle
from vedette.benchmark.bundle import PARTS
from vedette.benchmark.meter import Sample, timed
from vedette.benchmark.rounds import interleave
from vedette.packet import Packet
from vedette.pipeline.run import Pipeline
from vedette.registry import Registry, load_plugins

GOAL_US = 60.0
FREE = {"name": "free", "use": "null-free"}
ORDERED = {"name": "ordered", "use": "null-ordered"}
NOTE = (
    "processor time per frame of whole pipelines whose source, stages and sink do nothing, all workers running; "
    "'model' is a model stage with a runtime that answers at once"
)


def run(options: Options) -> Outcome:
    """Pipelines that do nothing, from one stage to a model stage with observers."""
    registry = load_plugins((PARTS, "bench.parts"))
    frames = 2_000 if options.quick else 20_000
    with tempfile.TemporaryDirectory(prefix="vedette-bench-") as folder:
        model = {
            "name": "model",
            "bundle": str(pack_null_bundle(Path(folder) / "null.vedette")),
            "backend": "null",
            "proof": "off",
        }
        subjects: dict[str, Callable[[], Sample]] = {
            "1 free stage": _pipeline(registry, frames, [FREE], 0),
            "free + ordered stage": _pipeline(registry, frames, [FREE, ORDERED], 0),
            "free + ordered stage, 3 observers": _pipeline(registry, frames, [FREE, ORDERED], 3),
            "model stage": _pipeline(registry, frames, [model], 0),
            "model + ordered stage, 3 observers": _pipeline(registry, frames, [model, ORDERED], 3),
        }
        series = interleave(subjects, options.rounds, options.say, options.attempts)
    return Outcome(
        figures=[
            Figure(
                subject=subject,
                name="glue per frame",
                value=1e3 * found.cpu_ms,
                unit="us",
                target=GOAL_US,
                better="lower",
                contended=found.contended,
            )
            for subject, found in series.items()
        ],
        notes=[NOTE],
    )


def _pipeline(
    registry: Registry, frames: int, stages: list[dict[str, Any]], observers: int
) -> Callable[[], Sample]:
    def measure() -> Sample:
        config = {
            "signatures": "off",
            "stream": [
                {
                    "name": "frames",
                    "source": "memory://",
                    "params": {"size_wh": [64, 36], "frames": frames},
                }
            ],
            "stage": stages,
            "sink": [{"use": "null"}],
        }
        with Pipeline.from_dict(config, registry=registry) as pipeline:
            for _ in range(observers):
                pipeline.observe(_look)
            return timed(lambda: _complete(pipeline))

    return measure


def _complete(pipeline: Pipeline) -> int:
    count: int = pipeline.run().streams["frames"]["complete"]
    return count


def _look(packet: Packet) -> None: ...

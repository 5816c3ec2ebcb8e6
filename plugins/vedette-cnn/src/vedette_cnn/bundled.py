"""The models that this distribution carries; ``models/make.py`` of its source makes them."""

from __future__ import annotations

from pathlib import Path

from vedette.bundle.manifest import Task
from vedette.specs import ModelSpec

FOLDER = Path(__file__).parent / "bundles"


def _bundled(name: str, version: str, task: Task, summary: str) -> ModelSpec:
    return ModelSpec(
        name=name, summary=summary, task=task, locate=lambda: FOLDER / f"{name}-{version}.vedette"
    )


BUNDLED = (
    _bundled(
        "cifar-classifier", "1.0.0", "classification", "Ten kinds of things in 32x32 pictures (CIFAR-10)."
    ),
    _bundled(
        "defect-detector", "1.0.0", "detection", "Six kinds of defects of bare circuit boards (DeepPCB)."
    ),
)

"""What a report is made from: all that was measured of a model, as it was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from vedette.bundle.manifest import Manifest
from vedette_torch.card.text import CardText
from vedette_torch.evaluation.evaluate import Evaluation
from vedette_torch.evaluation.parity import Parity
from vedette_torch.metrics.precision_recall import Curve
from vedette_torch.report.mistakes import Mistake
from vedette_torch.training.diagnosis import Finding
from vedette_torch.training.position import Row
from vedette_torch.training.run_folder import RunInfo


@dataclass(frozen=True, kw_only=True, eq=False)
class RunFacts:
    """A training. ``main``: the number by which its best epoch was chosen, without ``val_``; ``None`` where nothing was
    validated."""

    path: Path
    info: RunInfo
    history: Sequence[Row]
    environment: Mapping[str, Any]
    main: str | None
    best: int | None
    findings: Sequence[Finding]

    @property
    def seconds(self) -> float:
        """Of all steps; validation and reading of data are not in it."""
        return sum(row.get("seconds", 0.0) for row in self.history)


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """An evaluation, and where it was made: ``machine`` as :func:`vedette.machine.describe_machine` tells."""

    evaluation: Evaluation
    machine: Mapping[str, Any] = field(default_factory=dict)


class Score(msgspec.Struct, frozen=True):
    """The metric of a variant on a backend."""

    value: float
    n: int
    interval: tuple[float, float] | None = None


class Speed(msgspec.Struct, frozen=True):
    """Requests per second, of rounds that took turns."""

    f32_hz: float
    int8_hz: float
    ratio: float
    contended_rounds: int = 0


class OnBackend(msgspec.Struct, frozen=True):
    """Float and int8 on one backend; ``drop`` in parts of 1, its interval paired. ``refused``: why boxes refuse it."""

    f32: Score
    int8: Score
    drop: float
    drop_interval: tuple[float, float]
    speed: Speed | None = None
    refused: str = ""


class Quantisation(msgspec.Struct, frozen=True):
    """What ``vedette quantize --json`` printed, as far as a report shows it. ``bytes`` by ``f32`` and ``int8``."""

    metric: str
    method: str
    layers: int
    float_layers: tuple[str, ...]
    backends: dict[str, OnBackend]
    parity: float
    bytes: dict[str, int]
    variants: tuple[str, str] = ("f32", "int8")
    attempts: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class BundleFacts:
    """A bundle, as its manifest states it; ``sizes``: bytes of each variant's files."""

    path: Path
    manifest: Manifest
    digest: str
    signature: str
    sizes: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """All of it. What is empty was not measured.

    ``mistakes`` and ``curves`` (by class; empty for classifiers) are those of the model named ``looked_at``.
    """

    run: RunFacts | None = None
    evaluations: Sequence[Measured] = ()
    parities: Sequence[Parity] = ()
    quantisations: Sequence[Quantisation] = ()
    bundle: BundleFacts | None = None
    mistakes: Sequence[Mistake] | None = None
    curves: Mapping[str, Curve] = field(default_factory=dict)
    looked_at: str = ""
    author: CardText | None = None

    @property
    def name(self) -> str:
        """What the model is called."""
        if self.author is not None and self.author.title:
            return self.author.title
        if self.bundle is not None:
            return f"{self.bundle.manifest.name} {self.bundle.manifest.version}"
        if self.run is not None:
            return f"{self.run.info.recipe} ({self.run.path.name})"
        if self.evaluations:
            return self.evaluations[0].evaluation.subject.name
        return "model"

    @property
    def headline(self) -> Measured | None:
        """The evaluation to name first: as it runs on the edge, on most pictures."""
        return max(
            self.evaluations,
            key=lambda m: (m.evaluation.subject.kind == "edge", m.evaluation.headline[1].n),
            default=None,
        )

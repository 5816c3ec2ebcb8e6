"""Figures: what was measured, what was aimed at, and whether it holds."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import msgspec

from vedette.cli.report import table
from vedette.machine import describe_machine

PACKAGES = ("vedette", "numpy", "openvino", "onnxruntime", "av", "opencv-python-headless")


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured value.

    ``target`` is compared as ``better`` says; ``None``: reported, not judged. ``contended``: rounds behind it in which
    other programs used the processor although they were repeated.
    """

    subject: str
    name: str
    value: float
    unit: str
    target: float | None = None
    better: Literal["higher", "lower"] = "higher"
    contended: int = 0

    @property
    def verdict(self) -> str:
        """``ok``, ``MISSED``, or nothing where there is no target."""
        if self.target is None:
            return ""
        holds = self.value >= self.target if self.better == "higher" else self.value <= self.target
        return "ok" if holds else "MISSED"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one benchmark found; ``notes`` say how to read it, ``skipped`` why it did not run."""

    figures: Sequence[Figure] = ()
    notes: Sequence[str] = ()
    skipped: str | None = None


def to_builtins(outcomes: dict[str, Outcome]) -> dict[str, Any]:
    """All outcomes with the machine and the versions, ready for JSON."""
    return {
        "machine": describe_machine(),
        "versions": {"python": platform.python_version(), **_versions()},
        "benchmarks": {
            name: {
                "skipped": outcome.skipped,
                "figures": [
                    {**msgspec.to_builtins(figure), "verdict": figure.verdict} for figure in outcome.figures
                ],
                "notes": list(outcome.notes),
            }
            for name, outcome in outcomes.items()
        },
    }


def render(outcomes: dict[str, Outcome]) -> str:
    """All outcomes as a table."""
    machine = describe_machine()
    rows = [
        [name, figure.subject, figure.name, f"{figure.value:.4g} {figure.unit}".strip(), *_judged(figure)]
        for name, outcome in outcomes.items()
        for figure in outcome.figures
    ]
    lines = [
        f"{machine['processor']}, {machine['threads_usable']} threads; "
        + ", ".join(f"{name} {number}" for name, number in _versions().items()),
        "",
        *table(["benchmark", "subject", "what", "value", "target", "verdict"], rows),
    ]
    for name, outcome in outcomes.items():
        lines += [f"{name}: not run: {outcome.skipped}"] if outcome.skipped else []
        lines += [f"{name}: {note}" for note in outcome.notes]
    return "\n".join(lines)


def _judged(figure: Figure) -> tuple[str, str]:
    verdict = figure.verdict + (f" ({figure.contended} contended rounds)" if figure.contended else "")
    if figure.target is None:
        return "", verdict.strip()
    return f"{'>=' if figure.better == 'higher' else '<='} {figure.target:g}", verdict


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

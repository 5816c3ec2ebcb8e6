"""Files become facts: a run folder, what ``evaluate`` and ``quantize`` printed as JSON, a bundle."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from vedette.errors import VedetteError
from vedette.model.named import open_named
from vedette.registry import Registry
from vedette_torch.evaluation.evaluate import Evaluation
from vedette_torch.evaluation.parity import Parity
from vedette_torch.evaluation.predictor import Subject
from vedette_torch.metrics.classification import ClassificationFigures
from vedette_torch.metrics.detection import DetectionFigures
from vedette_torch.report.facts import BundleFacts, Facts, Measured, Quantisation, RunFacts
from vedette_torch.training.diagnosis import diagnose
from vedette_torch.training.position import Row, best_epoch
from vedette_torch.training.run_folder import RunFolder

MAINS = ("top1", "map50")
"""What recipes choose their best epoch by, where the run has such a column; else its first measured one."""
_FIGURES: Mapping[str, type[Any]] = {
    "classification": ClassificationFigures,
    "detection": DetectionFigures,
}
_FIX = "name a run folder, a bundle, or a file that `vedette evaluate … --json` or `vedette quantize … --json` printed"
T = TypeVar("T")


def read_sources(sources: Sequence[str], registry: Registry) -> Facts:
    """All that the sources say of a model.

    Raises
    ------
    VedetteError
        One of them is nothing that is known here or is damaged, or there are two runs or two bundles among them.
    """
    facts = Facts()
    for source in sources:
        facts = _add(facts, source, registry)
    return facts


def is_run(source: str) -> bool:
    """Whether it is the folder of a training."""
    return RunFolder(Path(source)).exists


def is_json(source: str) -> bool:
    """Whether it is a file of figures."""
    return Path(source).suffix.lower() == ".json"


def _add(facts: Facts, source: str, registry: Registry) -> Facts:
    if is_run(source):
        if facts.run is not None:
            raise VedetteError(
                f"{facts.run.path} and {source} are two runs", fix="a report is of one model: name one"
            )
        return replace(facts, run=read_run(Path(source)))
    if is_json(source):
        return _add_json(facts, Path(source))
    if facts.bundle is not None:
        raise VedetteError(
            f"{facts.bundle.path} and {source} are two bundles", fix="a report is of one model: name one"
        )
    return replace(facts, bundle=read_bundle(source, registry))


def read_run(path: Path) -> RunFacts:
    """A run as its folder tells it, finished or not.

    Raises
    ------
    VedetteError
        A file of it cannot be understood.
    """
    folder = RunFolder(path)
    info = folder.read_info()
    history = _rows(path / "metrics.csv")
    environment = path / "environment.json"
    main = main_of(history)
    return RunFacts(
        path=path.resolve(),
        info=info,
        history=history,
        environment=_json(environment) if environment.is_file() else {},
        main=main,
        best=best_epoch(list(history), f"val_{main}"),
        findings=diagnose(history, main or "", info.train_samples) if history else (),
    )


def main_of(history: Sequence[Row]) -> str | None:
    """The measured number, the higher the better, that a run is judged by; ``None`` where nothing was validated."""
    names = [
        name.removeprefix("val_") for name in (history[-1] if history else ()) if name.startswith("val_")
    ]
    measured = [name for name in names if name not in ("loss", "pictures")]
    return next((name for name in MAINS if name in measured), measured[0] if measured else None)


def read_bundle(source: str, registry: Registry) -> BundleFacts:
    """A bundle by path or by the name of a model. Raises BundleError."""
    with open_named(source, registry) as bundle:
        manifest = bundle.manifest
        return BundleFacts(
            path=bundle.path,
            manifest=manifest,
            digest=bundle.digest,
            signature=str(bundle.signature),
            sizes={
                name: sum(
                    manifest.files[file].size
                    for file in {file for graph in variant.graphs.values() for file in graph.files}
                )
                for name, variant in manifest.variants.items()
            },
        )


def _add_json(facts: Facts, path: Path) -> Facts:
    plain = _json(path)
    if "evaluation" in plain:
        machine = plain.get("machine", {})
        found = [
            Measured(evaluation=parse_evaluation(plain[key], path), machine=machine)
            for key in ("evaluation", "reference")
            if key in plain
        ]
        parities = [_convert(plain["parity"], Parity, path)] if "parity" in plain else []
        return replace(
            facts,
            evaluations=(*facts.evaluations, *found),
            parities=(*facts.parities, *parities),
        )
    if {"metric", "backends", "bytes"} <= plain.keys():
        made = _convert(plain, Quantisation, path)
        return replace(facts, quantisations=(*facts.quantisations, made))
    raise VedetteError(f"{path}: neither of evaluate nor of quantize", fix=_FIX)


def parse_evaluation(plain: Any, path: Path) -> Evaluation:
    """An evaluation as ``vedette evaluate --json`` prints it.

    Raises
    ------
    VedetteError
        It is of a task that a report does not know, or is damaged.
    """
    task: Any = plain.get("task") if isinstance(plain, dict) else None
    if task not in _FIGURES:
        raise VedetteError(
            f"{path}: an evaluation of {task!r}, which a report cannot show",
            fix=f"it can show those of {', '.join(_FIGURES)}",
        )
    try:
        return Evaluation(
            subject=_convert(plain["subject"], Subject, path),
            task=task,
            data=str(plain["data"]),
            figures=_convert(plain["figures"], _FIGURES[task], path),
            seconds=float(plain["seconds"]),
            notes=tuple(plain.get("notes", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise VedetteError(f"{path}: an evaluation without {error}", fix=_FIX) from error


def _convert(plain: Any, type_: type[T], path: Path) -> T:
    try:
        return msgspec.convert(plain, type_, strict=False, str_keys=True)
    except msgspec.ValidationError as error:
        raise VedetteError(f"{path}: {error}", fix="print it again with this version of vedette") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        plain = json.loads(path.read_bytes())
    except OSError as error:
        raise VedetteError(f"{path}: cannot be read: {error.strerror}", fix=_FIX) from error
    except ValueError as error:
        raise VedetteError(f"{path}: no JSON: {error}", fix=_FIX) from error
    if not isinstance(plain, dict):
        raise VedetteError(f"{path}: not an object of JSON", fix=_FIX)
    return plain


def _rows(path: Path) -> list[Row]:
    """``metrics.csv``; none where no epoch has ended yet. An empty cell is a number that this epoch does not have."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return [
                {name: float(value) for name, value in row.items() if value} for row in csv.DictReader(lines)
            ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise VedetteError(
            f"{path}: cannot be understood: {error}", fix="`vedette train … --resume` writes it again"
        ) from error

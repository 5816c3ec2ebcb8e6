"""What the model is made of, and where all this was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vedette_torch.report.facts import BundleFacts, Facts, RunFacts
from vedette_torch.report.markup import Markup, join, table, tag
from vedette_torch.report.sections.parts import Section, details, not_measured, pairs


def provenance(facts: Facts) -> Section:
    """Training, bundle, machines."""
    parts: list[Markup] = []
    if facts.run is not None:
        parts.append(_training(facts.run))
    if facts.bundle is not None:
        parts.append(_bundle(facts.bundle))
    machines = {
        json.dumps(one.machine, sort_keys=True): one.machine for one in facts.evaluations if one.machine
    }
    for machine in machines.values():
        parts += [tag("h3", "Machine of the evaluation"), pairs(_flat(machine))]
    if not parts:
        parts.append(not_measured("Provenance", "vedette report RUN BUNDLE … --out report.html"))
    return Section(anchor="provenance", title="Provenance", body=join(parts))


def training_facts(run: RunFacts) -> dict[str, Any]:
    """How it was trained, in a few lines."""
    waited = sum(row.get("waited_s", 0.0) for row in run.history)
    wanted, labels = run.info.settings.get("epochs"), run.info.labels
    best = "" if run.best is None else f", best: {run.best + 1} by {run.main} of the validation pictures"
    return {
        "recipe": run.info.recipe,
        "begun with": run.info.start,
        "data": run.info.data,
        "data, sha256 of paths, classes, boxes": run.info.data_digest,
        "samples": f"{run.info.train_samples} to learn from, {run.info.validation_samples} to validate",
        "classes": f"{len(labels)}: {', '.join(labels[:12])}{' …' if len(labels) > 12 else ''}",
        "epochs": f"{len(run.history)} of {wanted}{best}",
        "seed": run.info.settings.get("seed"),
        "time": f"{run.seconds / 3600:.2f} h of steps, {waited / run.seconds:.0%} of it waiting for pictures"
        if run.seconds
        else "",
    }


def _training(run: RunFacts) -> Markup:
    settings = [[name, json.dumps(value)] for name, value in run.info.settings.items()]
    environment = _flat(run.environment)
    return join(
        (
            tag("h3", "Training"),
            pairs(training_facts(run)),
            details("All settings", table(f"Settings of {run.info.recipe}", ["setting", "value"], settings)),
            tag("h3", "Machine of the training"),
            pairs(environment)
            if environment
            else not_measured("It", "vedette train writes environment.json"),
        )
    )


def _bundle(bundle: BundleFacts) -> Markup:
    manifest = bundle.manifest
    grades = [
        [
            grade.variant,
            grade.precision,
            grade.backend or "all",
            grade.metric,
            f"{grade.value:.4f}"
            + ("" if grade.interval is None else " ({:.4f} to {:.4f})".format(*grade.interval)),
            grade.n,
        ]
        for grade in manifest.grades
    ]
    return join(
        (
            tag("h3", "Bundle"),
            pairs(
                {
                    "name": f"{manifest.name} {manifest.version}, {manifest.task}",
                    "digest": f"sha256 {bundle.digest}",
                    "signature": bundle.signature,
                    "licence": manifest.licence,
                    "origin": manifest.provenance.origin,
                    "data": "; ".join(manifest.provenance.data),
                    "made by": manifest.provenance.recipe,
                    "commit": manifest.provenance.commit,
                    "seeds": ", ".join(map(str, manifest.provenance.seeds)),
                    "goldens": f"{len(manifest.goldens)}, by which each box proves it",
                }
            ),
            table(
                "Grades that the manifest states",
                ["variant", "precision", "backend", "metric", "value (95 %)", "n"],
                grades,
                numbers=[5],
            ),
        )
    )


def _flat(values: Mapping[str, Any]) -> dict[str, str]:
    """Nested values in one list, in words."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value)
        elif isinstance(value, list | tuple):
            flat[name] = ", ".join(map(str, value))
        elif value is not None:
            flat[name.replace("_", " ")] = str(value)
    return flat

"""The card as Markdown, from the facts of a report and the author's words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from vedette.errors import ConfigError
from vedette_torch.card.text import CardText
from vedette_torch.metrics.figure import LEVEL
from vedette_torch.report.facts import Facts, Quantisation, RunFacts
from vedette_torch.report.sections.accuracy import headlines
from vedette_torch.report.sections.parts import figure_text

NOT_STATED = "not stated"


def render_card(facts: Facts) -> str:
    """``card.md``. What was not measured is said to be so.

    Raises
    ------
    ConfigError
        There are no words of the author in ``facts``.
    """
    text = facts.author
    if text is None:
        raise ConfigError("a card needs the author's words", fix="give them with --text card.toml")
    parts = [
        [f"# {facts.name}"],
        ["## Intended use", "", _plain(text.intended_use)],
        ["## Limits", "", *(f"- {_plain(limit)}" for limit in text.limits)],
        ["## Data and licences", "", *_licences(facts, text)],
        ["## Accuracy", "", *_accuracy(facts)],
        ["## Float and int8", "", *_int8(facts.quantisations)],
        ["## Training", "", *_training(facts, text)],
        ["## Citation", "", _plain(text.citation) or NOT_STATED],
    ]
    if text.contact:
        parts.append(["## Contact", "", _plain(text.contact)])
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _licences(facts: Facts, text: CardText) -> Iterator[str]:
    manifest = facts.bundle.manifest if facts.bundle else None
    stated = manifest.provenance.data if manifest else ()
    data = [text.data] if text.data else [*stated]
    yield f"- Data: {_plain('; '.join(data)) or NOT_STATED}"
    yield f"- Licence of the data: {_plain(text.data_licence)}"
    weights = text.weights_licence or (manifest.licence if manifest else "")
    yield f"- Licence of the weights: {_plain(weights) or NOT_STATED}"


def _accuracy(facts: Facts) -> Iterator[str]:
    if not facts.evaluations:
        yield "Not measured (`vedette evaluate MODEL --data DATA --json`)."
        return
    rows = [
        [str(one.evaluation.subject), one.evaluation.data, name, figure_text(figure), figure.n]
        for one in facts.evaluations
        for name, figure in headlines(one.evaluation).items()
    ]
    yield from _table(["model", "judged on", "figure", f"value (interval at {LEVEL:.0%})", "n"], rows)


def _int8(made: Sequence[Quantisation]) -> Iterator[str]:
    if not made:
        yield "Not measured (`vedette quantize BUNDLE --calibration PICTURES --data HELD_OUT --json`)."
        return
    rows = [
        [
            backend,
            one.metric,
            f"{on.f32.value:.4f}",
            f"{on.int8.value:.4f}",
            "{:+.2f} ({:+.2f} to {:+.2f})".format(*(100 * v for v in (on.drop, *on.drop_interval))),
            on.int8.n,
            "not measured" if on.speed is None else f"{on.speed.ratio:.2f}",
        ]
        for one in made
        for backend, on in one.backends.items()
    ]
    header = [
        "backend",
        "metric",
        "float",
        "int8",
        "drop in points (95 %, paired)",
        "n",
        "speed, int8 / float",
    ]
    yield from _table(header, rows)
    for one in made:
        f32, int8 = one.bytes["f32"], one.bytes["int8"]
        yield ""
        yield f"{_plain(one.method)}. {int8 / 1e6:.2f} MB instead of {f32 / 1e6:.2f} MB."


def _training(facts: Facts, text: CardText) -> Iterator[str]:
    manifest = facts.bundle.manifest if facts.bundle else None
    commit = text.commit or (manifest.provenance.commit if manifest else "")
    if facts.run is not None:
        yield from _run(facts.run)
    elif manifest and manifest.provenance.recipe:
        yield f"- Made by: {_plain(manifest.provenance.recipe)}"
    else:
        yield "- How it was trained is not known here (name its run folder)."
    yield f"- Commit: {_plain(commit) or NOT_STATED}"


def _run(run: RunFacts) -> Iterator[str]:
    info = run.info
    machine = run.environment.get("machine", {}).get("processor", "")
    versions = run.environment.get("versions", {})
    yield f"- Recipe: {info.recipe}, {len(run.history)} epochs, seed {info.settings.get('seed', NOT_STATED)}"
    samples = f"{info.train_samples} to learn from, {info.validation_samples} to validate"
    if info.start:
        yield f"- Begun with: {_plain(info.start)}"
    yield f"- Samples: {samples} (sha256 of their paths, classes and boxes: {info.data_digest[:16]}…)"
    yield f"- Time: {run.seconds / 3600:.2f} hours of steps" + (f" on {_plain(machine)}" if machine else "")
    yield f"- Settings: `{json.dumps(info.settings, separators=(', ', '='))}`"
    if versions:
        yield f"- Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}"


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(_plain(str(cell)) for cell in row)} |"


def _plain(text: str) -> str:
    """On one line, and nothing that would end a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")

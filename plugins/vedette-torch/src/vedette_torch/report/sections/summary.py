"""What there is to know at a glance."""

from __future__ import annotations

from collections.abc import Iterator

from vedette_torch.report.facts import Facts
from vedette_torch.report.markup import Markup, tag
from vedette_torch.report.sections.parts import Section, figure_text
from vedette_torch.training.diagnosis import Finding

_WORDS = {
    "waits_for_loader": "waits for its loader",
    "overfits": "overfits",
    "lacks_data": "lacks data",
    "underfits": "underfits",
    "unfinished": "not finished",
    "fine": "nothing stands out",
}


def summary(facts: Facts) -> Section:
    """Tiles: accuracy, int8, parity, diagnosis, size."""
    tiles = [_accuracy(facts), _int8(facts), _parity(facts), _training(facts), _size(facts)]
    return Section(anchor="summary", title="Summary", body=tag("div", tiles, class_="tiles"))


def _tile(name: str, value: str, says: str, state: str = "") -> Markup:
    return tag(
        "div",
        tag("p", name, class_="name"),
        tag("p", value, class_="value"),
        tag("p", says, class_="says"),
        class_=f"tile {state}".strip(),
    )


def _missing(name: str, section: str) -> Markup:
    return tag(
        "div",
        tag("p", name, class_="name"),
        tag("p", "not measured", class_="value"),
        tag("p", tag("a", "how to", href=f"#{section}"), class_="says"),
        class_="tile empty",
    )


def _accuracy(facts: Facts) -> Markup:
    if facts.headline is None:
        return _missing("accuracy", "accuracy")
    evaluation = facts.headline.evaluation
    name, figure = evaluation.headline
    value = "–" if figure.value is None else f"{figure.value:.3f}"
    where = "on the edge" if evaluation.subject.kind == "edge" else f"by {evaluation.subject.kind}"
    interval = figure_text(figure).partition(" ")[2].strip("()")
    return _tile(name, value, f"{interval or 'no interval'}; n = {figure.n}, {where}")


def _int8(facts: Facts) -> Markup:
    if not facts.quantisations:
        return _missing("int8", "int8")
    drops = {backend: one for q in facts.quantisations for backend, one in q.backends.items()}
    backend, worst = max(drops.items(), key=lambda item: item[1].drop)
    low, high = worst.drop_interval
    return _tile(
        "int8, worst drop",
        f"{100 * worst.drop:+.2f} points",
        f"{100 * low:+.2f} to {100 * high:+.2f}; {backend}, n = {worst.int8.n}",
    )


def _parity(facts: Facts) -> Markup:
    if not facts.parities:
        return _missing("train/serve parity", "parity")
    failed = [one for one in facts.parities if not one.passed]
    worst = max(facts.parities, key=lambda one: abs(one.values[1] - one.values[0]))
    return _tile(
        "train/serve parity",
        "failed" if failed else "passed",
        f"{worst.metric} {100 * (worst.values[1] - worst.values[0]):+.2f} points at most; n = {worst.difference.n}",
        "bad" if failed else "good",
    )


def _training(facts: Facts) -> Markup:
    if facts.run is None or not facts.run.findings:
        return _missing("training", "learning")
    kinds = [finding.kind for finding in facts.run.findings]
    hours = facts.run.seconds / 3600
    return _tile(
        "training",
        ", ".join(_WORDS[kind] for kind in kinds),
        f"{len(facts.run.history)} epochs, {_hours(hours)}",
        "good" if kinds == ["fine"] else "warn",
    )


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def _size(facts: Facts) -> Markup:
    sizes = dict(_sizes(facts))
    if not sizes:
        return _missing("size", "int8")
    name, size = min(sizes.items(), key=lambda item: item[1])
    others = ", ".join(f"{other} {_megabytes(b)}" for other, b in sizes.items() if other != name)
    return _tile(f"size of {name}", _megabytes(size), others or "the only variant")


def _sizes(facts: Facts) -> Iterator[tuple[str, int]]:
    if facts.bundle is not None:
        yield from facts.bundle.sizes.items()
    for one in facts.quantisations:
        yield from zip(one.variants, (one.bytes["f32"], one.bytes["int8"]), strict=True)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.2f} MB"


def finding(one: Finding) -> Markup:
    """A diagnosis with what to try next."""
    advice = tag("p", tag("b", "Try next: "), one.try_next) if one.try_next else None
    state = "good" if one.kind == "fine" else "warn"
    message = one.message[:1].upper() + one.message[1:]
    return tag("div", tag("p", message), advice, class_=f"finding {state}")

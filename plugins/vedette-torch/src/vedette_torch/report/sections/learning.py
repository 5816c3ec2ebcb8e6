"""How the training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vedette_torch.report.charts.lines import Series, line_chart
from vedette_torch.report.facts import Facts, RunFacts
from vedette_torch.report.markup import Markup, join, table
from vedette_torch.report.sections.parts import Section, charts, details, not_measured, note
from vedette_torch.report.sections.summary import finding

_SHOWN = {"probe": "training", "val": "validation", "train": "with augmentation"}


MEASURED = 2
"""Numbers beside the loss that have a chart; the table has all."""


def learning(facts: Facts) -> Section:
    """Curves, and what they say."""
    title = "Learning"
    if facts.run is None or not facts.run.history:
        missing = not_measured(
            "Learning curves",
            "vedette train RECIPE --data DATA --out RUN; vedette report RUN … --out report.html",
        )
        return Section(anchor="learning", title=title, body=missing)
    run = facts.run
    body = join(
        (
            [finding(one) for one in run.findings],
            charts(_drawn(run)),
            _explained(run),
            details(f"All {len(run.history)} epochs in numbers", _numbers(run)),
        )
    )
    return Section(anchor="learning", title=title, body=body)


def _drawn(run: RunFacts) -> dict[str, Markup]:
    """The loss, what was measured (what decides first), and the learning rate, by their titles."""
    measured = sorted(_measured(run), key=lambda name: name != run.main)[:MEASURED]
    return {
        "Loss": _curves(run, "loss", ("probe", "val", "train")),
        **{name: _curves(run, name, ("probe", "val")) for name in measured},
        "Learning rate at the end of each epoch": _chart(
            run, {"learning rate": "learning_rate"}, "learning rate"
        ),
    }


def _explained(run: RunFacts) -> Markup:
    n = int(run.history[-1].get("val_pictures", 0))
    if not n:
        return note("Nothing was validated (validation = 0), so nothing can be said of overfitting.")
    return note(
        f"“Training”: {n} training pictures, judged in the same way as the {n} validation pictures; the difference "
        "is what the network knows by heart. “With augmentation”: what it learnt from, a mean over the epoch, while it "
        "changed."
    )


def _measured(run: RunFacts) -> list[str]:
    names = [name.removeprefix("val_") for name in run.history[-1] if name.startswith("val_")]
    return [name for name in names if name not in ("loss", "pictures")]


def _curves(run: RunFacts, what: str, kinds: Sequence[str]) -> Markup:
    columns = {_SHOWN[kind]: f"{kind}_{what}" for kind in kinds if f"{kind}_{what}" in run.history[-1]}
    return _chart(run, columns, what)


def _chart(run: RunFacts, columns: Mapping[str, str], label: str) -> Markup:
    return line_chart(
        [
            Series(
                name=name,
                points=[(row["epoch"] + 1, row[column]) for row in run.history if column in row],
            )
            for name, column in columns.items()
        ],
        title=label,
        x_label="epoch",
        y_label=label,
        whole_x=True,
        mark=None if run.best is None else (run.best + 1.0, "best"),
    )


def _numbers(run: RunFacts) -> Markup:
    names = list(dict.fromkeys(name for row in run.history for name in row if not name.endswith("_pictures")))
    rows = [
        [int(row["epoch"]) + 1, *(f"{row[name]:.4g}" if name in row else "" for name in names[1:])]
        for row in run.history
    ]
    return table("Epochs; loss of augmented, validation and unaugmented training pictures", names, rows,
                 numbers=range(1, len(names)))  # fmt: skip

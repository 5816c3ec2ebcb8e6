"""Whether what is served is what was trained."""

from __future__ import annotations

from vedette_torch.evaluation.parity import Parity, SampleDifference
from vedette_torch.report.facts import Facts
from vedette_torch.report.markup import Markup, join, table, tag
from vedette_torch.report.sections.parts import Section, details, figure_text, not_measured

DIFFERENT = 30


def parity(facts: Facts) -> Section:
    """Each comparison, with its verdict."""
    title = "Train/serve parity"
    if not facts.parities:
        bundle = facts.bundle.path.name if facts.bundle else "BUNDLE"
        run = facts.run.path.name if facts.run else "RUN"
        command = f"vedette evaluate {bundle} --against {run} --data DATA --json > parity.json"
        return Section(anchor="parity", title=title, body=not_measured("Parity", command))
    return Section(anchor="parity", title=title, body=join(_one(one) for one in facts.parities))


def _one(one: Parity) -> Markup:
    before, after = one.values
    low, high = one.difference.interval or (0.0, 0.0)
    verdict = "passed" if one.passed else f"failed: {'; '.join(one.problems)}"
    differing = [item for item in one.samples if item.agreeing < item.total]
    return join(
        (
            tag("p", tag("b", "Parity "), verdict, class_=f"finding {'good' if one.passed else 'bad'}"),
            table(
                f"{one.served} against {one.reference}",
                ["", "measured", "allowed"],
                [
                    [
                        one.metric,
                        f"{after:.4f} instead of {before:.4f}: {100 * (after - before):+.2f} points "
                        f"({100 * low:+.2f} to {100 * high:+.2f}), n = {one.difference.n}",
                        f"{one.tolerance.points:g} points",
                    ],
                    [
                        "findings that agree",
                        f"{figure_text(one.agreement, 4)} of {one.agreement.n}",
                        f"at least {one.tolerance.agreement:g}",
                    ],
                ],
            ),
            _differing(differing) if differing else None,
        )
    )


def _differing(samples: list[SampleDifference]) -> Markup:
    rows = [
        ["/".join(item.path.split("/")[-2:]), f"{item.agreeing} of {item.total}", item.problem]
        for item in samples[:DIFFERENT]
    ]
    caption = "Pictures on which they differ most"
    return details(
        f"{len(samples)} pictures differ", table(caption, ["picture", "agree", "first difference"], rows)
    )

"""What the model is for, by its author."""

from __future__ import annotations

from vedette_torch.card.text import CardText
from vedette_torch.report.facts import Facts
from vedette_torch.report.markup import Markup, join, tag
from vedette_torch.report.sections.parts import Section, pairs


def author(facts: Facts) -> Section:
    """Intended use, limits, licences."""
    if facts.author is None:
        body = tag(
            "p",
            "Intended use and limits: not stated. ",
            tag("code", "vedette report … --card card.toml"),
            class_="missing",
        )
    else:
        body = _words(facts.author, facts.bundle.manifest.licence if facts.bundle else "")
    return Section(anchor="card", title="Intended use and limits", body=body)


def _words(text: CardText, licence: str) -> Markup:
    return join(
        (
            tag("p", text.intended_use),
            tag("ul", [tag("li", limit) for limit in text.limits]),
            pairs(
                {
                    "data": text.data,
                    "licence of the data": text.data_licence,
                    "licence of the weights": text.weights_licence or licence or "not stated",
                    "citation": text.citation,
                    "contact": text.contact,
                }
            ),
        )
    )

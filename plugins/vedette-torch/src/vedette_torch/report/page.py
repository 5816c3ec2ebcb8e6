"""The page: all sections in one file that needs nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files

import vedette
from vedette.frame import Decode
from vedette_torch.report.facts import Facts
from vedette_torch.report.markup import Markup, join, tag
from vedette_torch.report.pictures import Saliency, figures
from vedette_torch.report.sections.accuracy import accuracy
from vedette_torch.report.sections.author import author
from vedette_torch.report.sections.int8 import int8
from vedette_torch.report.sections.learning import learning
from vedette_torch.report.sections.parity import parity
from vedette_torch.report.sections.parts import Section, not_measured, note
from vedette_torch.report.sections.provenance import provenance
from vedette_torch.report.sections.summary import summary


def render(facts: Facts, *, pictures: Decode | None = None, saliency: Saliency | None = None) -> str:
    """The report as HTML that is also well-formed XML, without scripts and without a reference to anything outside.

    Parameters
    ----------
    pictures
        What decodes the pictures of mistakes, :func:`vedette.decoding.image_decoder`; ``None``: no picture of the data
        is in the report.
    saliency
        Shows beside each picture where the model looked.

    Raises
    ------
    SourceError
        A picture cannot be read any more.
    """
    sections = [
        summary(facts),
        author(facts),
        accuracy(facts),
        _mistakes(facts, pictures, saliency),
        int8(facts),
        parity(facts),
        learning(facts),
        provenance(facts),
    ]
    style = files("vedette_torch.report").joinpath("style.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"Report: {facts.name}"),
        tag("style", Markup(style)),
    )
    made = f"Made by vedette {vedette.__version__} on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC."
    body = tag(
        "body",
        tag("header", tag("p", "Model report", class_="kind"), tag("h1", facts.name), _contents(sections)),
        tag("main", [_section(section) for section in sections]),
        tag("footer", tag("p", made)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _contents(sections: list[Section]) -> Markup:
    return tag(
        "nav", [tag("a", one.title, href=f"#{one.anchor}") for one in sections[1:]], aria_label="Contents"
    )


def _section(section: Section) -> Markup:
    heading = tag("h2", section.title)
    return tag("section", heading, section.body, id=section.anchor)


def _mistakes(facts: Facts, pictures: Decode | None, saliency: Saliency | None) -> Section:
    title = "Worst mistakes"
    if facts.mistakes is None:
        body: Markup = not_measured("Mistakes", "vedette report MODEL … --data DATA --out report.html")
    elif not facts.mistakes:
        body = note(f"{facts.looked_at} made none.")
    elif pictures is None:
        body = join(
            (
                note("Without pictures of the data, as asked (--no-pictures)."),
                tag("ol", [tag("li", mistake.says) for mistake in facts.mistakes]),
            )
        )
    else:
        sure = "boxes that are wrong or missed" if facts.mistakes[0].boxes else "how sure it was"
        looked = " Beside each: what in the picture speaks for the answer." if saliency else ""
        body = join(
            (
                note(f"Of {facts.looked_at}, by {sure}.{looked}"),
                _key(facts),
                figures(facts.mistakes, pictures, saliency),
            )
        )
    return Section(anchor="mistakes", title=title, body=body)


def _key(facts: Facts) -> Markup | None:
    if not (facts.mistakes and facts.mistakes[0].boxes):
        return None
    kinds = {
        "real": "there, and found",
        "missed": "there, missed",
        "found": "found, right",
        "extra": "found, wrong",
    }
    return tag(
        "p", [tag("span", words, class_=f"key {kind}") for kind, words in kinds.items()], class_="note"
    )

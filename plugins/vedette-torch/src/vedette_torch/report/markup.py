"""HTML and SVG as text that is well-formed XML, with everything escaped that is not markup already."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold, not even escaped (XML 1.0, 2.2)."""


class Markup(str):
    """Text that is markup."""

    __slots__ = ()


def tag(name: str, /, *children: Any, **attributes: Any) -> Markup:
    """An element. ``children`` are escaped unless they are :class:`Markup`; lists are unrolled, ``None`` is left out.

    ``attributes``: an underscore at the end is dropped, others become dashes; ``None`` and ``False`` are left out.

    >>> tag("p", "1 < 2", class_="note", aria_hidden=True)
    '<p class="note" aria-hidden="true">1 &lt; 2</p>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_text("true" if value is True else value)}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    inner = join(children)
    return Markup(f"<{name}{written}>{inner}</{name}>" if inner or name in _OPEN else f"<{name}{written}/>")


_OPEN = {"div", "p", "td", "th", "span", "section", "g", "figure", "text", "title", "code", "dd", "li", "ul"}
"""Elements that a browser takes for begun where they are empty and closed in themselves."""


def join(parts: Iterable[Any]) -> Markup:
    """Parts one after the other, escaped as in :func:`tag`."""
    return Markup("".join(_part(part) for part in parts if part is not None))


def _part(part: Any) -> str:
    if isinstance(part, Markup):
        return part
    if isinstance(part, list | tuple):
        return join(part)
    return _text(part)


def _text(value: Any) -> str:
    if isinstance(value, float):
        value = f"{value:.2f}".rstrip("0").rstrip(".")
    return escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", str(value)))


def table(
    caption: str, header: Sequence[Any], rows: Sequence[Sequence[Any]], *, numbers: Iterable[int] = ()
) -> Markup:
    """A table whose first column names its rows; the columns ``numbers`` are set to the right."""
    right = set(numbers)

    def cell(name: str, column: int, content: Any, **attributes: Any) -> Markup:
        return tag(name, content, class_="number" if column in right else None, **attributes)

    head = tag("tr", [cell("th", column, text, scope="col") for column, text in enumerate(header)])
    body = [
        tag(
            "tr",
            cell("th", 0, row[0], scope="row"),
            [cell("td", column, content) for column, content in enumerate(row[1:], 1)],
        )
        for row in rows
    ]
    whole = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", body))
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)

"""XML of strangers as a tree of elements: no document type, hence no entities, and bounded depth and size."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

DEEPEST = 32


def parse_xml(raw: bytes) -> Element:
    """Parse.

    The parser is expat without anything that made XML dangerous: a document type declaration, which is where entities
    are declared ("billion laughs") and files and addresses are named, is refused.

    Raises
    ------
    ValueError
        Not well-formed, deeper than :data:`DEEPEST`, or with a document type.
    """
    builder = TreeBuilder()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"elements are nested deeper than {DEEPEST}")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: Any) -> None:
        raise ValueError("it has a document type declaration, which labels do not need")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise ValueError(f"it is not well-formed XML: {error}") from None
    return builder.close()

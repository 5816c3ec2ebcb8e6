"""What a bundle says, made fit for the message of an error."""

from __future__ import annotations

_LONGEST = 1000


def one_line(text: str) -> str:
    """``text`` as one line of bounded length, without the control characters that a bundle may bring in."""
    shown = text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in shown)

"""Topics: templates filled with the words of an event."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping

from vedette.errors import ConfigError
from vedette.events import Event

EVENT_WORDS = ("stream", "kind", "stage", "subject")
_NOT_IN_A_LEVEL = re.compile(r"[/+#\x00-\x1f]")


def level(word: str) -> str:
    """``word`` as one level of a topic.

    >>> level("track/7+")
    'track_7_'
    """
    return _NOT_IN_A_LEVEL.sub("_", word) or "_"


def check_template(template: str, words: tuple[str, ...], where: str) -> None:
    """Raise :class:`~vedette.errors.ConfigError` if ``template`` is no topic with placeholders of ``words``."""
    try:
        names = {name for _, name, *_ in string.Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise ConfigError(f"{where}: {template!r} is no topic: {error}") from None
    if (
        not template
        or not names <= set(words)
        or re.search(r"[+#\x00]", template)
        or template.startswith("$")
    ):
        raise ConfigError(
            f"{where}: {template!r} is no topic to publish to",
            fix=f"its placeholders may be {', '.join('{' + word + '}' for word in words)}; no + and no #",
        )


def event_words(event: Event) -> dict[str, str]:
    """What an event puts into a topic."""
    return {word: level(getattr(event, word)) for word in EVENT_WORDS}


def fill(template: str, box: str, words: Mapping[str, str]) -> str:
    """The topic."""
    return template.format(box=level(box), **words)

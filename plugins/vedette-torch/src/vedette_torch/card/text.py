"""What nobody can measure: the author's words about a model, from ``card.toml``."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from vedette.errors import ConfigError

EXAMPLE = """\
intended_use = "Sort pictures of ten everyday things, to show how a classifier is trained."
limits = ["Pictures of 32x32 pixels that show one thing.", "Nothing that people are judged by."]
data = "CIFAR-10, a subset of 15 000 training pictures"
data_licence = "free for research, with citation"
weights_licence = "Apache-2.0"
citation = "A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009"
"""


class CardText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``card.toml``. What is not in it stands in the card as not stated.

    Attributes
    ----------
    title
        What the model is called; default: the name of its bundle or run.
    intended_use, limits
        What it was made for, and where it must not be relied on, a sentence each.
    data, data_licence
        What it was trained on, in words.
    weights_licence
        Of the trained weights; default: that of the bundle.
    citation, contact
        Whom to cite, whom to ask.
    commit
        Of the code that trained it.
    """

    intended_use: str
    limits: tuple[str, ...]
    data_licence: str
    title: str = ""
    data: str = ""
    weights_licence: str = ""
    citation: str = ""
    contact: str = ""
    commit: str = ""


def read_card_text(path: Path) -> CardText:
    """Read ``card.toml``.

    Raises
    ------
    ConfigError
        It cannot be read, is no TOML, or lacks or has a field that it should not.
    """
    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: no TOML: {error}") from error
    needed = [name for name in ("intended_use", "limits", "data_licence") if not plain.get(name)]
    if needed:
        raise ConfigError(f"{path}: {', '.join(needed)} missing or empty", fix=f"for example:\n{EXAMPLE}")
    try:
        return msgspec.convert(plain, CardText)
    except msgspec.ValidationError as error:
        known = ", ".join(CardText.__struct_fields__)
        raise ConfigError(f"{path}: {error}", fix=f"the fields are {known}") from error

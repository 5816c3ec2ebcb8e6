"""Finding the plugins that installed distributions announce, without importing them.

The group of an entry point says which version of the hooks the plugin is written for: ``vedette.plugins`` is version 1,
``vedette.plugins.v2`` version 2, and so on. A plugin for another version than :data:`HOOK_VERSION` is listed with that
reason and never imported, unless the same distribution announces it for this version, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions

from vedette.errors import PluginError

GROUP = "vedette.plugins"
HOOK_VERSION = 1
"""The version of the hooks that this host calls. It rises when a hook changes so that old plugins would break."""

_VERSIONED = re.compile(rf"{re.escape(GROUP)}(?:\.v([1-9][0-9]*))?")


@dataclass(frozen=True, slots=True)
class Announced:
    """A plugin that is announced but not imported: ``load()`` imports it, and raises what its module raises.

    ``refused`` says why it must not be imported; empty if it may be.
    """

    name: str
    distribution: str | None
    version: str | None
    module: str
    load: Callable[[], object]
    refused: str = ""


def group_of(version: int) -> str:
    """The entry-point group of the plugins for a version of the hooks.

    >>> group_of(1), group_of(2)
    ('vedette.plugins', 'vedette.plugins.v2')
    """
    return GROUP if version == 1 else f"{GROUP}.v{version}"


def announced_plugins(search_path: Sequence[str] | None = None) -> list[Announced]:
    """The entry points of the group ``vedette.plugins`` and of its other versions, by name.

    Of a distribution that is installed twice, the first on ``search_path`` (default: ``sys.path``) counts.
    One whose metadata cannot be read is listed under its folder's name, and its ``load`` raises.
    """
    found: dict[tuple[str, str], Announced] = {}
    for distribution in distributions() if search_path is None else distributions(path=list(search_path)):
        for plugin in _announced_by(distribution):
            found.setdefault((plugin.name, plugin.distribution or ""), plugin)
    return [found[key] for key in sorted(found)]


def _announced_by(distribution: Distribution) -> Iterable[Announced]:
    try:
        if GROUP not in (distribution.read_text("entry_points.txt") or ""):
            return []  # parsing the metadata of every distribution would cost a millisecond each
        name, version = distribution.metadata["Name"], distribution.version
        found = [
            Announced(
                entry.name, name, version, entry.value, entry.load, refused=_refusal(int(match[1] or 1))
            )
            for entry in distribution.entry_points
            if (match := _VERSIONED.fullmatch(entry.group))
        ]
        found.sort(key=lambda plugin: plugin.refused != "")  # of one name, that for this host counts
        return found
    except Exception as error:  # a half-removed distribution must not stop the others
        return [_unreadable(distribution, error)]


def _refusal(version: int) -> str:
    if version == HOOK_VERSION:
        return ""
    remedy = "the plugin" if version < HOOK_VERSION else "vedette"
    return f"it is written for hook version {version}, and this vedette calls version {HOOK_VERSION}: update {remedy}"


def _unreadable(distribution: Distribution, error: Exception) -> Announced:
    folder = getattr(distribution, "_path", None)  # the one place that knows which distribution this is

    def refuse() -> object:
        raise PluginError(f"the metadata in {folder} cannot be read") from error

    return Announced(getattr(folder, "name", "unknown"), None, None, "", refuse)

"""Finding the plugins that installed distributions announce, without importing them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions

from vedette.errors import PluginError

GROUP = "vedette.plugins"


@dataclass(frozen=True, slots=True)
class Announced:
    """A plugin that is announced but not imported: ``load()`` imports it, and raises what its module raises."""

    name: str
    distribution: str | None
    version: str | None
    module: str
    load: Callable[[], object]


def announced_plugins(search_path: Sequence[str] | None = None) -> list[Announced]:
    """The entry points of the group ``vedette.plugins``, by name.

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
        return [
            Announced(entry.name, name, version, entry.value, entry.load)
            for entry in distribution.entry_points.select(group=GROUP)
        ]
    except Exception as error:  # a half-removed distribution must not stop the others
        return [_unreadable(distribution, error)]


def _unreadable(distribution: Distribution, error: Exception) -> Announced:
    folder = getattr(distribution, "_path", None)  # the one place that knows which distribution this is

    def refuse() -> object:
        raise PluginError(f"the metadata in {folder} cannot be read") from error

    return Announced(getattr(folder, "name", "unknown"), None, None, "", refuse)

"""Fixtures for the tests of plugins. Loaded by pytest itself where ``vedette`` is installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from vedette.manager import PluginManager


class MakeDist(Protocol):
    """Installs a fake distribution that can be imported until the test ends."""

    def __call__(
        self,
        name: str,
        version: str,
        *,
        entry_points: Mapping[str, str],
        modules: Mapping[str, str],
        hook_version: int = 1,
    ) -> Path:
        """See :func:`vedette.testing.dist.make_dist`."""
        ...


@pytest.fixture
def vedette_manager() -> PluginManager:
    """A manager that finds nothing installed and reads no environment: ``load(["my_package.plugin"])`` loads yours."""
    from vedette.manager import PluginManager

    return PluginManager(env={}, search_path=())


@pytest.fixture
def make_dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeDist]:
    """Installs fake distributions into one folder on ``sys.path``, which it returns."""
    from vedette.testing import dist

    folder = tmp_path / "site-packages"
    before = set(sys.modules)

    def make(
        name: str,
        version: str,
        *,
        entry_points: Mapping[str, str],
        modules: Mapping[str, str],
        hook_version: int = 1,
    ) -> Path:
        dist.make_dist(folder, name, version, entry_points, modules, hook_version)
        importlib.invalidate_caches()
        return folder

    monkeypatch.syspath_prepend(folder)
    yield make
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]

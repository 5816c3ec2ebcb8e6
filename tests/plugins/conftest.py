"""Plugins under test are real modules in real distributions, in a folder that takes the place of site-packages."""

import pytest

from vedette.manager import PluginManager
from vedette.registry import Registry

GOOD = """
    from vedette import StageSpec, hookimpl

    @hookimpl
    def vedette_stages():
        return [StageSpec(name="{name}", summary="Nothing.", build=lambda params: None)]
"""


@pytest.fixture
def install(make_dist):
    """Installs a plugin in a distribution of its own, and returns the folder."""

    def install(name, source=None, version="1.2.3", dist=None):
        module = f"{name}_module"
        return make_dist(
            dist or f"dist-{name}",
            version,
            entry_points={name: module},
            modules={module: GOOD.format(name=name) if source is None else source},
        )

    return install


@pytest.fixture
def load(tmp_path):
    """Loads what is installed in the folder, and nothing else."""

    def load(*extra, **env):
        manager = PluginManager(env=env, search_path=[str(tmp_path / "site-packages")])
        manager.load(extra)
        return Registry(manager)

    return load


@pytest.fixture
def states():
    """The plugins of a registry by name, the built-in one left out."""

    def states(registry):
        return {state.name: state for state in registry.manager.states if state.name != "builtin"}

    return states

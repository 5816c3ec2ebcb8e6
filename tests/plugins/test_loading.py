"""Which plugins are loaded, in which order, and who decides."""

import pytest

from vedette.errors import PluginError
from vedette.manager import PluginManager


def test_order_is_by_name(install, load):
    for name in "cab":
        install(name)
    assert [state.name for state in load().manager.states] == ["builtin", "a", "b", "c"]


def test_what_is_recorded(install, load, states):
    install("a", version="4.5.6")
    state = states(load())["a"]
    assert (state.name, state.distribution, state.version) == ("a", "dist-a", "4.5.6")
    assert (state.module, state.status, state.reason) == ("a_module", "active", "")
    assert state.hooks == ("vedette_stages",)


def test_nothing_happens_before_load(install):
    folder = install("a", "raise ValueError")
    assert PluginManager(env={}, search_path=[str(folder)]).states == []


def test_the_fixture_discovers_nothing(vedette_manager, monkeypatch):
    monkeypatch.setenv("VEDETTE_PLUGINS", "missing")
    vedette_manager.load()
    assert [state.name for state in vedette_manager.states] == ["builtin"]


def test_an_instance_can_be_a_plugin(make_dist, load, states):
    source = """
        from vedette import StageSpec, hookimpl

        class Plugin:
            @hookimpl
            def vedette_stages(self):
                return [StageSpec(name="mine", summary="s", build=print)]

        plugin = Plugin()
    """
    make_dist("d", "1", entry_points={"a": "m:plugin", "b": "m:Plugin"}, modules={"m": source})
    registry = load()
    assert "mine" in registry.stages
    assert "m:Plugin is a class" in states(registry)["b"].reason


def test_two_distributions_with_one_plugin_name(install, make_dist, load, caplog):
    install("a", dist="dist-1")
    make_dist("dist-2", "2", entry_points={"a": "other"}, modules={"other": ""})
    states = load().manager.states[1:]
    assert [(state.distribution, state.status) for state in states] == [
        ("dist-1", "active"),
        ("dist-2", "failed"),
    ]
    assert states[1].reason == "its name is already taken by plugin 'a' (dist-1 1.2.3)"


def test_one_module_under_two_names(make_dist, load, states):
    make_dist("d", "1", entry_points={"a": "m", "b": "m"}, modules={"m": _stage("mine")})
    registry = load()
    assert [state.status for state in states(registry).values()] == ["active", "failed"]
    assert "already registered" in states(registry)["b"].reason
    assert "mine" in registry.stages


def test_a_distribution_found_twice_counts_once(install, tmp_path):
    folder = install("a")
    manager = PluginManager(
        env={}, search_path=[str(folder), str(tmp_path / "site-packages" / ".." / "site-packages")]
    )
    manager.load()
    assert [(state.name, state.status) for state in manager.states[1:]] == [("a", "active")]


def test_unreadable_metadata(install, load, states):
    folder = install("a")
    half = folder / "half_removed-1.0.dist-info"
    half.mkdir()
    (half / "entry_points.txt").write_bytes(b"[vedette.plugins]\n\xff\xfe")
    found = states(load())
    assert found["a"].status == "active"
    assert found["half_removed-1.0.dist-info"].status == "failed"
    assert str(half) in found["half_removed-1.0.dist-info"].reason


# --- the environment ----------------------------------------------------------------------------------------------


def test_allow_list(install, load, states):
    for name in "abc":
        install(name)
    registry = load(VEDETTE_PLUGINS="c, a")
    assert list(registry.stages) == ["a", "c"]
    assert states(registry)["b"].status == "disabled"
    assert states(registry)["b"].reason == "VEDETTE_PLUGINS does not name it"
    assert registry.results  # the built-in plugin is not an entry point


def test_empty_allow_list(install, load):
    install("a")
    assert list(load(VEDETTE_PLUGINS="").stages) == []


def test_allow_list_names_a_plugin_that_is_not_there(install, load, states, caplog):
    install("tracker")
    registry = load(VEDETTE_PLUGINS="trackr")
    assert states(registry)["trackr"].status == "failed"
    assert "not installed; did you mean 'tracker'?" in states(registry)["trackr"].reason
    assert "plugin 'trackr'" in caplog.text
    with pytest.raises(PluginError, match="'trackr'"):
        load(VEDETTE_PLUGINS="trackr", VEDETTE_STRICT_PLUGINS="1")


def test_deny_list(install, load, states, caplog):
    install("a")
    install("b", "raise ValueError('imported')")
    registry = load(VEDETTE_DISABLE_PLUGINS="b,missing", VEDETTE_STRICT_PLUGINS="1")
    assert list(registry.stages) == ["a"]
    assert states(registry)["b"].status == "disabled"
    assert states(registry)["b"].reason == "VEDETTE_DISABLE_PLUGINS names it"
    assert "VEDETTE_DISABLE_PLUGINS names 'missing'" in caplog.text


def test_deny_beats_allow(install, load):
    install("a")
    assert list(load(VEDETTE_PLUGINS="a", VEDETTE_DISABLE_PLUGINS="a").stages) == []


# --- modules named by the caller ----------------------------------------------------------------------------------


def test_extra_module(make_dist, install, load, states):
    install("a")
    make_dist("no-plugin", "1", entry_points={}, modules={"mine.plugin": _stage("mine")})
    registry = load("mine.plugin", VEDETTE_PLUGINS="")
    assert list(registry.stages) == ["mine"]
    assert str(registry.provider(registry.stages["mine"])) == "plugin 'mine.plugin' (no distribution)"
    assert states(registry)["mine.plugin"].status == "active"


def test_extra_module_that_is_loaded_already(install, load, states):
    install("a")
    assert list(states(load("a_module", "a_module"))) == ["a"]


@pytest.mark.parametrize(
    "source", ["1 / 0", "from vedette import hookimpl\n@hookimpl\ndef vedette_stages(): 1 / 0"]
)
@pytest.mark.parametrize("announced", [True, False])
def test_extra_module_that_fails_is_an_error(make_dist, load, source, announced):
    entry_points = {"mine": "broken"} if announced else {}
    make_dist("d", "1", entry_points=entry_points, modules={"broken": source})
    with pytest.raises(PluginError, match="ZeroDivisionError"):
        load("broken")


def test_extra_module_that_does_not_exist(load):
    with pytest.raises(PluginError, match=r"^plugin 'nosuch' .*No module named 'nosuch'\n  -> "):
        load("nosuch")


def _stage(name):
    return f"""
        from vedette import StageSpec, hookimpl

        @hookimpl
        def vedette_stages():
            return [StageSpec(name="{name}", summary="s", build=print)]
    """

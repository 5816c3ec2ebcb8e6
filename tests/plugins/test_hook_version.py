"""Plugins for another version of the hooks: listed with the reason, never imported (see docs/compatibility.md)."""

import re

import pytest
from click.testing import CliRunner

from vedette import discovery
from vedette.cli import main
from vedette.errors import PluginError

SOURCE = """
    from vedette import StageSpec, hookimpl

    @hookimpl
    def vedette_stages():
        return [StageSpec(name="{0}", summary="Nothing.", build=lambda params: None)]
"""
BOMB = "raise SystemError('a plugin for another hook version was imported')"


@pytest.fixture
def host_of_version_2(monkeypatch):
    """The host that a later release will be."""
    monkeypatch.setattr(discovery, "HOOK_VERSION", 2)


def test_an_old_plugin_under_a_new_host(host_of_version_2, make_dist, load, states, caplog):
    make_dist("dist-old", "1.4", entry_points={"old": "old"}, modules={"old": BOMB})
    make_dist(
        "dist-new", "2.0", entry_points={"new": "new"}, modules={"new": SOURCE.format("new")}, hook_version=2
    )
    registry = load()
    listed = states(registry)
    assert (listed["new"].status, listed["old"].status) == ("active", "failed")
    assert listed["old"].reason == (
        "it is written for hook version 1, and this vedette calls version 2: update the plugin"
    )
    assert "plugin 'old' (dist-old 1.4) is not used: it is written for hook version 1" in caplog.text
    assert "new" in registry.stages
    with pytest.raises(
        PluginError, match=r"plugin 'old' \(dist-old 1\.4\) is failed: it is written for hook"
    ):
        registry.stages["old"]


def test_a_new_plugin_under_this_host(make_dist, load, states):
    make_dist("dist-new", "2.0", entry_points={"new": "new"}, modules={"new": BOMB}, hook_version=2)
    plugin = states(load())["new"]
    assert plugin.status == "failed"
    assert (
        plugin.reason == "it is written for hook version 2, and this vedette calls version 1: update vedette"
    )


@pytest.mark.parametrize("host", [1, 2])
def test_one_distribution_for_both(monkeypatch, make_dist, load, states, host):
    monkeypatch.setattr(discovery, "HOOK_VERSION", host)
    folder = make_dist(
        "dist-both",
        "3.0",
        entry_points={"both": "both_1"},
        modules={"both_1": SOURCE.format("one"), "both_2": SOURCE.format("two")},
    )
    points = folder / "dist_both-3.0.dist-info" / "entry_points.txt"
    points.write_text(points.read_text() + "[vedette.plugins.v2]\nboth = both_2\n")
    registry = load()
    assert [(state.name, state.status) for state in states(registry).values()] == [("both", "active")]
    assert list(registry.stages) == [("one", "two")[host - 1]]


def test_strict_and_disabled(host_of_version_2, make_dist, load, states):
    make_dist("dist-old", "1.4", entry_points={"old": "old"}, modules={"old": BOMB})
    with pytest.raises(PluginError, match="hook version 1"):
        load(VEDETTE_STRICT_PLUGINS="1")
    assert states(load(VEDETTE_DISABLE_PLUGINS="old"))["old"].status == "disabled"


def test_another_group_is_not_ours(make_dist, load, states):
    folder = make_dist("dist-x", "1", entry_points={"x": "x"}, modules={"x": BOMB})
    points = folder / "dist_x-1.dist-info" / "entry_points.txt"
    for group in ("vedette.plugins.v0", "vedette.plugins.v2b", "vedette.plugins_extra"):
        points.write_text(f"[{group}]\nx = x\n")
        assert states(load()) == {}


def test_the_command_lists_it(host_of_version_2, make_dist, monkeypatch):
    make_dist("dist-old", "1.4", entry_points={"old": "old"}, modules={"old": BOMB})
    monkeypatch.setenv("VEDETTE_PLUGINS", "old")
    result = CliRunner().invoke(main, ["plugins"])
    assert result.exit_code == 0, result.output
    assert re.search(r"^old +failed +dist-old 1\.4$", result.output, re.MULTILINE)
    assert "it is written for hook version 1" in result.output

"""The command line: what plugins add to it, `vedette plugins`, and how errors look."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from vedette import __version__
from vedette.cli import main
from vedette.cli.core import CORE_COMMANDS

PLUGIN = """
    import click
    from vedette import BackendError, BackendSpec, CommandSpec, hookimpl

    def unusable():
        return "libnothing.so.1 not found"

    def confused():
        raise OSError("no bus")

    def backend(name, probe):
        return BackendSpec(
            name=name, summary="s", formats=("x",), probe=probe, version=str, devices=tuple, open=print
        )

    @hookimpl
    def vedette_backends():
        return [backend("good", lambda: None), backend("bad", unusable), backend("ugly", confused)]

    @hookimpl
    def vedette_commands():
        return [
            CommandSpec(name="refuse", summary="Refuse.", build=lambda: refuse),
            CommandSpec(name="broken", summary="Break.", build=lambda: 1 / 0),
            CommandSpec(name="other", summary="Not a command.", build=lambda: "refuse"),
        ]

    @click.command()
    def refuse():
        raise BackendError("the device is gone", fix="plug it in")

    @hookimpl
    def vedette_plan_built():
        pass
"""


@pytest.fixture
def vedette(install, tmp_path, monkeypatch):
    """Runs the command line with only the plugins of the folder."""
    install("mine", PLUGIN)
    install("nosuch", "import nosuch_runtime")
    for name in ("VEDETTE_PLUGINS", "VEDETTE_DISABLE_PLUGINS", "VEDETTE_STRICT_PLUGINS", "VEDETTE_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VEDETTE_PLUGINS", "mine,nosuch")

    def vedette(*arguments):
        return CliRunner().invoke(main, arguments)

    return vedette


def listed(vedette, *arguments):
    result = vedette(*arguments, "plugins", "--json")
    assert result.exit_code == 0, result.output
    return {plugin["name"]: plugin for plugin in json.loads(result.stdout)["plugins"]}


def test_json_listing(vedette):
    mine = listed(vedette)["mine"]
    assert mine == {
        "name": "mine",
        "status": "active",
        "reason": None,
        "distribution": "dist-mine",
        "version": "1.2.3",
        "module": "mine_module",
        "hooks": ["vedette_backends", "vedette_commands", "vedette_plan_built"],
        "provides": {
            "backends": [
                {"name": "good", "summary": "s", "usable": True, "reason": None},
                {"name": "bad", "summary": "s", "usable": False, "reason": "libnothing.so.1 not found"},
                {
                    "name": "ugly",
                    "summary": "s",
                    "usable": False,
                    "reason": mine["provides"]["backends"][2]["reason"],
                },
            ],
            "commands": [
                {"name": "refuse", "summary": "Refuse."},
                {"name": "broken", "summary": "Break."},
                {"name": "other", "summary": "Not a command."},
            ],
        },
    }
    assert mine["provides"]["backends"][2]["reason"].startswith("probe raised OSError: no bus (")


def test_json_listing_of_failures(vedette, monkeypatch):
    monkeypatch.setenv("VEDETTE_DISABLE_PLUGINS", "mine")
    plugins = listed(vedette)
    assert plugins["builtin"]["status"] == "active"
    assert (plugins["mine"]["status"], plugins["mine"]["provides"]) == ("disabled", {})
    assert plugins["nosuch"]["status"] == "failed"
    assert "No module named 'nosuch_runtime'" in plugins["nosuch"]["reason"]


def test_text_listing(vedette):
    result = vedette("plugins")
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines() if line.startswith(("mine", "nosuch"))] == [
        ["mine", "active", "dist-mine", "1.2.3"],
        ["nosuch", "failed", "dist-nosuch", "1.2.3"],
    ]
    assert "import of nosuch_module raised ModuleNotFoundError" in result.stdout
    assert (
        "good, bad (not usable: libnothing.so.1 not found), ugly (not usable: probe raised" in result.stdout
    )
    assert "vedette_plan_built" in result.stdout


def test_plugin_option_adds_a_module(vedette, make_dist):
    source = """
        from vedette import CommandSpec, hookimpl
        import click

        @hookimpl
        def vedette_commands():
            return [CommandSpec(name="extra", summary="One more.", build=lambda: extra)]

        @click.command()
        def extra():
            click.echo("ran")
    """
    make_dist("plain", "1", entry_points={}, modules={"a_plain_module": source})
    assert listed(vedette, "--plugin", "a_plain_module")["a_plain_module"]["status"] == "active"
    assert vedette("--plugin", "a_plain_module", "extra").stdout == "ran\n"
    assert "One more." in vedette("--plugin", "a_plain_module", "--help").stdout
    assert vedette("extra").exit_code == 2


def test_plugin_option_with_a_module_that_fails(vedette):
    result = vedette("--plugin", "no_such_module", "plugins")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: plugin 'no_such_module' (no distribution): ")


def test_help_lists_all_commands(vedette):
    result = vedette("--help")
    assert result.exit_code == 0
    for spec in (*CORE_COMMANDS.values(),):
        assert f"{spec.name} " in result.stdout
        assert spec.summary in result.stdout
    assert "Refuse." in result.stdout


def test_error_is_one_message(vedette):
    result = vedette("refuse")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("error: the device is gone\n  -> plug it in\n")
    assert "Traceback" not in result.output


def test_debugging_shows_the_traceback(vedette, monkeypatch):
    monkeypatch.setenv("VEDETTE_DEBUG", "1")
    assert "the device is gone" in str(vedette("refuse").exception)


def test_usage_error(vedette):
    assert vedette("plugins", "--nosuch").exit_code == 2
    assert vedette("nosuch-command").exit_code == 2


def test_plugin_command_that_cannot_be_built_is_blamed(vedette):
    result = vedette("broken")
    assert result.exit_code == 1
    assert (
        "error: plugin 'mine' (dist-mine 1.2.3): command 'broken' raised ZeroDivisionError" in result.stderr
    )
    assert "plugin 'mine' (dist-mine 1.2.3): command 'other' is built as a str" in vedette("other").stderr


def test_version(vedette):
    assert vedette("--version").stdout == f"vedette, version {__version__}\n"


@pytest.mark.parametrize("name", CORE_COMMANDS)
def test_core_command_exists(name):
    assert CORE_COMMANDS[name].build().name == name


def test_as_a_module():
    command = [sys.executable, "-m", "vedette", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.endswith(
        f"{__version__}\n"
    )

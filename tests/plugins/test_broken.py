"""Every way to break a plugin: the culprit is named in full, and the others are not harmed."""

import logging
import sys

import pytest

from vedette.errors import PluginError

STAGES = "from vedette import StageSpec, hookimpl\n"
BACKENDS = "from vedette import BackendSpec, hookimpl\n"

BROKEN = {
    "raises at import": (
        "import a_runtime_that_is_not_installed",
        r"import of b_module raised ModuleNotFoundError: .*a_runtime_that_is_not_installed.* \(.*b_module\.py:1\)",
    ),
    "is not Python": ("def", r"import of b_module raised SyntaxError: "),
    "leaves at import": ("raise SystemExit(3)", r"import of b_module raised SystemExit: 3"),
    "raises in a hook": (
        STAGES + "@hookimpl\ndef vedette_stages():\n    raise ValueError('no\\nluck')",
        r"hook vedette_stages raised ValueError: no luck \(.*b_module\.py:4\)",
    ),
    "raises late in a generator": (
        STAGES
        + "@hookimpl\ndef vedette_stages():\n"
        + "    yield StageSpec(name='early', summary='s', build=print)\n    1 / 0",
        r"hook vedette_stages raised ZeroDivisionError: .* \(.*b_module\.py:5\)",
    ),
    "misspells a hook": (
        STAGES + "@hookimpl\ndef vedette_stage():\n    return []",
        r"there is no hook vedette_stage; did you mean 'vedette_stages'\?",
    ),
    "has an unknown argument": (
        STAGES + "@hookimpl\ndef vedette_stages(config):\n    return []",
        r"registration raised PluginValidationError: .*config",
    ),
    "has an argument default": (
        STAGES + "@hookimpl\ndef vedette_plan_built(plan=None):\n    pass",
        r"hook vedette_plan_built: argument 'plan' must have no default",
    ),
    "has a keyword-only argument": (
        STAGES + "@hookimpl\ndef vedette_plan_built(*, plan):\n    pass",
        r"hook vedette_plan_built: argument 'plan' must be a plain one",
    ),
    "has keyword arguments": (
        STAGES + "@hookimpl\ndef vedette_plan_built(**arguments):\n    pass",
        r"hook vedette_plan_built: argument '\*\*arguments' must be a plain one",
    ),
    "is a wrapper": (
        STAGES + "@hookimpl(wrapper=True)\ndef vedette_stages():\n    return (yield)",
        r"hook vedette_stages is implemented by a wrapper",
    ),
    "returns nothing": (
        STAGES + "@hookimpl\ndef vedette_stages():\n    pass",
        r"hook vedette_stages must return an iterable of specs, not NoneType",
    ),
    "returns one spec": (
        STAGES + "@hookimpl\ndef vedette_stages():\n    return StageSpec(name='x', summary='s', build=print)",
        r"hook vedette_stages must return an iterable of specs, not vedette\.specs\.stages\.StageSpec",
    ),
    "returns the wrong type": (
        STAGES
        + "@hookimpl\ndef vedette_backends():\n    return [StageSpec(name='x', summary='s', build=print)]",
        r"hook vedette_backends: expected a BackendSpec, got vedette\.specs\.stages\.StageSpec",
    ),
    "returns strings": (
        STAGES + "@hookimpl\ndef vedette_stages():\n    return 'tracker'",
        r"hook vedette_stages: expected a StageSpec, got str 't'",
    ),
    "has a bad name": (
        STAGES
        + "@hookimpl\ndef vedette_stages():\n    return [StageSpec(name='My:Stage', summary='s', build=print)]",
        r"hook vedette_stages: StageSpec name 'My:Stage' must match",
    ),
    "gives a name twice": (
        STAGES
        + "@hookimpl\ndef vedette_stages():\n    return [StageSpec(name='x', summary='s', build=print)] * 2",
        r"hook vedette_stages: stage 'x' is there twice",
    ),
    "is good once and bad once": (
        STAGES
        + "@hookimpl\ndef vedette_stages():\n    return [StageSpec(name='fine', summary='s', build=print)]\n"
        + "@hookimpl\ndef vedette_sinks():\n    return [7]",
        r"hook vedette_sinks: expected a SinkSpec, got int 7",
    ),
    "claims a taken name": (
        STAGES
        + "@hookimpl\ndef vedette_stages():\n    return [StageSpec(name='a', summary='s', build=print)]\n",
        r"stage 'a' is already provided by plugin 'a' \(dist-a 1\.2\.3\); only full names .* 'b:a'",
    ),
    "claims a command of the core": (
        "from vedette import CommandSpec, hookimpl\n"
        "@hookimpl\ndef vedette_commands():\n    return [CommandSpec(name='run', summary='s', build=print)]",
        r"command 'run' is already provided by plugin 'builtin' \(vedette ",
    ),
    "claims a result of the core": (
        "from vedette import Detections, ResultSpec, hookimpl\n@hookimpl\ndef vedette_results():\n"
        "    return [ResultSpec(name='detections', summary='s', result=Detections)]",
        r"result 'detections' is already provided by plugin 'builtin'",
    ),
}


@pytest.fixture(params=BROKEN.values(), ids=BROKEN.keys())
def reason(request, install):
    """Installs a broken plugin between two good ones."""
    source, reason = request.param
    install("a")
    install("b", source, version="0.9", dist="vedette-broken")
    install("c")
    return reason


def test_is_named_and_harms_nobody(reason, load, states, caplog):
    registry = load()
    found = states(registry)
    assert [found[name].status for name in "abc"] == ["active", "failed", "active"]
    assert list(registry.stages) == ["a", "c"]
    assert registry.provider(registry.stages["a"]).distribution == "dist-a"

    broken = found["b"]
    assert (broken.distribution, broken.version, broken.module) == ("vedette-broken", "0.9", "b_module")
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.message == f"plugin 'b' (vedette-broken 0.9) is not used: {broken.reason}"
    assert "\n" not in record.message
    with pytest.raises(PluginError, match=reason):
        raise PluginError(broken.reason)


def test_is_fatal_when_strict(reason, load):
    with pytest.raises(PluginError, match=r"plugin 'b' \(vedette-broken 0\.9\): " + reason):
        load(VEDETTE_STRICT_PLUGINS="1")


def test_good_plugins_pass_when_strict(install, load):
    install("a")
    assert list(load(VEDETTE_STRICT_PLUGINS="1").stages) == ["a"]
    assert list(load(VEDETTE_STRICT_PLUGINS="0").stages) == ["a"]


def test_a_failed_plugin_is_not_notified(install, load):
    source = """
        from vedette import hookimpl

        called = []

        @hookimpl
        def vedette_stages():
            raise ValueError

        @hookimpl
        def vedette_plan_built(plan):
            called.append(plan)
    """
    install("b", source)
    load().plan_built("plan")
    import b_module

    assert b_module.called == []


def test_the_cause_is_kept(install, load):
    install("b", "import a_runtime_that_is_not_installed")
    with pytest.raises(PluginError) as caught:
        load(VEDETTE_STRICT_PLUGINS="1")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_broken_core_is_an_error(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "vedette.sinks.jsonl", None)
    with pytest.raises(PluginError, match=r"^plugin 'builtin' .*vedette\.sinks\.jsonl"):
        load()

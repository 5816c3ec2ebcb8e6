"""Wrong configurations: each refused with the path of the entry, and nothing left open."""

import pytest

from vedette.errors import ConfigError, PluginError
from vedette.pipeline.config import load_config, parse_config
from vedette.results import Classification, Detections

STREAM = {"name": "a", "source": "list://"}
STAGE = {"name": "s", "use": "pass"}


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"stage": [STAGE]}, r"no \[\[stream\]\]"),
        ({"stream": [STREAM]}, r"no \[\[stage\]\]"),
        ({"stream": [{"name": "a"}], "stage": [STAGE]}, r"stream\[0\].*missing required field `source`"),
        ({"stream": [{**STREAM, "fps": 3}], "stage": [STAGE]}, r"stream\[0\].*unknown field `fps`"),
        (
            {"stream": [STREAM, STREAM], "stage": [STAGE]},
            r"stream\[1\]\.name: 'a' is already the name of stream\[0\]",
        ),
        ({"stream": [STREAM], "stage": [{"name": "s"}]}, r"stage\[0\] \(s\): give either 'bundle'"),
        ({"stream": [STREAM], "stage": [{**STAGE, "bundle": "x"}]}, r"give either 'bundle'"),
        ({"stream": [STREAM], "stage": [{**STAGE, "every": 0}]}, r"stage\[0\]\.every: Expected `int` >= 1"),
        (
            {"stream": [STREAM], "stage": [{**STAGE, "on_error": "ignore"}]},
            r"stage\[0\]\.on_error: Invalid enum",
        ),
        (
            {"stream": [STREAM], "stage": [{**STAGE, "streams": ["b"]}]},
            r"stage\[0\]\.streams: there is no stream 'b'",
        ),
        (
            {"stream": [STREAM], "stage": [STAGE], "sink": [{"use": "x", "streams": ["b"]}]},
            r"sink\[0\]\.streams",
        ),
        (
            {"stream": [STREAM], "stage": [{**STAGE, "on": "x", "takes": {"boxes": "x"}}]},
            r"the same as takes\.boxes",
        ),
        ({"threads": "two", "stream": [STREAM], "stage": [STAGE]}, r"threads: Expected `int"),
        ({"camera": []}, r"unknown field `camera`"),
    ],
)
def test_the_schema_names_the_path(plain, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(plain, "x.toml")


def test_files_that_are_not_there_or_not_toml(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[[stream]\n")
    with pytest.raises(ConfigError, match=r"bad\.toml: not valid TOML: .*line 1"):
        load_config(tmp_path / "bad.toml")


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (
            [{"name": "s", "use": "wants"}],
            r"stage\[0\] \(s\)\.takes: the role 'boxes' \(Detections\) is not bound",
        ),
        ([{"name": "s", "use": "wants", "takes": {"boxes": "t"}}], r"stage 't' does not exist"),
        (
            [{"name": "s", "use": "wants", "takes": {"boxes": "p"}}, {"name": "p", "use": "boxes"}],
            r"'p' comes later",
        ),
        (
            [{"name": "p", "use": "pass"}, {"name": "s", "use": "wants", "takes": {"boxes": "p"}}],
            r"gives no result",
        ),
        (
            [{"name": "p", "use": "label"}, {"name": "s", "use": "wants", "takes": {"boxes": "p"}}],
            r"wants Detections, but",
        ),
        (
            [{"name": "p", "use": "boxes"}, {"name": "s", "use": "pass", "takes": {"x": "p"}}],
            r"there is no role 'x'",
        ),
        (
            [
                {"name": "p", "use": "boxes", "streams": ["a"]},
                {"name": "s", "use": "wants", "takes": {"boxes": "p"}},
            ],
            r"stage 'p' works on the streams a only",
        ),
    ],
)
def test_the_graph_of_stages_is_typed(kit, make_captures, list_source, stages, message):
    kit.stage("pass", lambda inputs, state: None)
    kit.stage("boxes", lambda inputs, state: None, gives=Detections)
    kit.stage("label", lambda inputs, state: None, gives=Classification)
    kit.stage("wants", lambda inputs, state: None, takes={"boxes": Detections})
    kit.source("list", lambda: list_source([]))
    with pytest.raises(ConfigError, match=message):
        kit.pipeline(stream=[STREAM, {**STREAM, "name": "b"}], stage=stages)


def test_an_unknown_plugin_is_named_with_what_there_is(kit, make_captures, list_source):
    kit.stage("pass", lambda inputs, state: None)
    kit.source("list", lambda: list_source([]))
    with pytest.raises(PluginError, match=r"no stage 'pas'.*pass"):
        kit.pipeline(stream=[STREAM], stage=[{"name": "s", "use": "pas"}])
    with pytest.raises(ConfigError, match=r"stream\[0\] \(a\)\.source: no plugin reads 'what://'"):
        kit.pipeline(stream=[{"name": "a", "source": "what://"}], stage=[STAGE])
    with pytest.raises(ConfigError, match=r"stage\[0\] \(s\)\.params.*unknown field `q`"):
        kit.pipeline(stream=[STREAM], stage=[{**STAGE, "params": {"q": 1}}])


def test_a_sink_that_cannot_open_leaves_nothing_open(
    kit, make_captures, list_source, mean_graph, decode_value
):
    from vedette.specs import SinkSpec

    def refuse(params):
        raise ConfigError("the disk is full")

    kit.postprocess("value", Classification, decode_value("y"))
    kit.bundle("mean", {"net": mean_graph}, "value")
    first = kit.sink("first")
    kit.add("vedette_sinks", SinkSpec(name="second", summary="refuses", open=refuse))
    kit.source("list", lambda: list_source([]))
    with pytest.raises(ConfigError, match="the disk is full"):
        kit.pipeline(
            stream=[STREAM],
            stage=[{"name": "m", "bundle": "mean"}],
            sink=[{"use": "first"}, {"use": "second"}],
        )
    assert first.finished == "aborted"
    assert [session.closed for session in kit.sessions] == [True]

"""Names, owners, parameters and policy."""

from typing import Annotated

import msgspec
import pytest

from vedette.errors import ConfigError, PluginError
from vedette.specs import Candidate, StageSpec

CANDIDATES = tuple(
    Candidate(variant="f32", backend="b", device=device, precision="f32") for device in ("cpu", "gpu", "npu")
)


def stage(name, **rest):
    return StageSpec(name=name, summary="s", build=print, **rest)


# --- looking a name up --------------------------------------------------------------------------------------------


def test_table_is_a_mapping(install, load):
    install("tracker")
    stages = load().stages
    assert dict(stages) == {"tracker": stages["tracker"]}
    assert "tracker" in stages
    assert "nosuch" not in stages
    assert stages.get("nosuch") is None
    assert len(stages) == 1


def test_missing_name_lists_what_is_known(install, load):
    install("tracker")
    install("zones")
    with pytest.raises(PluginError) as caught:
        load().stages["traker"]
    assert str(caught.value).startswith("there is no stage 'traker'; did you mean 'tracker'?\n  -> ")
    assert "known stages: tracker, zones" in str(caught.value)


def test_missing_name_gives_the_reason_of_a_failed_plugin(install, load):
    install("tracker", "import nosuch_runtime")
    with pytest.raises(PluginError, match=r"dist-tracker 1\.2\.3\) is failed: .*nosuch_runtime"):
        load().stages["tracker"]


def test_missing_name_gives_the_reason_of_a_disabled_plugin(install, load):
    install("tracker")
    with pytest.raises(PluginError, match="is disabled: VEDETTE_DISABLE_PLUGINS names it"):
        load(VEDETTE_DISABLE_PLUGINS="tracker").stages["tracker"]


# --- owners -------------------------------------------------------------------------------------------------------

TWO = """
    from vedette import SinkSpec, StageSpec, hookimpl

    @hookimpl
    def vedette_stages():
        return [StageSpec(name="shared", summary="{0}", build=print), StageSpec(name="{0}", summary="s", build=print)]

    @hookimpl
    def vedette_sinks():
        return [SinkSpec(name="{0}", summary="s", open=print)]
"""


def test_full_names_settle_a_clash(install, load, states):
    install("first", TWO.format("first"))
    install("second", TWO.format("second"))
    registry = load()
    assert states(registry)["second"].status == "failed"
    assert list(registry.stages) == ["shared", "first"]
    assert registry.stages["shared"].summary == "first"
    assert registry.stages["first:shared"] is registry.stages["shared"]

    settled = registry.stages["second:shared"]
    assert settled.summary == "second"
    assert registry.stages[settled.name] is settled  # the name leads back, also out of a summary or a plan
    assert registry.provider(settled).distribution == "dist-second"
    assert "second" not in registry.sinks
    assert registry.sinks["second:second"].name == "second:second"


def test_provider_of_a_stranger(load):
    with pytest.raises(PluginError, match="StageSpec 'x' was not registered"):
        load().provider(stage("x"))


def test_provided_by(install, load, states):
    install("first", TWO.format("first"))
    registry = load()
    provided = registry.provided_by(states(registry)["first"])
    assert {kind: [spec.name for spec in specs] for kind, specs in provided.items()} == {
        "stages": ["shared", "first"],
        "sinks": ["first"],
    }


def test_the_core_registers_itself_in_the_same_way(load):
    registry = load()
    assert registry.preprocessors["image"]
    assert set(registry.sinks) == {"jsonl", "stdout"}
    assert {"detections", "classification"} <= set(registry.results)
    assert str(registry.provider(registry.sinks["jsonl"])).startswith("plugin 'builtin' (vedette ")


# --- soundness of specifications ----------------------------------------------------------------------------------

UNSOUND = {
    "StageSpec(name='x', summary=' ', build=print)": "summary must be a text that is not empty",
    "StageSpec(name='x', summary='s', build='print')": "build must be callable, not str 'print'",
    "StageSpec(name='x', summary='s', build=print, params=dict)": "params must be a msgspec.Struct class",
    "StageSpec(name='x', summary='s', build=print, params=Loose)": "forbid_unknown_fields=True, not the class Loose",
    "StageSpec(name='x', summary='s', build=print, gives=dict)": "gives must be a subclass of Result, or None",
    "StageSpec(name='x', summary='s', build=print, takes={'boxes': 'detections'})": "takes must be a mapping",
    "StageSpec(name=5, summary='s', build=print)": "name must be a text",
    "DecoderSpec(name='x', summary='s', fourccs=('JPEG'), build=print)": "fourccs must be a tuple of at least one str",
    "DecoderSpec(name='x', summary='s', fourccs=(), build=print)": "fourccs must be a tuple of at least one str",
    "PostprocessSpec(name='x', summary='s', result='Detections', build=print)": "result must be a subclass of Result",
    "ResultSpec(name='x', summary='s', result=Detections)": "its result has the type 'detections'; they must be equal",
    "SinkSpec(name='x', summary='s', open=None)": "open must be callable",
    "StageSpec": "expected a StageSpec, got the class StageSpec",
}


@pytest.mark.parametrize(("spec", "reason"), UNSOUND.items())
def test_unsound_specification(install, load, states, spec, reason):
    hook = {
        "Stag": "stages",
        "Deco": "decoders",
        "Post": "postprocessors",
        "Resu": "results",
        "Sink": "sinks",
    }[spec[:4]]
    source = f"""
        import msgspec
        from vedette import *

        class Loose(msgspec.Struct):
            x: int = 0

        @hookimpl
        def vedette_{hook}():
            return [{spec}]
    """
    install("bad", source)
    state = states(load())["bad"]
    assert state.status == "failed"
    assert reason in state.reason
    assert state.reason.startswith(f"hook vedette_{hook}: ")


# --- parameters ---------------------------------------------------------------------------------------------------


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sizes: tuple[Annotated[int, msgspec.Meta(ge=1)], ...] = ()


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: float
    inner: Inner = Inner()

    def __post_init__(self):
        if self.limit == 13:
            raise ValueError("unlucky")


def test_convert_params(load):
    made = load().convert_params(
        stage("x", params=Params), {"limit": 3, "inner": {"sizes": [1, 2]}}, "stage[0].params"
    )
    assert made == Params(limit=3.0, inner=Inner(sizes=(1, 2)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"limit": "3"}, "stage[0].params.limit: Expected `float`, got `str`"),
        ({"limit": 3, "inner": {"sizes": [1, 0]}}, "stage[0].params.inner.sizes[1]: Expected `int` >= 1"),
        ({"limit": 3, "limits": 4}, "stage[0].params: Object contains unknown field `limits`"),
        ({}, "stage[0].params: Object missing required field `limit`"),
        ({"limit": 13}, "stage[0].params: unlucky"),
    ],
)
def test_convert_params_says_where(load, given, message):
    with pytest.raises(ConfigError) as caught:
        load().convert_params(stage("x", params=Params), given, "stage[0].params")
    assert caught.value.message == message
    assert caught.value.fix == "the parameters of 'x' are: limit, inner"


# --- policy and notices -------------------------------------------------------------------------------------------


def rank(body):
    return f"from vedette import hookimpl\n@hookimpl\ndef vedette_rank_candidates(bundle, candidates):\n    {body}\n"


def test_rank_last_loaded_is_asked_first(install, load):
    install("a", rank("return candidates"))
    install("b", rank("return reversed(candidates)"))
    assert load().rank_candidates(None, CANDIDATES) == CANDIDATES[::-1]


def test_rank_none_passes_the_question_on(install, load):
    install("a", rank("return list(candidates)"))
    install("b", rank("return None"))
    assert load().rank_candidates(None, CANDIDATES) == CANDIDATES


def test_rank_nobody_cares(load):
    assert load().rank_candidates(None, CANDIDATES) is None


def test_rank_an_empty_answer_is_one(install, load):
    install("a", rank("return []"))
    assert load().rank_candidates(None, ()) == ()


@pytest.mark.parametrize(
    "body",
    [
        "raise ValueError",
        "return candidates[:2]",
        "return candidates[:2] + candidates[:1]",
        "return [[]]",
        "return 5",
    ],
)
def test_rank_a_bad_answer_is_blamed_and_the_next_is_asked(install, load, states, caplog, body):
    install("a", rank("return candidates"))
    install("b", rank(body))
    registry = load()
    assert registry.rank_candidates(None, CANDIDATES) == CANDIDATES
    assert "plugin 'b' (dist-b 1.2.3): hook vedette_rank_candidates" in caplog.text
    state = states(registry)["b"]
    assert (state.status, state.reason[:29]) == ("active", "hook vedette_rank_candidates ")
    with pytest.raises(PluginError, match="plugin 'b'"):
        load(VEDETTE_STRICT_PLUGINS="1").rank_candidates(None, CANDIDATES)


NOTICES = """
    from vedette import hookimpl

    told = []

    @hookimpl
    def vedette_plan_built(plan):
        told.append(plan)
        {0}

    @hookimpl
    def vedette_pipeline_closed(error, pipeline):
        told.append((pipeline, error))
        {0}
"""


def test_notices_reach_everybody(install, load, caplog):
    install("good", NOTICES.format("pass"))
    install("wrong", NOTICES.format("raise KeyError('oops')"))
    registry = load()
    error = ValueError()
    registry.plan_built("plan")
    registry.pipeline_closed("pipeline", error)
    import good_module
    import wrong_module

    assert good_module.told == wrong_module.told == ["plan", ("pipeline", error)]
    assert "plugin 'wrong' (dist-wrong 1.2.3): hook vedette_plan_built raised KeyError" in caplog.text
    assert "plugin 'wrong' (dist-wrong 1.2.3): hook vedette_pipeline_closed raised KeyError" in caplog.text

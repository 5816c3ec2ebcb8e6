"""Recurrent models in a pipeline: a real GRU on both runtimes, batched over streams, and what goes wrong with one."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from vedette.bundle.manifest import Graph, Output, Temporal
from vedette.errors import BackendError, BundleError
from vedette.frame import Clock, Packed
from vedette.packet import Failed, Quarantined, Ran
from vedette.registry import load_plugins
from vedette.results import Classification, ClipPrediction
from vedette.specs import Capture

MS = 1_000_000


def all_scores(outputs, affines, size_wh, params):
    """The scores as they are, with a column for each class."""
    scores = outputs["scores"].astype(np.float32)
    return ClipPrediction(
        class_id=np.tile(np.arange(scores.shape[1], dtype=np.int32), (len(scores), 1)),
        confidence=scores,
        window_ns=np.zeros((len(scores), 2), np.int64),
        source_row=np.arange(len(scores), dtype=np.int32),
    )


@pytest.fixture(params=["onnxruntime", "openvino"])
def runtime(request, kit):
    """The name of a backend, which the pipelines of ``kit`` then have, and a decoder ``scores``."""
    kit.add("vedette_backends", load_plugins().backends[request.param])
    kit.postprocess("scores", ClipPrediction, all_scores)
    return request.param


def colours(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3))


def film(rgb: np.ndarray, ms: float = 40, epoch=lambda n: 0) -> list[Capture]:
    return [
        Capture(
            image=Packed("rgb", np.full((12, 16, 3), colour, np.uint8)),
            clock=Clock(mono_ns=n, wall_ns=n, media_ns=round(n * ms * MS), origin="pts"),
            seq=n,
            epoch=epoch(n),
        )
        for n, colour in enumerate(rgb)
    ]


def run(kit, list_source, films: dict, batch: int = 1, **stage) -> tuple[dict, object]:
    """Films through the GRU, each a stream; ``(frames, classes)`` scores by stream, and the summary."""
    for hook in ("vedette_sinks", "vedette_sources"):  # of a run before
        kit.specs.pop(hook, None)
    sink = kit.sink()
    for name, captures in films.items():
        kit.source(name, lambda captures=captures: list_source(captures))
    with kit.pipeline(
        threads=2,
        stream=[{"name": name, "source": f"{name}://"} for name in films],
        stage=[{"name": "m", "bundle": "gru", "batch": batch, "max_wait_ms": 500, **stage}],
        sink=[{"use": "collect"}],
    ) as pipeline:
        summary = pipeline.run()
    found = {
        name: np.array(
            [
                p.results["m"].confidence[0]
                for p in sink.packets
                if p.frame.stream == name and "m" in p.results
            ]
        )
        for name in films
    }
    return found, summary


def test_streams_in_one_batch_answer_as_each_alone_and_never_share_state(
    kit, gru, runtime, list_source, measured
):
    """Streams of different lengths, one of which shows what another did, but later: any leak would show."""
    gru.write()
    shown = {"a": colours(1, 40), "b": colours(2, 31), "c": colours(3, 25)}
    shown["late"] = np.concatenate([colours(9, 7), shown["a"]])
    films = {name: film(rgb) for name, rgb in shown.items()}
    together, _ = run(kit, list_source, films, batch=4)
    worst = 0.0
    for name, rgb in shown.items():
        np.testing.assert_allclose(together[name], gru.scores(rgb / 255), atol=1e-5)
        alone, _ = run(kit, list_source, {name: films[name]})
        worst = max(worst, float(np.abs(alone[name] - together[name]).max()))
    measured(f"streams together against alone, {runtime}, worst difference", worst, "<= 1e-5")
    assert worst <= 1e-5
    assert np.abs(together["late"][7:] - together["a"]).max() > 1e-3


def test_each_clip_of_a_playlist_begins_from_the_initial_state(kit, gru, runtime, list_source):
    gru.write(temporal=Temporal(rate_hz=25, tolerance=0.25))
    rgb = np.tile(colours(4, 10), (3, 1))
    found, summary = run(kit, list_source, {"a": film(rgb, epoch=lambda n: n // 10)})
    want = gru.scores(rgb[:10] / 255)
    np.testing.assert_allclose(found["a"], np.tile(want, (3, 1)), atol=1e-5)
    assert summary.stages["m"]["resets"] == {"a new epoch": 2}


def test_a_film_of_one_frame_and_a_grey_one(kit, gru, runtime, list_source):
    """A grey picture has its value in each colour."""
    gru.write(temporal=Temporal(rate_hz=25, tolerance=0.25))
    grey = [
        replace(capture, image=Packed("gray8", np.full((12, 16), 40 * n, np.uint8)))
        for n, capture in enumerate(film(colours(5, 6)))
    ]
    found, summary = run(kit, list_source, {"one": film(colours(6, 1)), "grey": grey})
    np.testing.assert_allclose(found["one"], gru.scores(colours(6, 1) / 255), atol=1e-5)
    levels = np.arange(6)[:, None] * 40 / 255 * np.ones(3)
    np.testing.assert_allclose(found["grey"], gru.scores(levels), atol=1e-5)
    assert all(stream["complete"] == stream["captured"] for stream in summary.streams.values())


def test_a_state_that_the_model_does_not_have_is_refused_with_its_path(kit, gru, runtime, list_source):
    step = gru.graphs["step"]
    wrong = Graph(
        inputs=step.inputs | {"h_in": msgspec.structs.replace(step.inputs["h_in"], shape=(None, 9))},
        outputs=step.outputs | {"h_out": Output(dtype="float32", shape=(None, 9))},
        state=step.state,
    )
    gru.write(graphs=gru.graphs | {"step": wrong})
    with pytest.raises(BackendError, match=r"graphs\.step\.inputs\.h_in.*\(\?, 9\).*float32 \(1, 8\)"):
        run(kit, list_source, {"a": film(colours(1, 1))})


def test_a_state_that_does_not_fit_itself_is_refused_when_the_bundle_is_made(gru):
    step = gru.graphs["step"]
    wrong = msgspec.structs.replace(
        step, outputs=step.outputs | {"h_out": Output(dtype="float32", shape=(None, 9))}
    )
    with pytest.raises(BundleError, match=r"'h_out' is float32 \(\?, 9\).*\$\.graphs\.step\.state\[0\]"):
        gru.write(graphs=gru.graphs | {"step": wrong})


def test_a_stream_whose_state_is_lost_is_left_alone_and_the_others_go_on(
    kit, make_captures, list_source, picture, sum_step, decode_value, caplog
):
    graph, function = sum_step

    def drifts(inputs):
        """Of a stream that shows 7, the state grows beyond all bounds."""
        outputs = function(inputs)
        lost = (inputs["x"].max(axis=(1, 2, 3)) == 7) & (outputs["h2"][:, 0] > 20)
        outputs["h2"][lost] = np.nan
        return outputs

    kit.postprocess("value", Classification, decode_value("h2"))
    kit.bundle("sum", {"step": (graph, drifts)}, "value", batch=2)
    sink = kit.sink()
    kit.source("good", lambda: list_source(make_captures(12, image=lambda n: picture(1))))
    kit.source("bad", lambda: list_source(make_captures(12, image=lambda n: picture(7))))
    with kit.pipeline(
        threads=2,
        stream=[{"name": name, "source": f"{name}://"} for name in ("good", "bad")],
        stage=[{"name": "m", "bundle": "sum", "batch": 2, "max_wait_ms": 100, "quarantine_after": 3}],
        sink=[{"use": "collect"}],
    ) as pipeline:
        summary = pipeline.run()
    outcomes = {
        name: [p.outcome["m"] for p in sink.packets if p.frame.stream == name] for name in ("good", "bad")
    }
    assert [float(o.result.confidence[0, 0]) for o in outcomes["good"]] == [*range(1, 13)]
    kinds = [type(outcome) for outcome in outcomes["bad"]]
    assert kinds == [Ran, Ran, *[Failed] * 3, *[Quarantined] * 7]
    assert "no longer finite" in str(outcomes["bad"][2].error)
    assert summary.streams["good"]["complete"] == 12
    assert any("stage 'm' is quarantined after 3 errors" in record.message for record in caplog.records)

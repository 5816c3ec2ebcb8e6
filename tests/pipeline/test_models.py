"""Model stages: cascades, laziness, several graphs, recurrent state over streams, and plans swapped while running."""

import random
import threading
import time

import numpy as np
import pytest

from vedette.bundle.manifest import Graph, Input, Output, TensorFeed
from vedette.errors import BackendError
from vedette.frame import Encoded, Packed, Planar
from vedette.packet import Failed, Ran
from vedette.results import Classification, Detections


def nv12(n: int) -> Planar:
    rng = np.random.default_rng(n)
    y = rng.integers(16, 236, (48, 64), np.uint8)
    return Planar("nv12", (y, np.full((24, 32, 2), 128, np.uint8)), "bt601", "limited")


@pytest.mark.parametrize("count", [0, 1, 40])
@pytest.mark.parametrize("batch", [1, 16])
def test_a_cascade_joins_its_crops_back_to_their_boxes(
    kit, make_captures, list_source, boxes, mean_graph, decode_value, count, batch
):
    rng = np.random.default_rng(count)
    corners = rng.uniform(0, 30, (count, 2))
    made = np.concatenate([corners, corners + rng.uniform(1, 18, (count, 2))], 1)
    kit.stage("boxes", lambda inputs, state: boxes(made), gives=Detections)
    kit.postprocess("value", Classification, decode_value("y"))
    kit.bundle(
        "mean", {"net": mean_graph}, "value", batch=batch, slots=3, delay=lambda: random.random() * 1e-3
    )
    sink = kit.sink()
    kit.source("list", lambda: list_source(make_captures(4, image=nv12)))
    with kit.pipeline(
        threads=3,
        stream=[{"name": "a", "source": "list://"}],
        stage=[
            {"name": "detect", "use": "boxes"},
            {"name": "crops", "bundle": "mean", "on": "detect", "batch": batch},
        ],
        sink=[{"use": "collect"}],
    ) as pipeline:
        summary = pipeline.run()
    assert summary.balanced
    assert summary.streams["a"]["complete"] == 4
    for packet in sink.packets:
        result = packet.results["crops"]
        assert result.source == "detect"
        assert result.source_row.tolist() == list(range(count))
        assert result.confidence.shape == (count, 1 if count else 0)
        for row, (x0, y0, x1, y1) in zip(result.source_row, packet.results["detect"].xyxy, strict=True):
            x0, y0, x1, y1 = round(float(x0)), round(float(y0)), round(float(x1)), round(float(y1))
            crop = packet.frame.view("rgb", (4, 2), "nearest", (x0, y0, max(x1 - x0, 1), max(y1 - y0, 1)))
            assert result.confidence[row, 0] == pytest.approx(crop.mean(), abs=20)
    assert [(session.leased, session.closed) for session in kit.sessions] == [(0, True)] * len(kit.sessions)


def test_an_encoded_frame_is_dropped_before_it_is_decoded(
    kit, make_captures, list_source, mean_graph, decode_value
):
    decoded = []

    def decode(image: Encoded) -> Packed:
        decoded.append(image.data)
        time.sleep(0.01)
        return Packed("bgr", np.zeros((8, 16, 3), np.uint8))

    kit.decoder("TEST", decode)
    kit.postprocess("value", Classification, decode_value("y"))
    kit.bundle("mean", {"net": mean_graph}, "value")
    kit.source(
        "live",
        lambda: list_source(
            make_captures(100, image=lambda n: Encoded("TEST", bytes([n]), (16, 8))),
            live=True,
            period_s=0.001,
        ),
    )
    with kit.pipeline(
        threads=1,
        stream=[{"name": "a", "source": "live://", "in_flight": 1}],
        stage=[{"name": "m", "bundle": "mean"}, {"name": "again", "bundle": "mean"}],
    ) as pipeline:
        summary = pipeline.run()
    counts = summary.streams["a"]
    assert counts["dropped"]["latest_wins"] > 50
    assert summary.balanced, counts
    assert len(decoded) == counts["complete"] == 100 - sum(counts["dropped"].values())


def test_a_picture_that_cannot_be_decoded_fails_its_packet_and_blames_the_source(
    kit, make_captures, list_source, mean_graph, decode_value
):
    kit.postprocess("value", Classification, decode_value("y"))
    kit.bundle("mean", {"net": mean_graph}, "value")
    sink = kit.sink()
    kit.source("list", lambda: list_source(make_captures(3, image=lambda n: Encoded("NOPE", b"x", (16, 8)))))
    with kit.pipeline(
        stream=[{"name": "a", "source": "list://"}],
        stage=[{"name": "m", "bundle": "mean", "quarantine_after": 1}],
        sink=[{"use": "collect"}],
    ) as pipeline:
        summary = pipeline.run()
    assert summary.streams["a"]["failed"] == 3 == summary.streams["a"]["undecodable"]
    assert all("no decoder is installed" in str(packet.outcome["m"].error) for packet in sink.packets)


def test_two_graphs_run_one_after_the_other(kit, make_captures, list_source, mean_graph, decode_value):
    head = Graph(
        inputs={"f": Input(dtype="float32", shape=(None, 1), feed=TensorFeed(graph="cnn", output="y"))},
        outputs={"z": Output(dtype="float32", shape=(None, 1))},
    )
    kit.postprocess("value", Classification, decode_value("z"))
    kit.bundle("two", {"cnn": mean_graph, "head": (head, lambda inputs: {"z": inputs["f"] * 2})}, "value")
    sink = kit.sink()
    kit.source("list", lambda: list_source(make_captures(9)))
    with kit.pipeline(
        stream=[{"name": "a", "source": "list://"}],
        stage=[{"name": "m", "bundle": "two"}],
        sink=[{"use": "collect"}],
    ) as pipeline:
        summary = pipeline.run()
    assert [packet.results["m"].confidence[0, 0] for packet in sink.packets] == [2.0 * n for n in range(9)]
    assert set(summary.stages["m"]["graphs"]) == {"cnn", "head"}


def test_two_streams_share_batches_of_a_recurrent_model_and_never_its_state(
    kit, make_captures, list_source, picture, sum_step, decode_value
):
    graph, function = sum_step
    sizes = []

    def counted(inputs):
        sizes.append(len(inputs["x"]))
        return function(inputs)

    kit.postprocess("value", Classification, decode_value("h2"))
    kit.bundle("sum", {"step": (graph, counted)}, "value", batch=2, delay=lambda: random.random() * 1e-3)
    sink = kit.sink()
    kit.source(
        "ones", lambda: list_source(make_captures(60, image=lambda n: picture(1), epoch=lambda n: n // 40))
    )
    kit.source("tens", lambda: list_source(make_captures(50, image=lambda n: picture(10))))
    with kit.pipeline(
        threads=3,
        stream=[{"name": "ones", "source": "ones://"}, {"name": "tens", "source": "tens://"}],
        stage=[{"name": "m", "bundle": "sum", "batch": 2, "max_wait_ms": 1000}],
        sink=[{"use": "collect"}],
    ) as pipeline:
        pipeline.run()
    sums = {
        name: [float(p.results["m"].confidence[0, 0]) for p in sink.packets if p.frame.stream == name]
        for name in ("ones", "tens")
    }
    assert sums["ones"] == [*range(1, 41), *range(1, 21)]  # the new epoch starts from zero, and only there
    assert sums["tens"] == [10 * n for n in range(1, 51)]
    assert sum(sizes) == 110
    assert sizes.count(2) >= 45, "streams that both wait share a batch"


def test_a_failed_step_keeps_the_state_as_it_was(
    kit, make_captures, list_source, picture, sum_step, decode_value
):
    graph, function = sum_step

    def drifts(inputs):
        outputs = function(inputs)
        if inputs["x"].max() == 7:
            outputs["h2"][:] = np.nan
        return outputs

    kit.postprocess("value", Classification, decode_value("h2"))
    kit.bundle("sum", {"step": (graph, drifts)}, "value")
    sink = kit.sink()
    kit.source("list", lambda: list_source(make_captures(10, image=lambda n: picture(7 if n == 4 else 1))))
    with kit.pipeline(
        stream=[{"name": "a", "source": "list://"}],
        stage=[{"name": "m", "bundle": "sum"}],
        sink=[{"use": "collect"}],
    ) as pipeline:
        pipeline.run()
    outcomes = [packet.outcome["m"] for packet in sink.packets]
    assert isinstance(outcomes[4], Failed)
    assert "no longer finite" in str(outcomes[4].error)
    sums = [float(outcome.result.confidence[0, 0]) for outcome in outcomes if isinstance(outcome, Ran)]
    assert sums == list(range(1, 10))


def test_a_plan_is_swapped_between_two_packets_and_state_goes_on(
    kit, make_captures, list_source, picture, sum_step, decode_value
):
    kit.postprocess("value", Classification, decode_value("h2"))
    kit.bundle("sum", {"step": sum_step}, "value")
    kit.stage("slow", lambda inputs, state: time.sleep(0.001))
    kit.stage("extra", lambda inputs, state: None)
    sink = kit.sink()
    kit.source("list", lambda: list_source(make_captures(200, image=lambda n: picture(1))))
    before = {
        "stream": [{"name": "a", "source": "list://"}],
        "stage": [{"name": "slow", "use": "slow"}, {"name": "m", "bundle": "sum"}],
        "sink": [{"use": "collect"}],
    }
    after = {**before, "stage": [*before["stage"], {"name": "extra", "use": "extra"}]}
    from vedette.pipeline.config import parse_config

    pipeline = kit.pipeline(**before)
    swapped = threading.Event()

    def swap_at_fifty(packet):
        if packet.frame.ticket == 50:
            threading.Thread(target=lambda: (pipeline.swap(parse_config(after)), swapped.set())).start()

    pipeline.observe(swap_at_fifty)
    with pipeline:
        summary = pipeline.run()
    assert swapped.is_set()
    has_extra = ["extra" in packet.outcome for packet in sink.packets]
    first = has_extra.index(True)
    assert 50 < first < 200
    assert has_extra == [False] * first + [True] * (200 - first)
    assert [p.results["m"].confidence[0, 0] for p in sink.packets] == list(range(1, 201))
    assert summary.streams["a"]["complete"] == 200
    assert all(session.closed for session in kit.sessions)


def test_a_device_that_starts_failing_is_left_for_the_next_candidate(
    kit, make_captures, list_source, mean_graph, decode_value
):
    from vedette.testing.session import function_backend

    graph, function = mean_graph
    calls = []

    def dies(inputs):
        calls.append(1)
        if len(calls) > 5:
            raise BackendError("the device is gone")
        return function(inputs)

    kit.postprocess("value", Classification, decode_value("y"))
    kit.bundle("mean", {"net": mean_graph}, "value")
    make_good = kit.functions["mean.net"]
    dying = kit._session(graph, dies, 2, 1, None)
    kit.add(
        "vedette_backends", function_backend("aaa", lambda files, device, execution: dying(), formats=("fn",))
    )
    kit.add(
        "vedette_backends",
        function_backend("bbb", lambda files, device, execution: make_good(), formats=("fn",)),
    )
    sink = kit.sink()
    kit.stage("slow", lambda inputs, state: time.sleep(0.002))
    kit.source("list", lambda: list_source(make_captures(200)))
    with kit.pipeline(
        threads=1,
        stream=[{"name": "a", "source": "list://", "in_flight": 1}],
        stage=[
            {"name": "slow", "use": "slow"},
            {"name": "m", "bundle": "mean", "on_error": "fallback", "quarantine_after": 1000},
        ],
        sink=[{"use": "collect"}],
    ) as pipeline:
        summary = pipeline.run()
    ran = [isinstance(packet.outcome["m"], Ran) for packet in sink.packets]
    assert ran[:5] == [True] * 5
    assert ran[-1]
    assert not all(ran)
    assert any("aaa" in reason for reason in summary.stages["m"]["fallbacks"])

"""Tracker and zones in a pipeline: joined by name, changed while they run, stopped and started again."""

import threading
from itertools import pairwise

import av
import bright_square
import numpy as np
import pytest

from vedette import Pipeline, load_plugins
from vedette.pipeline.config import parse_config

assert bright_square  # the detector
FRAMES = 60
SIDE = 20


def ball(number):
    """Left edge of a bright square that goes to and fro."""
    return 10 + abs((number * 4) % 160 - 80)


@pytest.fixture(scope="module")
def registry():
    return load_plugins(["bright_square"])


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "ball.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.bit_rate = 160, 96, 4_000_000
        for number in range(FRAMES):
            picture = np.zeros((96, 160, 3), np.uint8)
            picture[40 : 40 + SIDE, ball(number) : ball(number) + SIDE] = 255
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)
    return path


def config(film, zone_right=60, **rest):
    return {
        "name": "balls",
        "stream": [{"name": "a", "source": str(film), "in_flight": 1}],
        "stage": [
            {"name": "detect", "use": "bright-square"},
            {"name": "track", "use": "tracker", "takes": {"boxes": "detect"}},
            {
                "name": "count",
                "use": "zones",
                "takes": {"tracks": "track"},
                "params": {
                    "zone": [
                        {"name": "left", "polygon": [[0, 0], [zone_right, 0], [zone_right, 96], [0, 96]]}
                    ],
                    "line": [{"name": "middle", "start": [60, 96], "end": [60, 0]}],
                },
            },
        ],
        **rest,
    }


def run(plain, registry, at=None, do=None):
    """Packets of a run; ``do(pipeline)`` after frame ``at``."""
    packets = []
    with Pipeline.from_dict(plain, registry=registry) as pipeline:

        def watch(packet):
            packets.append(packet)
            if packet.frame.ticket == at:
                do(pipeline)

        pipeline.observe(watch)
        summary = pipeline.run()
    assert summary.balanced
    assert not any(stage.get("failed") for stage in summary.stages.values())
    return packets


def counts(packet):
    result = packet.results["count"]
    return dict(
        zip(
            result.zone.tolist(),
            zip(result.in_count.tolist(), result.out_count.tolist(), strict=True),
            strict=True,
        )
    )


def test_one_ball_is_one_track_and_every_pass_is_counted(film, registry):
    packets = run(config(film), registry)
    assert len(packets) == FRAMES
    tracks = [packet.results["track"] for packet in packets]
    assert len({identity for result in tracks for identity in result.track_id.tolist()}) == 1
    assert {result.source for result in tracks} == {"detect"}
    for packet in packets[1:]:
        boxes, track = packet.results["detect"], packet.results["track"]
        np.testing.assert_array_equal(boxes.xyxy[track.source_row], track.xyxy)
    sides = [ball(number) + SIDE / 2 > 60 for number in range(FRAMES)]
    passes = [now - before for before, now in pairwise(sides) if now != before]
    assert counts(packets[-1])[1] == (passes.count(1), passes.count(-1))
    crossed = [event for packet in packets for event in packet.events if event.kind == "line.crossed"]
    assert len(crossed) == len(passes) >= 2
    assert len({event.id for event in crossed}) == len(crossed)


def test_the_same_film_gives_the_same_names_and_events(film, registry):
    first, second = (run(config(film), registry) for _ in range(2))
    for one, two in zip(first, second, strict=True):
        assert one.results["track"].track_id.tolist() == two.results["track"].track_id.tolist()
        assert [event.id for event in one.events] == [event.id for event in two.events]


def test_a_zone_that_is_changed_while_it_runs_resets_only_itself(film, registry):
    unchanged = run(config(film), registry)
    threads = []

    def change(pipeline):
        swap = threading.Thread(target=pipeline.swap, args=(parse_config(config(film, zone_right=40)),))
        threads.append(swap)
        swap.start()

    packets = run(config(film), registry, at=45, do=change)
    threads[0].join()
    assert counts(packets[-1])[1] == counts(unchanged[-1])[1]
    assert [p.results["track"].track_id.tolist() for p in packets] == [
        p.results["track"].track_id.tolist() for p in unchanged
    ]
    assert counts(packets[45])[0] == counts(unchanged[45])[0] != (0, 0)
    assert counts(packets[-1]).get(0, (0, 0)) < counts(unchanged[-1])[0]


@pytest.mark.parametrize("stop", [3, 22, 41])
def test_a_run_that_is_stopped_and_started_again(film, registry, tmp_path, stop):
    whole = run(config(film), registry)
    plain = config(film, state={"path": str(tmp_path / "state")})
    parts = run(plain, registry, at=stop, do=lambda pipeline: pipeline.stop())
    done = len(parts)
    assert stop < done < FRAMES
    parts += run(plain, registry)
    assert [packet.results["track"].track_id.tolist() for packet in parts] == [
        packet.results["track"].track_id.tolist() for packet in whole
    ]
    assert [event.id for packet in parts for event in packet.events] == [
        event.id for packet in whole for event in packet.events
    ]
    assert counts(parts[-1]) == counts(whole[-1])


def test_counts_go_on_in_the_next_epoch_and_tracks_do_not(film, registry, tmp_path):
    playlist = tmp_path / "two.m3u"
    playlist.write_text(f"{film}\n{film}\n")
    once, twice = run(config(film), registry), run(config(playlist), registry)
    assert [packet.frame.epoch for packet in twice] == [0] * FRAMES + [1] * FRAMES
    assert counts(twice[FRAMES - 1]) == counts(once[-1])
    assert counts(twice[-1])[1] == tuple(2 * count for count in counts(once[-1])[1])
    names = [set(packet.results["track"].track_id.tolist()) for packet in twice]
    first, second = set.union(*names[:FRAMES]), set.union(*names[FRAMES:])
    assert len(first) == len(second) == 1
    assert not first & second
    reasons = [
        event.data["reason"] for packet in twice for event in packet.events if event.kind == "zone.left"
    ]
    assert reasons.count("end") == (1 if ball(FRAMES - 1) + SIDE / 2 < 60 else 0)

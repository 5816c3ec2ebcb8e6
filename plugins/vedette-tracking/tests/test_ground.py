"""The stage ``ground``: metres and metres per second of what a camera sees in perspective."""

import msgspec
import numpy as np
import pytest

from vedette.errors import ConfigError, PluginError
from vedette.pipeline.state import pack, unpack
from vedette.results import Detections
from vedette.testing.conformance import StageConformance
from vedette_tracking.geometry import apply_homography
from vedette_tracking.stages.ground import SPEC, Ground, Params

S = 1_000_000_000
# A camera that looks down a road: its far end is at the top and narrow. Horizon at y = 100.
GROUND = [[-4, 5], [4, 5], [4, 40], [-4, 40]]
TO_PICTURE = np.array([[400.0, 320.0, 0], [0, 100.0, 2000.0], [0, 1.0, 0]])
PICTURE = apply_homography(TO_PICTURE, np.array(GROUND, float)).tolist()
ROAD = {"picture": PICTURE, "ground": GROUND}


class TestGround(StageConformance):
    @pytest.fixture
    def spec(self):
        return SPEC

    @pytest.fixture
    def params(self):
        return {**ROAD, "limit": 0.5}


def ground(**params):
    return Ground(msgspec.convert({**ROAD, **params}, Params))


def drive(speed, seconds=3.0, step_s=0.1):
    """Feet of a car that comes down the road, in pixels."""
    along = [35 - speed * step_s * n for n in range(round(seconds / step_s))]
    return [tuple(apply_homography(TO_PICTURE, np.array([[1.0, y]]))[0].tolist()) for y in along]


@pytest.mark.parametrize("step_s", [0.04, 0.1, 0.3])
def test_a_car_in_perspective(play, tracked, step_s):
    stage = ground()
    films = [tracked({7: xy}) for xy in drive(8.0, step_s=step_s)]
    outputs = play(stage, stage.start("a"), "tracks", films, step_s=step_s)
    last = outputs[-1].result
    np.testing.assert_allclose(outputs[0].result.velocity, [[0, 0]])
    np.testing.assert_allclose(last.velocity, [[0, -8]], atol=0.05)
    np.testing.assert_allclose(last.xy, [[1, 35 - 8.0 * step_s * (len(films) - 1)]], rtol=1e-4)
    assert (last.source, last.source_row.tolist()) == ("before", [0])
    assert not any(output.events for output in outputs)


def test_too_fast_is_told_once_until_it_is_slow_again(play, tracked):
    stage = ground(limit={"person": 6.0})
    state = stage.start("a")
    outputs = play(stage, state, "tracks", [tracked({7: xy}) for xy in drive(8.0)])
    events = [event for output in outputs for event in output.events]
    assert [event.kind for event in events] == ["speed.exceeded"]
    assert events[0].subject == "track:7"
    assert 6.0 < events[0].data.pop("speed") <= 8.0
    assert events[0].data == {"track_id": 7, "class_id": 0, "label": "person"}
    stands = [tracked({7: drive(8.0)[-1]})] * 20
    assert not any(output.events for output in play(stage, state, "tracks", stands, begin_s=3.0))
    again = [tracked({7: xy}) for xy in drive(8.0)[::-1]]
    assert sum(len(output.events) for output in play(stage, state, "tracks", again, begin_s=5.0)) == 1
    other = play(stage, stage.start("a"), "tracks", [tracked({7: xy}, class_id=1) for xy in drive(8.0)])
    assert not any(output.events for output in other)


def test_above_the_horizon_is_no_ground(play, tracked):
    stage = ground()
    (output,) = play(stage, stage.start("a"), "tracks", [tracked({7: (300, 99), 8: (300, 300), 9: (9, 100)})])
    assert output.result.source_row.tolist() == [1]


def test_a_picture_of_another_size(play, tracked):
    stage = ground(drawn_on=[1280, 960])
    (output,) = play(stage, stage.start("a"), "tracks", [tracked({7: (320, 240)})])
    expected = apply_homography(np.linalg.inv(TO_PICTURE), np.array([[640.0, 480.0]]))
    np.testing.assert_allclose(output.result.xy, expected, rtol=1e-5)


def test_it_goes_on_after_a_stop(play, tracked):
    stage, films = ground(), [tracked({7: xy}) for xy in drive(8.0)]
    whole = play(stage, stage.start("a"), "tracks", films)
    state = stage.start("a")
    play(stage, state, "tracks", films[:10])
    state = stage.load(unpack(pack(stage.save(state)), object), 50 * S)
    (next_one,) = play(stage, state, "tracks", [films[10]], begin_s=51.0)
    np.testing.assert_allclose(next_one.result.velocity, whole[10].result.velocity, rtol=1e-5)


def test_who_was_away_for_long_begins_anew(play, tracked):
    stage = ground(lost_s=1.0)
    state = stage.start("a")
    play(stage, state, "tracks", [tracked({7: (300, 300)})])
    (output,) = play(stage, state, "tracks", [tracked({7: (320, 200)})], begin_s=1.5)
    assert output.result.velocity.tolist() == [[0, 0]]


def test_points_that_do_not_fit():
    with pytest.raises(msgspec.ValidationError, match="the same four points"):
        msgspec.convert({"picture": PICTURE[:3], "ground": GROUND[:3]}, Params)
    with pytest.raises(ConfigError, match="do not determine"):
        ground(picture=[[0, 0], [1, 1], [2, 2], [3, 3]])


def test_boxes_without_tracks_are_refused(play):
    stage = ground()
    with pytest.raises(PluginError, match="no track_id"):
        play(stage, stage.start("a"), "tracks", [Detections.of([(0, 0, 1, 1)], [1], [0])])

"""Tracking as a pure function: who keeps an identity, and who gets a new one."""

from dataclasses import replace

import numpy as np
import pytest

from vedette_tracking.metrics import TrackedBoxes, read_mot, score_tracks
from vedette_tracking.stages.tracker import Params, Tracker
from vedette_tracking.tracks import Found, Tracks, step

S = 1_000_000_000
HALF = np.array([20.0, 45.0])


def rules(**changes):
    return Tracker(Params(**changes))._rules


def found(boxes, confidence=0.9, class_id=0, appearance=None):
    boxes = np.array(boxes, np.float64).reshape(-1, 4)
    n = len(boxes)
    return Found(
        boxes,
        np.broadcast_to(np.float32(confidence), n),
        np.broadcast_to(np.int32(class_id), n),
        np.zeros((n, 0), np.float32) if appearance is None else np.array(appearance, np.float32),
    )


def run(films, its_rules=None, times_s=None, step_s=0.04, tracks=None):
    """The numbers of each frame, and the tracks at the end."""
    tracks = tracks or Tracks.none()
    said = []
    for index, film in enumerate(films):
        time_s = index * step_s if times_s is None else times_s[index]
        done = step(tracks, film, its_rules or rules(), round(time_s * S))
        tracks = done.tracks
        said.append(done.number.tolist())
    return said, tracks


def at(x, y=100.0):
    return [x, y, x + 40, y + 90]


def test_twenty_objects_get_twenty_identities():
    """Twenty boxes that bounce about and pass each other, over 400 frames with a detector's jitter."""
    rng = np.random.default_rng(5)
    columns, rows = np.meshgrid(np.arange(5), np.arange(4))
    home = np.stack([100 + 230 * columns.ravel(), 60 + 170 * rows.ravel()], axis=1).astype(float)
    phase, tracks, identities = rng.uniform(0, 6.28, (20, 2)), Tracks.none(), [set() for _ in range(20)]
    for n in range(400):
        centre = home + 60 * np.sin(phase + n / 25 * np.array([1.0, 0.7])) + rng.normal(0, 1, (20, 2))
        order = rng.permutation(20)
        boxes = np.concatenate([centre - HALF, centre + HALF], axis=1)[order]
        done = step(tracks, found(boxes), rules(), round(n / 25 * S))
        tracks = done.tracks
        for place, number in zip(order.tolist(), done.number.tolist(), strict=True):
            identities[place] |= {number} - {0}
    assert [len(item) for item in identities] == [1] * 20
    assert len(set.union(*identities)) == 20
    assert tracks.begun == 20


def test_a_track_is_told_with_its_second_frame():
    said, _ = run([found([at(0)])] * 3)
    assert said == [[0], [1], [1]]
    said, _ = run([found([at(0)])] * 2, rules(minimum_consecutive_frames=1))
    assert said == [[1], [1]]


def test_a_box_that_comes_once_is_nobody():
    said, tracks = run([found([at(0)]), found([]), found([at(0)]), found([])])
    assert said == [[0], [], [0], []]
    assert len(tracks.table) == 0


def test_two_that_pass_each_other_keep_their_identities():
    films = [found([at(10 * n), at(300 - 10 * n, y=120)]) for n in range(31)]
    said, _ = run(films)
    assert said[1:] == [[1, 2]] * 30


def test_low_confidence_goes_on_with_a_track_and_begins_none():
    said, tracks = run(
        [
            *[found([at(0)])] * 3,
            *[found([at(0), at(300)], confidence=0.3)] * 5,
            found([at(0)], confidence=0.05),
        ]
    )
    assert said == [[0], [1], [1], *[[1, 0]] * 5, [0]]
    assert tracks.begun == 1


def test_low_confidence_finds_nobody_who_is_lost():
    """Only who was seen a moment ago: whatever is doubtful would else be whoever was once there."""
    said, _ = run([*[found([at(0)])] * 3, found([]), found([at(0)], confidence=0.3), found([at(0)])])
    assert said == [[0], [1], [1], [], [0], [1]]


def test_a_lost_track_goes_on_where_it_is_expected():
    """It walks behind something for 0.8 s, at 100 pixels per second."""
    walk = [found([at(100 * n / 25)]) for n in range(60)]
    hidden = [*walk[:25], *[found([])] * 20, *walk[45:]]
    said, _ = run(hidden)
    assert said[45:] == [[1]] * 15
    said, _ = run(hidden, rules(lost_s=0.5))
    assert said[45:] == [[0], *[[2]] * 14]


@pytest.mark.parametrize("rate_hz", [5, 25, 100])
def test_the_lost_are_kept_for_a_time_not_for_frames(rate_hz):
    def after(gap_s):
        before = [found([at(0)])] * 4
        times = [n / rate_hz for n in range(4)]
        said, _ = run([*before, *before], times_s=[*times, *(times[-1] + gap_s + t for t in times)])
        return said[-1]

    assert after(0.9) == [1]
    assert after(1.1) == [2]


def test_frames_may_come_at_any_time():
    times = np.cumsum(np.random.default_rng(3).choice([0.02, 0.05, 0.3], 60))
    said, tracks = run([found([at(150 * t)]) for t in times], times_s=times.tolist())
    assert said[1:] == [[1]] * 59
    assert tracks.begun == 1


def test_time_that_goes_back_begins_anew():
    said, tracks = run([found([at(0)])] * 4, times_s=[10, 10.04, 1, 1.04])
    assert said == [[0], [1], [0], [2]]
    done = step(tracks, found([]), rules(), 0)
    assert done.lost["number"].tolist() == [2]


def test_the_same_time_twice():
    said, _ = run([found([at(0)])] * 3, times_s=[1, 1, 1])
    assert said == [[0], [1], [1]]


def test_classes_apart_or_together():
    films = [found([at(0)], class_id=n % 2) for n in range(4)]
    assert run(films)[0] == [[0]] * 4
    assert run(films, rules(by_class=False))[0] == [[0], [1], [1], [1]]


def test_appearance_tells_who_comes_back_elsewhere():
    """Two stand close, vanish for half a second, and come back having changed places."""
    red, blue = [1.0, 0.0], [0.0, 1.0]
    first = [found([at(0), at(50)], appearance=[red, blue])] * 10
    second = [found([at(0), at(50)], appearance=[blue, red])] * 3
    nobody = [found([], appearance=np.zeros((0, 2)))] * 12
    films = [*first, *nobody, *second]
    assert run(films, replace(rules(), minimum_likeness=0.7), tracks=Tracks.none(2))[0][-1] == [2, 1]
    assert run(films, replace(rules(), minimum_likeness=1.1), tracks=Tracks.none(2))[0][-1] == [1, 2]


def test_a_step_changes_nothing_that_it_was_given():
    _, tracks = run([found([at(0), at(200)])] * 3)
    before = tracks.table.copy()
    step(tracks, found([at(3)]), rules(), S)
    step(tracks, found([]), rules(), 90 * S)
    np.testing.assert_array_equal(tracks.table, before)


def test_what_appears_and_what_is_lost_is_told_once():
    films = [*[found([at(0), at(200)])] * 5, *[found([at(0)])] * 60]
    tracks, appeared, lost = Tracks.none(), [], []
    for n, film in enumerate(films):
        done = step(tracks, film, rules(), round(n / 25 * S))
        tracks = done.tracks
        appeared += [(n, number) for number in done.appeared["number"].tolist()]
        lost += [(n, number) for number in done.lost["number"].tolist()]
    assert appeared == [(1, 1), (1, 2)]
    assert lost == [(4 + 26, 2)]


def mot_frames(folder):
    """Frame by frame: ``(n, 4)`` boxes and their confidences."""
    table = np.loadtxt(folder / "det.txt", delimiter=",")
    for number in range(1, int(table[:, 0].max()) + 1):
        rows = table[table[:, 0] == number]
        yield number, np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1), rows[:, 6]


@pytest.mark.parametrize(
    ("sequence", "greedy", "bytetrack"),
    [
        ("TUD-Campus", (0.549, 0.556), (0.5794, 0.6031)),
        ("TUD-Stadtmitte", (0.704, 0.755), (0.7059, 0.7604)),
    ],
)
def test_real_people(data, measured, sequence, greedy, bytetrack):
    """Public detections, 25 frames per second. ``bytetrack``: ByteTrackTracker of trackers 2.6.1 on the same boxes
    (bench/tracking.py measures it again)."""
    folder = data / "tracking" / "MOT15" / sequence
    tracks, tracked = Tracks.none(), {}
    for number, boxes, confidence in mot_frames(folder):
        done = step(tracks, found(boxes, confidence), rules(), round(number / 25 * S))
        tracks, rows = done.tracks, done.number > 0
        tracked[number] = TrackedBoxes(done.number[rows], boxes[rows])
    score = score_tracks(read_mot((folder / "gt.txt").read_text(), minimum_confidence=0), tracked)
    measured(f"{sequence}: MOTA", score.mota, f"> {greedy[0]}, >= {bytetrack[0]}")
    measured(f"{sequence}: IDF1", score.idf1, f"> {greedy[1]}, >= {bytetrack[1]}")
    assert score.mota > greedy[0]
    assert score.idf1 > greedy[1]
    assert round(score.mota, 4) >= bytetrack[0]
    assert round(score.idf1, 4) >= bytetrack[1]

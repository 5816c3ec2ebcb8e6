"""CLEAR MOT and IDF1: cases by hand, and published numbers of published tracks."""

import numpy as np
import pytest

from vedette_tracking.metrics import TrackedBoxes, read_mot, score_tracks


def frames(*rows):
    """Each row: ``{id: left}`` of boxes 10 x 10."""
    return {
        number: TrackedBoxes(
            np.array(list(row), np.int64),
            np.array([[x, 0, x + 10, 10] for x in row.values()], float).reshape(-1, 4),
        )
        for number, row in enumerate(rows, start=1)
    }


@pytest.mark.parametrize(
    ("sequence", "mota", "idf1", "misses", "false_positives", "switches"),
    [
        ("TUD-Campus", 0.5265, 0.5577, 150, 13, 7),
        ("TUD-Stadtmitte", 0.5640, 0.6446, 452, 45, 7),
    ],
)
def test_published_tracks_have_their_published_score(
    data, sequence, mota, idf1, misses, false_positives, switches
):
    folder = data / "tracking" / "MOT15" / sequence
    truth = read_mot((folder / "gt.txt").read_text(), minimum_confidence=0)
    found = read_mot((folder / "reference_tracker_output.txt").read_text())
    score = score_tracks(truth, found)
    assert (round(score.mota, 4), round(score.idf1, 4)) == (mota, idf1)
    assert (score.misses, score.false_positives, score.switches) == (misses, false_positives, switches)


def test_perfect_tracks():
    truth = frames({1: 0, 2: 50}, {1: 1, 2: 49})
    found = frames({8: 0, 9: 50}, {8: 1, 9: 49})
    score = score_tracks(truth, found)
    assert (score.mota, score.idf1, score.switches) == (1.0, 1.0, 0)


def test_a_switch_costs_once_in_mota_and_for_long_in_idf1():
    truth = frames(*[{1: 0}] * 10)
    score = score_tracks(truth, frames(*[{5: 0}] * 4, *[{6: 0}] * 6))
    assert score.switches == 1
    assert score.mota == 1 - 1 / 10
    assert score.idf1 == 2 * 6 / (10 + 10)


def test_a_switch_is_counted_against_the_latest_pair_however_long_ago():
    truth = frames(*[{1: 0}] * 5)
    score = score_tracks(truth, frames({5: 0}, {}, {}, {}, {6: 0}))
    assert (score.switches, score.misses) == (1, 3)


def test_a_pair_goes_on_where_another_overlaps_more():
    score = score_tracks(frames({1: 0}, {1: 3}), frames({5: 0}, {5: 0, 6: 3}))
    assert (score.switches, score.false_positives) == (0, 1)


def test_as_many_pairs_as_there_can_be():
    """Best overlap first would leave one of both without a partner."""
    score = score_tracks(frames({1: 0, 2: 3}), frames({5: 1, 6: 6}))
    assert score.matches == 2


def test_two_objects_had_the_same_partner():
    score = score_tracks(frames({1: 0}, {2: 0}, {1: 0, 2: 1}), frames(*[{5: 0}] * 3))
    assert (score.matches, score.misses, score.switches) == (3, 1, 0)


def test_nothing_found_and_nothing_there():
    assert score_tracks(frames({1: 0}), {}).mota == 0
    assert score_tracks(frames({1: 0}), {}).idf1 == 0
    assert score_tracks(frames({1: 0}), frames({5: 0, 6: 90, 7: 200})).mota == -1
    with pytest.raises(ValueError, match="nothing to compare with"):
        score_tracks({}, frames({1: 0}))

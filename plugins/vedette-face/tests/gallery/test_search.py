"""Search against an oracle that is written down as it is thought."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette_face.gallery.search import People


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def crowd(people, seed, dimension=8, most=4):
    rng = np.random.default_rng(seed)
    return {
        f"p{number:03}": unit(rng.normal(size=(rng.integers(1, most + 1), dimension)))
        for number in range(people)
    }


@settings(max_examples=40, deadline=None)
@given(people=st.integers(1, 20), faces=st.integers(0, 70), k=st.integers(1, 5), seed=st.integers(0, 999))
def test_the_nearest_people_are_those_of_the_oracle(people, faces, k, seed):
    templates = crowd(people, seed)
    found = People.of(templates)
    probes = unit(np.random.default_rng(seed + 1).normal(size=(faces, 8)))
    who, score = found.top(probes, k)
    for row, probe in enumerate(probes):
        best = sorted(
            ((float((rows @ probe).max()), name) for name, rows in templates.items()), reverse=True
        )[:k]
        np.testing.assert_allclose(score[row], [value for value, _ in best], atol=1e-6)
        assert [found.names[at] for at in who[row]] == [name for _, name in best]
    assert who.shape == (faces, min(k, people))


def test_known_unknown_and_margin():
    found = People.of({"a": np.eye(3, dtype=np.float32)[:1], "b": unit(np.array([[1, 1, 0], [0, 1, 0]]))})
    probes = unit(np.array([[1, 0, 0], [0, 0, 1], [0.9, 0.1, 0]]))
    matches = found.search(probes, threshold=0.5)
    assert matches.name == ("a", None, "a")
    assert matches.nearest[2] == "a"
    np.testing.assert_array_equal(matches.known, [True, False, True])
    np.testing.assert_allclose(matches.margin[0], 1 - np.sqrt(0.5), atol=1e-6)
    assert found.search(probes, threshold=0.5, margin=0.25).name == ("a", None, None)


def test_the_margin_is_to_another_person_not_to_another_template():
    same = unit(np.array([[1, 0, 0], [1, 0.01, 0]]))
    found = People.of({"a": same, "b": unit(np.array([[0, 1, 0]]))})
    np.testing.assert_allclose(found.search(same[:1], 0.5).margin, [1], atol=1e-6)


def test_a_score_at_the_threshold_is_not_above_it():
    found = People.of({"a": np.eye(2, dtype=np.float32)[:1]})
    assert found.search(np.eye(2, dtype=np.float32)[:1], threshold=1.0).name == (None,)


def test_nobody_and_one_person():
    nobody = People.of({}, dimension=3)
    matches = nobody.search(np.eye(3, dtype=np.float32), threshold=-2)
    assert matches.name == matches.nearest == (None, None, None)
    np.testing.assert_array_equal(matches.score, -1)
    assert not matches.known.any()
    one = People.of({"a": np.eye(3, dtype=np.float32)[:1]})
    np.testing.assert_allclose(one.search(np.eye(3, dtype=np.float32)[:1], 0.5).margin, [2])
    assert one.search(np.empty((0, 3), np.float32), 0.5).name == ()


@pytest.mark.parametrize("people", [1, 3, 40])
def test_scores_by_person(people):
    templates = crowd(people, 5)
    probes = unit(np.random.default_rng(0).normal(size=(9, 8)))
    expected = np.stack([(probes @ rows.T).max(axis=1) for rows in templates.values()], axis=1)
    np.testing.assert_allclose(People.of(templates).person_scores(probes), expected, atol=1e-6)

"""Thresholds on faces whose distribution is known."""

import numpy as np
import pytest

from vedette_face.gallery import Gallery, GalleryError, MasterKey
from vedette_face.gallery.calibration import (
    NOBODY,
    calibrate,
    impostor_scores,
    open_set_trial,
    threshold_at,
    wilson_interval,
)
from vedette_face.gallery.search import People

KEY = MasterKey(bytes(32))
MODEL = "ab" * 32


def directions(rng, n, dimension=32):
    rows = rng.normal(size=(n, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def persons(rng, people, pictures, spread=0.1, dimension=32):
    """Pictures around a direction of each person: ``(people * pictures, d)`` and whose each is."""
    middle = np.repeat(directions(rng, people, dimension), pictures, axis=0)
    rows = middle + spread * rng.normal(size=middle.shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), np.repeat(
        np.arange(people), pictures
    )


def crowd(rng, size):
    return People.of({f"{at:04}": row[None] for at, row in enumerate(directions(rng, size))})


def test_wilson_interval_of_textbooks():
    np.testing.assert_allclose(wilson_interval(0, 10), (0.0, 0.2775), atol=1e-4)
    np.testing.assert_allclose(
        wilson_interval(15, 148), (0.0624, 0.1605), atol=1e-4
    )  # Newcombe 1998, table I
    np.testing.assert_allclose(wilson_interval(81, 263), (0.2553, 0.3662), atol=1e-4)
    assert wilson_interval(0, 0) == (0, 1)


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(1)
    low, high = zip(*(wilson_interval(k, 300) for k in range(301)), strict=True)
    hits = rng.binomial(300, 0.02, 4000)
    covered = np.mean([(low[k] <= 0.02 <= high[k]) for k in hits])
    assert 0.93 < covered < 0.98


def test_the_threshold_is_an_order_statistic():
    scores = np.arange(99, dtype=np.float32)[::-1]
    assert threshold_at(scores, 99, 0.01).value == 98
    assert threshold_at(scores, 99, 0.05).value == 94
    assert threshold_at(scores, 99, 0.05).accepted == 4


def test_the_rate_holds_on_average_for_the_next_impostor():
    rng = np.random.default_rng(2)
    exceeded = []
    for _ in range(3000):
        sample = rng.gumbel(size=200)
        exceeded.append(
            1 - np.exp(-np.exp(-threshold_at(np.sort(sample)[::-1].astype(np.float32), 200, 0.02).value))
        )
    assert np.mean(exceeded) == pytest.approx(4 / 201, abs=0.001)


def test_too_few_impostors_say_nothing_about_a_low_rate():
    with pytest.raises(
        GalleryError, match=r"98 faces of impostors are too few for a rate of 0.01: it takes 99"
    ):
        threshold_at(np.zeros(98, np.float32), 98, 0.01)


@pytest.mark.parametrize("rate", [0.0, 1.0, 1.5, -0.1, float("nan")])
def test_what_is_no_rate_is_refused(gallery, rate):
    for rates in ((rate, 0.1), (0.1, rate)):
        with pytest.raises(GalleryError, match="between 0 and 1"):
            gallery.calibrate(*rates)


def test_one_person_alone_has_nobody_to_be_taken_for(gallery):
    gallery.enrol("a", np.eye(32)[:3], model=MODEL)
    with pytest.raises(GalleryError, match="0 faces of impostors are too few"):
        gallery.calibrate(0.3, 0.3)


def test_own_person_is_left_out():
    rng = np.random.default_rng(3)
    people = crowd(rng, 5)
    found = impostor_scores(people.templates, np.arange(5), people, top_share=1.0)
    everything = people.templates @ people.templates.T
    others = everything[~np.eye(5, dtype=bool)].reshape(5, 4)
    np.testing.assert_allclose(found.best, others.max(axis=1), atol=1e-6)
    np.testing.assert_allclose(found.pairs, np.sort(others.ravel())[::-1], atol=1e-6)
    assert found.pair_count == 20


def test_only_the_greatest_pairs_are_kept_and_they_are_right():
    rng = np.random.default_rng(4)
    people, probes = crowd(rng, 40), directions(rng, 700)
    found = impostor_scores(probes, np.full(700, NOBODY), people, top_share=0.01)
    expected = np.sort((probes @ people.templates.T).ravel())[::-1][: len(found.pairs)]
    np.testing.assert_allclose(found.pairs, expected, atol=1e-6)
    assert found.pair_count == 28_000
    assert len(found.pairs) == 281


@pytest.mark.parametrize("size", [10, 300])
def test_strangers_are_taken_for_somebody_as_often_as_was_said(size):
    rng = np.random.default_rng(size)
    people = crowd(rng, size)
    found = calibrate(
        directions(rng, 4000),
        np.full(4000, NOBODY),
        people,
        identify_rate=0.02,
        verify_rate=0.001,
        source="probes",
    )
    fresh = directions(rng, 8000)
    assert people.search(fresh, found.identify.value).known.mean() == pytest.approx(0.02, abs=0.008)
    pairs = fresh @ people.templates.T
    assert (pairs > found.verify.value).mean() == pytest.approx(0.001, abs=0.0008)


def test_the_best_of_more_people_is_greater():
    rng = np.random.default_rng(6)
    probes, nobody = directions(rng, 2000), np.full(2000, NOBODY)
    values = [
        calibrate(probes, nobody, crowd(rng, n), identify_rate=0.05, verify_rate=0.05, source="probes")
        for n in (5, 50, 500)
    ]
    identify = [found.identify.value for found in values]
    assert identify == sorted(identify)
    assert identify[2] - identify[0] > 0.1
    assert (
        np.ptp([found.verify.value for found in values]) < 0.05
    )  # one pair does not know how many others there are


def test_enrolled_people_stand_in_for_strangers():
    """Each meets one person less; the rate is corrected for it. Without the correction it would be twice as high."""
    rng = np.random.default_rng(7)
    measured = []
    for _ in range(30):
        people = crowd(rng, 2)
        probes = directions(rng, 1000)
        found = calibrate(
            probes,
            rng.integers(0, 2, 1000),
            people,
            identify_rate=0.05,
            verify_rate=0.05,
            source="gallery",
        )
        measured.append(people.search(directions(rng, 1000), found.identify.value).known.mean())
    assert np.mean(measured) == pytest.approx(0.05, abs=0.01)


def test_a_trial_with_unknown_people():
    rng = np.random.default_rng(8)
    embeddings, person = persons(rng, people=60, pictures=8, dimension=64)
    trial = open_set_trial(embeddings, person, folds=3, rate=0.02)
    assert trial.impostors == 60 * 8
    assert trial.genuine == 3 * 40 * 7
    assert trial.false_rate < 0.06
    assert trial.false_low < trial.false_rate < trial.false_high or trial.false_identified == 0
    assert trial.true_rate > 0.97
    assert trial.rank_1 > 0.99


# --- in a gallery ---------------------------------------------------------------------------------------------------


@pytest.fixture
def gallery(tmp_path):
    return Gallery.create(tmp_path / "g", KEY, model=MODEL, dimension=32)


def test_without_calibration_nobody_decides(gallery):
    rng = np.random.default_rng(9)
    gallery.enrol("a", directions(rng, 1), model=MODEL)
    with pytest.raises(GalleryError, match="not calibrated"):
        gallery.search(directions(rng, 1))
    with pytest.raises(GalleryError, match="not calibrated"):
        gallery.verify("a", directions(rng, 1))
    assert gallery.enrol("b", directions(rng, 1), model=MODEL).alike is None


def test_the_threshold_grows_with_the_gallery_and_is_kept(gallery):
    rng = np.random.default_rng(10)
    for at in range(3):
        gallery.enrol(f"p{at}", directions(rng, 1), model=MODEL)
    strangers = directions(rng, 200)
    before = gallery.calibrate(0.05, 0.01, [(None, strangers)], model=MODEL)
    for at in range(3, 12):
        gallery.enrol(f"p{at}", directions(rng, 1), model=MODEL)
    after = Gallery.open(gallery.path, KEY).calibration
    assert after.people == 12
    assert after.identify.value > before.identify.value
    assert gallery.search(strangers).known.mean() <= 0.05
    gallery.forget("p7")
    assert gallery.calibration.people == 11


def test_people_who_are_too_alike_are_told(gallery, caplog):
    rng = np.random.default_rng(11)
    one = directions(rng, 1)
    gallery.enrol("a", one, model=MODEL)
    gallery.enrol("b", directions(rng, 1), model=MODEL)
    gallery.calibrate(0.05, 0.01, [(None, directions(rng, 200))], model=MODEL)
    assert not gallery.enrol("c", directions(rng, 1), model=MODEL).alike
    twin = gallery.enrol("twin", one + 0.01, model=MODEL)
    assert twin.alike
    assert twin.nearest == "a"
    assert "too alike" in caplog.text


def test_verify(gallery):
    rng = np.random.default_rng(12)
    one, two = directions(rng, 1), directions(rng, 1)
    gallery.enrol("a", one, model=MODEL)
    gallery.enrol("b", two, model=MODEL)
    gallery.calibrate(0.05, 0.01, [(None, directions(rng, 200))], model=MODEL)
    assert gallery.verify("a", np.concatenate([one, two])).same.tolist() == [True, False]
    with pytest.raises(GalleryError, match="'c' is not enrolled"):
        gallery.verify("c", one)


def test_a_gallery_that_became_too_small_says_so(gallery, caplog):
    rng = np.random.default_rng(13)
    for at in range(5):
        gallery.enrol(f"p{at}", directions(rng, 4), model=MODEL)
    gallery.calibrate(0.06, 0.06)
    gallery.forget("p0")
    assert gallery.calibration is None
    assert "no longer calibrated" in caplog.text


def test_probes_of_another_model_are_refused(gallery):
    with pytest.raises(GalleryError, match="another embedding model"):
        gallery.calibrate(0.1, 0.1, [(None, np.ones((3, 32)))], model="cd" * 32)

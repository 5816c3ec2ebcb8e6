"""Figures of classifiers, worked out by hand and held against torchmetrics and scipy."""

import msgspec
import numpy as np
import pytest

from vedette_torch.data.errors import DataError
from vedette_torch.metrics.classification import classification_figures
from vedette_torch.metrics.figure import Figure, Resampling, proportion

FEW = Resampling(count=50)


def answers(n, classes, k, seed=0, skill=2.0):
    """Random truth and the k best of a classifier of some skill."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, n).astype(np.int32)
    logits = random.normal(size=(n, classes))
    logits[np.arange(n), truth] += skill
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    said = np.argsort(-probability, axis=1)[:, :k].astype(np.int32)
    return truth, said, np.take_along_axis(probability, said, axis=1).astype(np.float32), probability


def test_by_hand():
    truth = np.array([0, 0, 0, 1, 1, 2], np.int32)
    said = np.array([[0, 1], [0, 1], [1, 0], [1, 2], [0, 2], [1, 0]], np.int32)
    confidence = np.array([[0.9, 0.1]] * 6, np.float32)
    found = classification_figures(truth, said, confidence, "abcd", FEW)
    assert found.accuracy.value == 3 / 6
    assert {k: figure.value for k, figure in found.top_k.items()} == {2: 4 / 6}
    assert found.confusion == ((2, 1, 0), (1, 1, 0), (0, 1, 0))
    a, b, c = found.per_class  # nothing is d, and nothing was called so
    assert (a.label, a.precision.value, a.recall.value, a.f1.value) == (
        "a",
        2 / 3,
        2 / 3,
        pytest.approx(2 / 3),
    )
    assert (b.precision.value, b.recall.value, b.f1.value) == (1 / 3, 1 / 2, pytest.approx(0.4))
    assert (c.precision, c.recall.value, c.f1.value) == (Figure(value=None, n=0), 0.0, 0.0)
    assert found.macro_f1.value == pytest.approx((2 / 3 + 0.4 + 0) / 3)
    assert found.calibration_error.value == pytest.approx(0.4)  # sure to 0.9, right in half of the cases


def test_as_torchmetrics():
    torch = pytest.importorskip("torch", reason="needs torch")
    functional = pytest.importorskip("torchmetrics.functional.classification", reason="needs torchmetrics")
    truth, said, confidence, probability = answers(2000, 7, 7)
    found = classification_figures(truth, said, confidence, "abcdefg", FEW)
    t, p = torch.tensor(truth, dtype=torch.long), torch.tensor(probability)
    of = {"num_classes": 7}

    def each(name, **options):
        return getattr(functional, f"multiclass_{name}")(p, t, **of, **options).tolist()

    assert found.accuracy.value == pytest.approx(each("accuracy", average="micro"))
    for k, figure in found.top_k.items():
        assert figure.value == pytest.approx(each("accuracy", average="micro", top_k=k)), k
    assert list(found.top_k) == [2, 3, 5]
    for name, figures in (
        ("precision", [c.precision for c in found.per_class]),
        ("recall", [c.recall for c in found.per_class]),
        ("f1_score", [c.f1 for c in found.per_class]),
    ):
        assert [figure.value for figure in figures] == pytest.approx(each(name, average="none")), name
    assert found.macro_f1.value == pytest.approx(each("f1_score", average="macro"))
    assert [list(row) for row in found.confusion] == each("confusion_matrix")
    assert found.calibration_error.value == pytest.approx(each("calibration_error", n_bins=15), abs=1e-6)


def test_intervals_hold_what_they_promise():
    """Of 200 data sets from one classifier, about 95 % of the intervals hold its true accuracy and F1."""
    truth, said, confidence, _ = answers(100_000, 3, 1, seed=1)
    whole = classification_figures(truth, said, confidence, "abc", Resampling(count=1))
    held = np.zeros(2)
    for start in range(0, 40_000, 200):
        rows = slice(start, start + 200)
        part = classification_figures(truth[rows], said[rows], confidence[rows], "abc", Resampling(count=200))
        for at, pick in enumerate((lambda f: f.accuracy, lambda f: f.macro_f1)):
            low, high = pick(part).interval
            held[at] += low <= pick(whole).value <= high
    assert (held / 200 > 0.9).all()
    assert (held / 200 < 0.995).all()


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 10, 0.0, 0.27753), (10, 10, 0.72247, 1.0), (81, 263, 0.25531, 0.36618), (1, 1, 0.20654, 1.0)],
)
def test_wilson(hits, n, low, high):
    """The third is the example of Newcombe 1998 (Statistics in Medicine 17, 857)."""
    figure = proportion(hits, n)
    assert figure.interval == pytest.approx((low, high), abs=1e-4)
    assert (figure.value, figure.n, figure.method) == (hits / n, n, "Wilson")


def test_nothing_of_nothing():
    assert proportion(0, 0) == Figure(value=None, n=0)
    assert str(proportion(0, 0)) == "-"


def test_draws_are_the_same_in_any_blocks():
    one, other = (np.concatenate(Resampling(count=30, seed=3).weights(17, most)) for most in (30, 7))
    assert (one == other).all()
    assert (one.sum(axis=1) == 17).all()
    assert (one != np.concatenate(Resampling(count=30, seed=4).weights(17, 30))).any()


def test_becomes_json():
    truth, said, confidence, _ = answers(20, 3, 1)
    found = classification_figures(truth, said, confidence, "abc", FEW)
    plain = msgspec.json.decode(msgspec.json.encode(found))
    assert plain["accuracy"]["n"] == 20
    assert plain["accuracy"]["interval"] == pytest.approx(list(found.accuracy.interval))


def test_bad_input():
    truth, said, confidence, _ = answers(20, 3, 1)
    with pytest.raises(DataError, match="class 2 has no label: there are 2"):
        classification_figures(truth, said, confidence, "ab")
    with pytest.raises(DataError, match="no picture"):
        classification_figures(truth[:0], said[:0], confidence[:0], "abc")

"""The decoder ``clip-scores``."""

import numpy as np
import pytest

from vedette.errors import ResultError
from vedette_rnn.decoders.clip_scores import SPEC, Params

LABELS = ("walk", "fight", "fall")


def decode(scores, labels=LABELS, **params):
    outputs = scores if isinstance(scores, dict) else {"y": np.asarray(scores, np.float32)}
    n = len(next(iter(outputs.values())))
    return SPEC.build(labels)(outputs, np.zeros((n, 2, 3)), (640, 480), Params(**params))


def test_classes_that_exclude_each_other_are_ranked_per_window():
    found = decode([[0, 2, 1], [3, 0, 0]], activation="softmax", top_k=2)
    assert found.class_id.tolist() == [[1, 2], [0, 1]]
    assert found.confidence[0, 0] == pytest.approx(np.exp(2) / (1 + np.exp(1) + np.exp(2)))
    assert found.source_row.tolist() == [0, 1]
    assert found.labels == LABELS


def test_labels_by_themselves_may_all_be_high():
    found = decode([[200, 2, -200]], activation="sigmoid")
    assert found.class_id.tolist() == [[0, 1, 2]]
    np.testing.assert_allclose(found.confidence, [[1, 1 / (1 + np.exp(-2)), 0]], rtol=1e-6)


def test_the_output_of_several_is_named():
    outputs = {"h": np.zeros((1, 8), np.float32), "y": np.array([[0.1, 0.7, 0.2]], np.float32)}
    assert decode(outputs, activation="none", output="y").class_id[0, 0] == 1
    with pytest.raises(ResultError, match=r"several outputs(.|\n)*parameter output to one of: h, y"):
        decode(outputs, activation="none")


@pytest.mark.parametrize(
    ("scores", "params", "message"),
    [
        ([[0, np.nan, 1]], {"activation": "softmax"}, "'y' holds NaN"),
        ([[0, np.inf, 1]], {"activation": "sigmoid"}, "NaN or infinity"),
        ([[0, 4, 1]], {"activation": "none"}, "no probabilities"),
        ([[0, 1]], {"activation": "none"}, "2 classes, but the bundle has 3 labels"),
        ([[[0, 1, 0]]], {"activation": "none"}, r"must be \(1, classes\)"),
        ([[0, 0, 1]], {"activation": "none", "output": "z"}, "no output 'z'"),
    ],
)
def test_what_is_no_answer_is_refused(scores, params, message):
    with pytest.raises(ResultError, match=message):
        decode(scores, **params)

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import ResultError
from vedette_cnn.decoders import classification

LOGITS = np.array([[1.0, 3.0, 2.0, -1.0], [0.0, -5.0, 0.5, 4.0]], np.float32)


def decode(output, labels=(), **params):
    params = msgspec.convert({"activation": "softmax", **params}, classification.Params)
    outputs = output if isinstance(output, dict) else {"logits": np.asarray(output)}
    n = len(next(iter(outputs.values())))
    affines = np.array([[[1.0, 0, 0], [0, 1, 0]]] * n).reshape(-1, 2, 3)
    return classification.SPEC.build(labels)(outputs, affines, (640, 480), params)


def test_the_best_classes_come_first_with_their_softmax():
    found = decode(LOGITS, top_k=2, labels=("a", "b", "c", "d"))

    assert found.class_id.tolist() == [[1, 2], [3, 2]]
    assert found.source_row.tolist() == [0, 1]
    assert found.labels == ("a", "b", "c", "d")
    power = np.exp(LOGITS.astype(float))
    want = power / power.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.confidence, [want[0, [1, 2]], want[1, [3, 2]]], rtol=1e-6)


def test_sigmoid_takes_each_class_by_itself():
    found = decode(LOGITS, activation="sigmoid")
    np.testing.assert_allclose(found.confidence[0, 0], 1 / (1 + np.exp(-3.0)), rtol=1e-6)
    np.testing.assert_allclose(found.confidence[0, 3], 1 / (1 + np.exp(1.0)), rtol=1e-6)


def test_probabilities_stay_as_they_are():
    assert decode([[0.25, 0.5, 0.125]], activation="none").confidence.tolist() == [[0.5, 0.25, 0.125]]


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 50), st.sampled_from(["softmax", "sigmoid"])
)
def test_top_k_is_the_head_of_the_full_order(seed, classes, top_k, activation):
    score = np.random.default_rng(seed).normal(0, 30, (3, classes)).astype(np.float32)
    found = decode(score, activation=activation, top_k=top_k)
    everything = decode(score, activation=activation, top_k=classes)

    k = min(top_k, classes)
    assert found.class_id.shape == (3, k)
    np.testing.assert_array_equal(found.class_id, everything.class_id[:, :k])
    assert (np.diff(everything.confidence, axis=1) <= 0).all()
    if activation == "softmax":
        np.testing.assert_allclose(everything.confidence.sum(axis=1), 1, rtol=1e-5)


def test_large_scores_do_not_overflow():
    assert decode([[1000.0, 999.0]]).confidence[0, 0] == pytest.approx(1 / (1 + np.exp(-1)), rel=1e-6)
    assert decode([[1000.0, -1000.0]], activation="sigmoid").confidence.tolist() == [[1, 0]]


def test_equal_scores_keep_the_order_of_the_classes():
    score = np.tile(np.float32([0.25, 0.5]), (1, 100))
    assert decode(score, activation="none", top_k=100).class_id.tolist() == [list(range(1, 200, 2))]


def test_the_background_is_left_out_after_the_activation():
    labels = ("cat", "dog")
    found = decode([[4.0, 1.0, 2.0]], labels=labels, first_class=1)

    assert [found.labels[i] for i in found.class_id[0]] == ["dog", "cat"]
    power = np.exp([4.0, 1.0, 2.0])
    np.testing.assert_allclose(found.confidence, [power[[2, 1]] / power.sum()], rtol=1e-6)


def test_integers_are_dequantised():
    raw = np.array([[10, 138, 74]], np.uint8)
    found = decode(raw, activation="none", scale=1 / 256, zero_point=10)
    assert found.confidence.tolist() == [[0.5, 0.25, 0.0]]


@pytest.mark.parametrize(("dtype", "params"), [(np.uint8, {}), (np.float32, {"scale": 0.5}), (bool, {})])
def test_scale_goes_with_integers_only(dtype, params):
    with pytest.raises(ResultError, match=r"scale(.|\n)*integer"):
        decode(np.zeros((1, 3), dtype), **params)


def test_trailing_axes_of_length_one_are_dropped():
    assert decode(LOGITS[:, :, None, None]).class_id[0, 0] == 1


@pytest.mark.parametrize("shape", [(4,), (2, 4, 2), (2, 4, 1, 7)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ResultError, match=r"must be \(\d, classes\)"):
        decode(np.zeros(shape, np.float32))


def test_the_number_of_rows_must_be_right():
    params = classification.Params(activation="softmax")
    with pytest.raises(ResultError, match=r"must be \(1, classes\), not \(2, 4\)"):
        classification.decode({"y": LOGITS}, np.zeros((1, 2, 3)), (4, 4), params)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "none"])
@pytest.mark.parametrize("where", [np.s_[0, 2], np.s_[...]])
def test_nan_is_refused(activation, where):
    score = np.full((2, 4), 0.5, np.float32)
    score[where] = np.nan
    with pytest.raises(ResultError, match=r"classification.*NaN"):
        decode(score, activation=activation)


def test_infinity_is_refused_by_softmax():
    with pytest.raises(ResultError, match="NaN"):
        decode([[np.inf, 1.0]])


@pytest.mark.parametrize("score", [[[-2.0, 0.5]], [[3.0, 0.5]]])
def test_logits_are_not_taken_for_probabilities(score):
    with pytest.raises(ResultError, match=r"not probabilities(.|\n)*activation"):
        decode(np.array(score, np.float32), activation="none")


def test_labels_must_fit_the_classes():
    with pytest.raises(ResultError, match="4 classes, but the bundle has 3 labels"):
        decode(LOGITS, labels=("a", "b", "c"))


def test_an_output_without_classes_is_refused():
    with pytest.raises(ResultError, match="no room for a class"):
        decode(LOGITS, first_class=4)


def test_no_image_in_the_batch_gives_no_rows():
    assert decode(np.zeros((0, 4), np.float32)).class_id.shape == (0, 4)


def test_the_result_owns_its_arrays_and_the_output_is_not_changed():
    score = np.array([[0.25, 0.5]], np.float32)
    score.flags.writeable = False
    found = decode(score, activation="none")
    assert found.confidence.base is None
    assert found.class_id.base is None
    assert score.tolist() == [[0.25, 0.5]]


def test_the_activation_has_to_be_given():
    with pytest.raises(msgspec.ValidationError, match="activation"):
        msgspec.convert({}, classification.Params)


@pytest.mark.parametrize(
    ("field", "value"), [("top_k", 0), ("first_class", -1), ("scale", 0), ("activation", "relu"), ("topk", 3)]
)
def test_bad_parameters_are_refused_by_name(field, value):
    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.convert({"activation": "none", field: value}, classification.Params)

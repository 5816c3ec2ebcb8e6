"""The decoders ``movenet`` and ``landmarks``."""

import msgspec
import numpy as np
import pytest

from vedette.errors import ResultError
from vedette.specs import ModelFacts, TensorInfo
from vedette_cnn.decoders import landmarks, movenet

INPUT_WH = (200, 100)
AFFINES = np.array([[[2.0, 0, 0], [0, 2, 0]], [[1.0, 0, 30], [0, 3, 7]]])


def decode(module, output, labels=(), affines=AFFINES, **params):
    params = msgspec.convert({"input_wh": INPUT_WH, **params}, module.SPEC.params)
    return module.SPEC.build(labels)({"y": np.asarray(output, np.float32)}, affines, (640, 480), params)


def pose(seed, people=1):
    return np.random.default_rng(seed).uniform(0.05, 0.95, (people, 17, 3)).astype(np.float32)


def several(*people):
    """One image: points, confidences, a box, and the score."""
    rows = [np.concatenate([points.ravel(), [0.1, 0.1, 0.9, 0.9, score]]) for points, score in people]
    return np.array([rows], np.float32)


def test_one_person_per_image_in_pixels_of_the_frame():
    yxc = np.stack([pose(1), pose(2)])
    found = decode(movenet, yxc)
    assert found.points.shape == (2, 17, 2)
    assert found.source_row.tolist() == [0, 1]
    np.testing.assert_array_equal(found.confidence, yxc[:, 0, :, 2])
    np.testing.assert_allclose(found.points[0], yxc[0, 0, :, 1::-1] * (400, 200), rtol=1e-5)
    np.testing.assert_allclose(found.points[1], yxc[1, 0, :, 1::-1] * (200, 300) + (30, 7), rtol=1e-5)


def test_points_have_the_names_of_coco():
    found = decode(movenet, np.stack([pose(1), pose(2)]))
    assert len(found.labels) == 17
    assert (found.labels[0], found.labels[9], found.labels[16]) == ("nose", "left wrist", "right ankle")
    names = tuple(f"point {i}" for i in range(17))
    assert decode(movenet, np.stack([pose(1), pose(2)]), labels=names).labels == names
    with pytest.raises(ResultError, match="17 points, but the bundle has 2 labels"):
        decode(movenet, np.stack([pose(1), pose(2)]), labels=("a", "b"))


def test_several_people_come_the_surest_first_and_only_the_sure_ones():
    (a,), (b,), (c,) = pose(1), pose(2), pose(3)
    table = several((a, 0.4), (b, 0.1), (c, 0.8))
    found = decode(movenet, np.concatenate([table, table[:, ::-1]]))
    assert found.source_row.tolist() == [0, 0, 1, 1]
    np.testing.assert_allclose(found.points[0], c[:, 1::-1] * (400, 200), rtol=1e-5)
    np.testing.assert_allclose(found.points[1], a[:, 1::-1] * (400, 200), rtol=1e-5)
    np.testing.assert_allclose(found.points[3], a[:, 1::-1] * (200, 300) + (30, 7), rtol=1e-5)
    assert len(decode(movenet, np.concatenate([table, table]), confidence_threshold=0.9)) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_points_that_are_not_finite_are_refused(value):
    yxc = np.stack([pose(1), pose(2)])
    yxc[1, 0, 4, 0] = value
    with pytest.raises(ResultError, match="not finite"):
        decode(movenet, yxc)


def test_a_score_of_nan_is_not_nobody():
    table = several((pose(1)[0], np.nan))
    with pytest.raises(ResultError, match="score of a person holds NaN"):
        decode(movenet, table, affines=AFFINES[:1])


@pytest.mark.parametrize("value", [-0.2, 1.2])
def test_confidences_that_are_none_are_refused(value):
    yxc = np.stack([pose(1), pose(2)])
    yxc[0, 0, 0, 2] = value
    with pytest.raises(ResultError, match=r"beyond 0\.\.1"):
        decode(movenet, yxc)


@pytest.mark.parametrize("shape", [(2, 1, 16, 3), (2, 17, 3), (1, 1, 17, 3), (2, 6, 51)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ResultError, match="must be"):
        decode(movenet, np.zeros(shape))


@pytest.mark.parametrize("trailing", [(), (1, 1)])
def test_landmarks_are_pairs_relative_to_the_input(trailing):
    xy = np.random.default_rng(1).uniform(0, 1, (2, 5, 2)).astype(np.float32)
    found = decode(landmarks, xy.reshape(2, 10, *trailing))
    np.testing.assert_allclose(found.points[0], xy[0] * (400, 200), rtol=1e-5)
    np.testing.assert_allclose(found.points[1], xy[1] * (200, 300) + (30, 7), rtol=1e-5)
    assert (found.confidence == 1).all()
    assert found.labels[2] == "nose"


def test_landmarks_of_another_number_have_no_names():
    assert decode(landmarks, np.zeros((2, 70))).labels == ()
    assert decode(landmarks, np.zeros((2, 4)), labels=("tip", "base")).labels == ("tip", "base")


@pytest.mark.parametrize("shape", [(2, 5), (2, 0), (3, 10), (2, 10, 2), (2,)])
def test_landmarks_of_other_shapes_are_refused(shape):
    with pytest.raises(ResultError, match="points"):
        decode(landmarks, np.zeros(shape))


def test_landmarks_that_are_not_finite_are_refused():
    with pytest.raises(ResultError, match="not finite"):
        decode(landmarks, np.full((2, 10), np.nan))


@pytest.mark.parametrize(
    ("shape", "known"),
    [
        ((1, 1, 17, 3), {"movenet"}),
        ((1, 6, 56), {"movenet"}),
        ((1, 10, 1, 1), {"landmarks"}),
        ((1, 10), set()),  # ten classes, rather
        ((1, 70), {"landmarks"}),
        ((1, 1000), set()),
        ((1, 4, 4, 4), set()),
    ],
)
def test_models_that_are_known_by_sight(shape, known):
    facts = ModelFacts(
        format="tflite",
        inputs={"x": TensorInfo(name="x", dtype="uint8", shape=(1, 192, 192, 3))},
        outputs={"y": TensorInfo(name="y", dtype="float32", shape=shape)},
    )
    found = {module.SPEC.name for module in (movenet, landmarks) if list(module.recognise(facts))}
    assert found == known

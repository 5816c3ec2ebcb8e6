import encoded
import msgspec
import numpy as np
import pytest
from encoded import Box

from vedette.errors import ResultError
from vedette_cnn.decoders import yunet

INPUT_WH = (320, 160)
POINTS = ((50.0, 55.0), (80.0, 56.0), (65.0, 70.0), (52.0, 85.0), (79.0, 86.0))
FACES = [
    Box((40, 40, 90, 100), 0.9, points=POINTS),
    Box((150, 20, 200, 80), 0.8, points=tuple((x + 110, y - 20) for x, y in POINTS)),
    Box((210, 10, 310, 150), 0.7, points=tuple((x + 190, y) for x, y in POINTS)),
]


def decode(outputs, affines=(((1.0, 0, 0), (0, 1, 0)),), size_wh=INPUT_WH, **params):
    params = msgspec.convert({"input_wh": INPUT_WH, **params}, yunet.Params)
    return yunet.SPEC.build(("face",))(outputs, np.array(affines), size_wh, params)


def test_boxes_and_landmarks_of_all_strides():
    found = decode(encoded.yunet([FACES], INPUT_WH))
    np.testing.assert_allclose(found.xyxy, [face.xyxy for face in FACES], rtol=1e-5)
    np.testing.assert_allclose(found.points, [face.points for face in FACES], rtol=1e-5)
    np.testing.assert_allclose(found.confidence, [0.9, 0.8, 0.7], rtol=1e-6)


def test_landmarks_follow_their_own_row():
    affines = (((2.0, 0, 0), (0, 2, 0)), ((1.0, 0, 30), (0, 3, 7)))
    found = decode(encoded.yunet([FACES[:1], FACES[:1]], INPUT_WH), affines, size_wh=(900, 900))
    np.testing.assert_allclose(found.points[0], np.array(POINTS) * 2, rtol=1e-5)
    np.testing.assert_allclose(found.points[1], np.array(POINTS) * (1, 3) + (30, 7), rtol=1e-5)


def test_landmarks_are_not_clipped():
    outside = Box((-20, 40, 30, 100), points=((-5.0, 50.0),) * 5)
    found = decode(encoded.yunet([[outside]], INPUT_WH))
    assert found.xyxy[0, 0] == 0
    np.testing.assert_allclose(found.points[0, 0], (-5, 50), rtol=1e-5)


def test_the_confidence_is_the_geometric_mean():
    outputs = encoded.yunet([[Box((40, 40, 90, 100))]], INPUT_WH)
    outputs["cls_8"][outputs["cls_8"] > 0.5] = 0.4
    outputs["obj_8"][outputs["obj_8"] > 0.5] = 0.9
    np.testing.assert_allclose(decode(outputs, confidence_threshold=0.5).confidence, [0.6], rtol=1e-6)


def test_no_face_keeps_the_shape_of_points():
    assert decode(encoded.yunet([[]], INPUT_WH)).points.shape == (0, 5, 2)


def test_a_missing_output_is_named():
    outputs = encoded.yunet([FACES], INPUT_WH)
    del outputs["kps_32"]
    with pytest.raises(ResultError, match="no output 'kps_32'"):
        decode(outputs)


def test_another_input_size_names_both_numbers_of_cells():
    with pytest.raises(
        ResultError, match=r"'cls_8' must be \(1, 1600, 1\).*not \(1, 800, 1\)(.|\n)*\(320, 320\)"
    ):
        decode(encoded.yunet([FACES], INPUT_WH), input_wh=(320, 320))


def test_a_step_below_zero_is_zero():
    outputs = encoded.yunet([[]], INPUT_WH)
    outputs["cls_8"][...] = -0.004
    assert len(decode(outputs)) == 0

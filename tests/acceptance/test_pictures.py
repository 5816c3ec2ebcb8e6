"""The pictures of the data folder: what is known to be found in them, in both backends."""

from collections import Counter

import numpy as np
import pytest

FACES = {  # at the thresholds 0.7 (UltraFace), 0.6 (YuNet) and 0.5
    "faces_5_scouts": {"ultraface": 5, "yunet_320": 5, "yunet_640": 5, "retail_0005": 5},
    "faces_crowd_50": {"ultraface": 46, "yunet_320": 55, "yunet_640": 52},
    "faces_2": {"ultraface": 2, "yunet_320": 2, "yunet_640": 2, "retail_0005": 2},
    "face_1": {"ultraface": 1, "yunet_320": 1, "yunet_640": 1, "retail_0005": 1},
    "zidane": {"ultraface": 2, "yunet_320": 3, "yunet_640": 3, "retail_0005": 2},  # YuNet: and a false one
    "cat_720p": {"ultraface": 0, "yunet_320": 0, "yunet_640": 0, "retail_0005": 0},
    "dog": {"ultraface": 0, "yunet_320": 0, "yunet_640": 0, "retail_0005": 0},
}


def assert_finds(found, wanted):
    """``wanted``: label, confidence as known to two digits, box as known to the pixel (None: not known)."""
    assert [found.labels[i] for i in found.class_id] == [label for label, _, _ in wanted]
    np.testing.assert_allclose(found.confidence, [confidence for _, confidence, _ in wanted], atol=0.015)
    for box, (label, _, known) in zip(found.xyxy, wanted, strict=True):
        if known is not None:
            np.testing.assert_allclose(box, known, atol=2, err_msg=label)


def test_yolox_finds_the_bus_and_three_people(model, backend, picture):
    wanted = [
        ("bus", 0.90, [13, 231, 801, 732]),
        ("person", 0.86, [50, 394, 215, 897]),
        ("person", 0.81, [219, 402, 347, 854]),
        ("person", 0.70, [685, 454, 810, 874]),
    ]
    assert_finds(model("yolox_nano", backend, confidence_threshold=0.4)(picture("bus")), wanted)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("dog", {"dog": 0.86, "bicycle": 0.80, "car": 0.80}),
        ("person", {"person": 0.88, "dog": 0.87, "horse": 0.87}),
        ("cat_720p", {"cat": 0.79}),
        ("owl", {"bird": 0.92}),
        ("parrot", {"bird": 0.86}),
    ],
)
def test_yolox_finds_one_of_each(model, backend, picture, name, wanted):
    found = model("yolox_nano", backend, confidence_threshold=0.4)(picture(name))
    assert len(found) == len(wanted)
    said = {found.labels[i]: c for i, c in zip(found.class_id, found.confidence.tolist(), strict=True)}
    assert said == pytest.approx(wanted, abs=0.015)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("zidane", {"person": 2, "tie": 1}),
        ("faces_2", {"person": 2, "tie": 2}),
        ("face_1", {"person": 3, "laptop": 1, "cell phone": 1}),
    ],
)
def test_yolox_counts(model, backend, picture, name, wanted):
    found = model("yolox_nano", backend, confidence_threshold=0.4)(picture(name))
    assert Counter(found.labels[i] for i in found.class_id) == wanted


def test_fastestdet_finds_the_bus_and_four_people_and_a_skateboard(model, backend, picture):
    wanted = [
        ("person", 0.88, [45, 387, 220, 905]),
        ("person", 0.88, [215, 417, 328, 858]),
        ("bus", 0.79, None),
        ("person", 0.65, None),
        ("skateboard", 0.64, None),  # a false one, known
        ("person", 0.63, None),
    ]
    assert_finds(model("fastestdet", backend, confidence_threshold=0.55)(picture("bus")), wanted)


@pytest.mark.parametrize(
    ("name", "column", "threshold"),
    [
        ("ultraface", "ultraface", 0.7),
        ("yunet_320", "yunet_320", 0.6),
        ("yunet_640", "yunet_640", 0.6),
        ("yunet_dynamic", "yunet_320", 0.6),
    ],
)
def test_faces(model, backend, picture, name, column, threshold):
    look = model(name, backend, confidence_threshold=threshold)
    assert {at: len(look(picture(at))) for at in FACES} == {at: row[column] for at, row in FACES.items()}


def test_faces_of_an_openvino_file(model, picture):
    look = model("retail_0005", "openvino", confidence_threshold=0.5)
    known = {at: row["retail_0005"] for at, row in FACES.items() if "retail_0005" in row}
    assert {at: len(look(picture(at))) for at in known} == known
    scouts = look(picture("faces_5_scouts"))
    np.testing.assert_allclose(scouts.confidence, [1, 1, 1, 0.99, 0.84], atol=0.01)
    assert set(scouts.class_id.tolist()) == {0}


def test_yunet_puts_landmarks_where_they_belong(model, backend, picture):
    found = model("yunet_320", backend, confidence_threshold=0.6)(picture("faces_5_scouts"))
    left_eye, right_eye, nose, left_mouth, right_mouth = found.points.transpose(1, 0, 2)
    assert ((found.xyxy[:, None, :2] < found.points) & (found.points < found.xyxy[:, None, 2:])).all()
    assert (left_eye[:, 0] < nose[:, 0]).all()
    assert (nose[:, 0] < right_eye[:, 0]).all()
    assert (left_mouth[:, 0] < right_mouth[:, 0]).all()
    assert (np.maximum(left_eye, right_eye)[:, 1] < nose[:, 1]).all()
    assert (nose[:, 1] < np.minimum(left_mouth, right_mouth)[:, 1]).all()


@pytest.mark.parametrize(("name", "label", "place"), [("parrot", "macaw", 0), ("owl", "great grey owl", 2)])
def test_mobilenet_names_the_bird(model, backend, picture, name, label, place):
    best = model("mobilenet_v2", backend)(picture(name))
    assert best.labels[best.class_id[0, place]].startswith(label)

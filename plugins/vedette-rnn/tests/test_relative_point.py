"""The stage ``relative-point``: by the kit, and its numbers."""

import numpy as np
import pytest

from vedette.errors import PluginError
from vedette.frame import Clock, Frame, Packed
from vedette.results import Detections, Embedding, Keypoints
from vedette.specs import StageInputs
from vedette.testing.conformance import StageConformance
from vedette_rnn.stages.relative_point import SPEC, Params, RelativePoint


def inputs(found, ticket=0):
    image = Packed("bgr", np.zeros((50, 200, 3), np.uint8))
    clock = Clock(mono_ns=ticket, wall_ns=0)
    frame = Frame(stream="a", epoch=0, ticket=ticket, seq=ticket, size_wh=(200, 50), clock=clock, image=image)
    return StageInputs(frame=frame, results={"found": found})


BOXES = Detections.of([[0, 0, 200, 50], [20, 10, 40, 30]], [0.9, 0.8], [0, 0])
HAND = Keypoints(
    points=np.array([[[0, 0], [50, 10]], [[200, 50], [100, 25]]], np.float32),
    confidence=np.ones((2, 2), np.float32),
)


class TestConformance(StageConformance):
    @pytest.fixture
    def spec(self):
        return SPEC

    @pytest.fixture
    def inputs(self):
        return [inputs(found, ticket) for ticket, found in enumerate((BOXES, Detections.empty(), BOXES))]


def at(found, **params):
    return RelativePoint(Params(**params)).process(inputs(found), None).xy


def test_the_centre_of_a_box_in_parts_of_the_picture():
    np.testing.assert_allclose(at(BOXES), [[0.5, 0.5], [0.15, 0.4]])


def test_one_of_its_points():
    np.testing.assert_allclose(at(HAND, point=1), [[0.25, 0.2], [0.5, 0.5]])
    assert at(Keypoints.empty(), point=1).shape == (0, 2)


def test_what_has_no_such_point_is_an_error():
    for found, params in ((BOXES, {"point": 1}), (HAND, {}), (HAND, {"point": 2})):
        with pytest.raises(PluginError, match="relative-point"):
            at(found, **params)
    with pytest.raises(PluginError, match="embedding"):
        at(Embedding(vector=np.ones((1, 4), np.float32)))

"""Detectors propose an object several times: which proposal is reported may hang on a rounding, and is then a tie."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from vedette.bundle.recording import Recording
from vedette.proof.decoded import judge_decoded
from vedette_cnn.decoders.fastestdet import Params, decode

PARAMS = Params(input_wh=(352, 352), confidence_threshold=0.3, output="map")
MARGIN = 0.1
PICTURE = {"image": np.zeros((1, 3, 352, 352), np.float32)}
AFFINE = np.array([[1, 0, 0], [0, 1, 0]], np.float64)


def says(*cells):
    """A map in which cells ``(x, confidence, width)`` of one row propose boxes of class 0, some 100 pixels high."""
    head = np.zeros((1, 6, 22, 22), np.float32)
    head[0, 1:5] = -8  # boxes of no size at the cell's corner
    for x, confidence, width in cells:
        share = width / 352
        head[0, :, 10, x] = [confidence, 0, 0, np.log(share / (1 - share)), -0.9, confidence]
    return {"model": {"map": head}}


def reads(**changes):
    """A model as far as its decoder goes: the real one."""
    params = changes.pop("params", PARAMS)
    return SimpleNamespace(
        graphs=[SimpleNamespace(name="model")],
        own_params=params,
        decode=changes.pop("decode", decode),
        parts=SimpleNamespace(postprocess=SimpleNamespace(name="fastestdet")),
    )


def recorded(outputs):
    result = decode(outputs["model"], AFFINE[None], (352, 352), PARAMS)
    return Recording(
        inputs={"model": PICTURE}, outputs=outputs, affine=AFFINE, size_wh=(352, 352), result=result
    )


def test_the_surer_of_two_equal_proposals_may_be_either():
    recording = recorded(says((10, 0.80, 120), (11, 0.79, 120)))
    assert len(recording.result) == 1
    other = says((10, 0.79, 120), (11, 0.80, 120))
    found = judge_decoded(reads(), recording, other, MARGIN)
    assert (found.agreeing, found.total, found.problem) == (2, 2, "")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (says((10, 0.60, 120), (11, 0.80, 120)), "the recorded one is much less sure here"),
        (says((11, 0.80, 120)), "the recorded one was not proposed here"),
        (says((10, 0.80, 120), (11, 0.95, 120)), "the recorded one loses clearly"),
        (says((10, 0.80, 60), (11, 0.79, 60)), "boxes of another size"),
        (says(), "nothing is found"),
    ],
)
def test_anything_else_is_a_difference(said, why):
    found = judge_decoded(reads(), recorded(says((10, 0.80, 120), (11, 0.79, 120))), said, MARGIN)
    assert found.agreeing < found.total, why


def test_a_decoder_that_suppresses_nothing_is_not_excused_by_ties():
    recording = recorded(says((10, 0.80, 120), (11, 0.79, 120)))

    def all_of_them(outputs, affines, size_wh, params):
        return decode(outputs, affines, size_wh, Params(**{**_plain(params), "iou_threshold": 1.0}))

    found = judge_decoded(reads(decode=all_of_them), recording, recording.outputs, MARGIN)
    assert "was not expected" in found.problem


def test_a_decoder_that_moves_boxes_is_not_excused_by_ties():
    recording = recorded(says((10, 0.80, 120), (11, 0.79, 120)))
    moved = partial(_moved, by=30.0)
    assert judge_decoded(reads(decode=moved), recording, recording.outputs, MARGIN).problem


def _moved(outputs, affines, size_wh, params, by):
    return decode(outputs, affines + np.array([[0, 0, by], [0, 0, 0]]), size_wh, params)


def _plain(params):
    return {name: getattr(params, name) for name in params.__struct_fields__}

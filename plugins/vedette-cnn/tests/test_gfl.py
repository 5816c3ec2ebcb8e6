import encoded_heads
import msgspec
import numpy as np
import pytest
from encoded import Box
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import ResultError
from vedette.specs import ModelFacts, TensorInfo
from vedette_cnn.decoders import gfl

INPUT_WH = (416, 320)
"""Not a multiple of 64: the coarsest map has cells that reach over the edge."""
SAME = np.array([[[1.0, 0, 0], [0, 1, 0]]])
BOXES = [Box((20, 30, 60, 80), 0.9, 0), Box((150, 20, 380, 300), 0.8, 2), Box((230, 250, 290, 310), 0.7, 1)]


def decode(outputs, **params):
    params = msgspec.convert({"input_wh": INPUT_WH, **params}, gfl.Params)
    return gfl.SPEC.build(("a", "b", "c"))(outputs, SAME, INPUT_WH, params)


@pytest.mark.parametrize("offset", [0, 0.5])
def test_boxes_of_all_strides(offset):
    outputs = encoded_heads.gfl([BOXES], INPUT_WH, cell_offset=offset)
    assert outputs["output"].shape == (1, 52 * 40 + 26 * 20 + 13 * 10 + 7 * 5, 3 + 32)
    found = decode(outputs, cell_offset=offset)
    np.testing.assert_allclose(found.xyxy, [box.xyxy for box in BOXES], atol=1e-3)
    assert found.class_id.tolist() == [0, 2, 1]


@given(st.integers(0, 2**32 - 1))
def test_every_distribution_is_its_mean(seed):
    """Against the definition, written out for one cell."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 4, (4, 8)).astype(np.float32)
    head = np.zeros((1, 3, 1 + 32), np.float32)
    anchor = int(rng.integers(3))
    head[0, anchor] = [0.9, *logits.ravel()]
    params = gfl.Params(input_wh=(24, 8), cell_offset=0.5, strides=(8,), class_agnostic=True)
    wide = np.array([[[1.0, 0, 500], [0, 1, 500]]])
    found = gfl.decode({"y": head}, wide, (1000, 1000), params)

    power = np.exp(logits.astype(float))
    left, top, right, bottom = 8 * (power * np.arange(8)).sum(axis=1) / power.sum(axis=1)
    x, y = 8 * anchor + 4, 4
    np.testing.assert_allclose(found.xyxy[0] - 500, [x - left, y - top, x + right, y + bottom], atol=1e-3)


def test_the_cell_offset_moves_a_box_by_half_a_cell():
    outputs = encoded_heads.gfl([BOXES[:1]], INPUT_WH)
    moved = decode(outputs, cell_offset=0.5).xyxy - decode(outputs, cell_offset=0).xyxy
    np.testing.assert_allclose(moved, [[4] * 4], atol=1e-4)


def test_one_pair_of_outputs_per_stride():
    outputs = encoded_heads.picodet([BOXES], INPUT_WH)
    names = list(outputs)
    found = decode(outputs, cell_offset=0.5, scores=names[:4], boxes=names[4:])
    np.testing.assert_allclose(found.xyxy, [box.xyxy for box in BOXES], atol=1e-3)
    with pytest.raises(ResultError, match=r"520, 2080, 130, 35\] cells, not \[2080, 520, 130, 35"):
        decode(outputs, cell_offset=0.5, scores=[names[i] for i in (1, 0, 2, 3)], boxes=names[4:])


def test_logits_are_not_taken_for_probabilities():
    outputs = encoded_heads.gfl([BOXES], INPUT_WH)
    scores = outputs["output"][..., :3].clip(1e-6, 1 - 1e-6)
    outputs["output"][..., :3] = np.log(scores / (1 - scores))
    with pytest.raises(ResultError, match=r"not probabilities(.|\n)*sigmoid"):
        decode(outputs, cell_offset=0)
    found = decode(outputs, cell_offset=0, activation="sigmoid")
    np.testing.assert_allclose(found.confidence, [0.9, 0.8, 0.7], rtol=1e-4)


def test_overlapping_boxes_are_one():
    outputs = encoded_heads.gfl([[Box((20, 30, 60, 80), 0.9), Box((28, 30, 68, 80), 0.8)]], INPUT_WH)
    assert len(decode(outputs, cell_offset=0)) == 1
    assert len(decode(outputs, cell_offset=0, iou_threshold=0.8)) == 2


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"scores": ["a"], "boxes": ["b"]}, "4 strides"),
        ({"scores": ["a"] * 4, "boxes": ["b"] * 4, "output": "c"}, "either output"),
        ({"cell_offset": 1.5}, "cell_offset"),
        ({"reg_max": 0}, "reg_max"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(params, match):
    with pytest.raises(msgspec.ValidationError, match=match):
        msgspec.convert({"input_wh": INPUT_WH, "cell_offset": 0, **params}, gfl.Params)


def test_the_cell_offset_has_to_be_given():
    with pytest.raises(msgspec.ValidationError, match="cell_offset"):
        msgspec.convert({"input_wh": INPUT_WH}, gfl.Params)


# --- by sight -----------------------------------------------------------------------------------------------------


def facts(outputs, image="data", shape=(1, 3, 416, 416)):
    return ModelFacts(
        format="onnx",
        inputs={image: TensorInfo(name=image, dtype="float32", shape=shape)},
        outputs={name: TensorInfo(name=name, dtype="float32", shape=at) for name, at in outputs.items()},
    )


def test_nanodet_plus_is_known_by_its_four_strides():
    (found,) = gfl.recognise(facts({"output": (1, 3598, 112)}))
    assert found.params == {"cell_offset": 0.0, "strides": (8, 16, 32, 64)}
    assert not found.stated
    assert not list(gfl.recognise(facts({"output": (1, 3549, 112)}, image="images")))  # YOLOX has as many


def test_the_first_nanodet_in_one_output():
    (found,) = gfl.recognise(facts({"output": (1, 2100, 112)}, shape=(1, 3, 320, 320)))
    assert found.params == {"cell_offset": 0.5, "strides": (8, 16, 32)}


@pytest.mark.parametrize("classes", [1, 20, 80])
def test_picodet_is_known_by_its_pairs(classes):
    counts = (2704, 676, 169, 49)
    scores = {f"s{count}": (1, count, classes) for count in counts}
    boxes = {f"b{count}": (1, count, 32) for count in counts}
    (found,) = gfl.recognise(facts({**scores, **boxes}, image="image"))
    assert found.params["scores"] == tuple(scores)
    assert found.params["boxes"] == tuple(boxes)
    assert (found.params["cell_offset"], found.params["reg_max"]) == (0.5, 7)
    msgspec.convert({"input_wh": (416, 416), **found.params}, gfl.Params)


@pytest.mark.parametrize(
    "outputs", [{}, {"a": (1, 1000)}, {"a": (1, None, None)}, {"a": (1, 100, 85), "b": (1, 4)}, {"a": ()}]
)
def test_other_models_are_not_known(outputs):
    assert not list(gfl.recognise(facts(outputs)))

"""The decoders ``boxes_labels`` and ``multiclass_nms``: lists that the graph has decoded."""

import encoded_heads
import msgspec
import numpy as np
import pytest
from encoded import Box

from vedette.errors import ResultError
from vedette.specs import ModelFacts, TensorInfo
from vedette_cnn.decoders import boxes_labels, multiclass_nms

INPUT_WH = (320, 160)
BOXES = [Box((20, 30, 60, 80), 0.9, 0), Box((200, 30, 290, 101), 0.8, 2), Box((22, 31, 61, 80), 0.7, 0)]
CORNERS = [box.xyxy for box in BOXES]


def decode(module, outputs, n=1, labels=(), **params):
    params = msgspec.convert({"input_wh": INPUT_WH, **params}, module.SPEC.params)
    affines = np.repeat([[[1.0, 0, 0], [0, 1, 0]]], n, axis=0)
    return module.SPEC.build(labels)(outputs, affines, INPUT_WH, params)


def apart(rows):
    """Boxes, labels and scores in outputs of their own."""
    outputs = encoded_heads.boxes_labels(rows, INPUT_WH)
    table = outputs["boxes"]
    return {"boxes": table[..., :4].copy(), "labels": outputs["labels"], "scores": table[..., 4].copy()}


def test_scores_in_the_fifth_column_or_apart():
    joined = decode(boxes_labels, encoded_heads.boxes_labels([BOXES], INPUT_WH))
    separate = decode(boxes_labels, apart([BOXES]), scores="scores")
    for found in (joined, separate):
        np.testing.assert_allclose(found.xyxy, CORNERS, rtol=1e-6)
        assert found.class_id.tolist() == [0, 2, 0]


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.float32])
def test_class_numbers_of_any_type_counted_from_the_first(dtype):
    outputs = apart([BOXES])
    outputs["labels"] = (outputs["labels"] + 1).astype(dtype)
    found = decode(boxes_labels, outputs, scores="scores", first_class=1, labels=("a", "b", "c"))
    assert found.class_id.tolist() == [0, 2, 0]


def test_relative_boxes():
    outputs = apart([BOXES])
    outputs["boxes"] = (outputs["boxes"] / (*INPUT_WH, *INPUT_WH)).astype(np.float32)
    found = decode(boxes_labels, outputs, scores="scores", relative=True)
    np.testing.assert_allclose(found.xyxy, CORNERS, rtol=1e-5)


def test_one_image_needs_no_batch_axis_several_do():
    outputs = {name: array[0] for name, array in apart([BOXES]).items()}
    assert len(decode(boxes_labels, outputs, scores="scores")) == 3
    with pytest.raises(ResultError, match=r"must be \(2, any, any\)"):
        decode(boxes_labels, outputs, n=2, scores="scores")


def test_a_network_of_one_class_needs_no_labels():
    boxes = encoded_heads.boxes_labels([BOXES], INPUT_WH)["boxes"]
    params = boxes_labels.Params(input_wh=INPUT_WH, labels=None)
    affines = np.array([[[1.0, 0, 0], [0, 1, 0]]])
    found = boxes_labels.decode({"boxes": boxes}, affines, INPUT_WH, params, ("cat",))
    assert found.class_id.tolist() == [0, 0, 0]


def test_suppression_only_when_asked_for():
    outputs = encoded_heads.boxes_labels([BOXES], INPUT_WH)
    assert len(decode(boxes_labels, outputs)) == 3
    assert len(decode(boxes_labels, outputs, iou_threshold=0.5)) == 2


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"labels": np.zeros((1, 5), np.int64)}, "'labels' must be"),
        ({"scores": np.zeros((1, 5), np.float32)}, "'scores' has"),
        ({"labels": np.zeros((1, 12), bool)}, "bool"),
    ],
)
def test_outputs_that_do_not_belong_together_are_refused(change, match):
    with pytest.raises(ResultError, match=match):
        decode(boxes_labels, {**apart([BOXES]), **change}, scores="scores")


def test_four_columns_without_scores_are_refused():
    with pytest.raises(ResultError, match=r"has 4 columns(.|\n)*scores"):
        decode(boxes_labels, apart([BOXES]))


def test_the_outputs_of_rt_detr_are_known_by_name():
    facts = ModelFacts(
        format="onnx",
        inputs={
            "images": TensorInfo(name="images", dtype="float32", shape=(None, 3, 640, 640)),
            "orig_target_sizes": TensorInfo(name="orig_target_sizes", dtype="int64", shape=(None, 2)),
        },
        outputs={
            "labels": TensorInfo(name="labels", dtype="int64", shape=(None, 300)),
            "boxes": TensorInfo(name="boxes", dtype="float32", shape=(None, 300, 4)),
            "scores": TensorInfo(name="scores", dtype="float32", shape=(None, 300)),
        },
    )
    (found,) = boxes_labels.recognise(facts)
    assert found.params == {"boxes": "boxes", "labels": "labels", "scores": "scores"}
    assert "orig_target_sizes" in found.why


# --- multiclass_nms -----------------------------------------------------------------------------------------------

NAMES = {"boxes": "boxes", "counts": "counts"}


def test_counts_say_which_image_a_box_belongs_to():
    outputs = encoded_heads.multiclass_nms([BOXES[:1], [], BOXES[1:]], INPUT_WH)
    found = decode(multiclass_nms, outputs, n=3, **NAMES)
    assert found.source_row.tolist() == [0, 2, 2]
    np.testing.assert_allclose(found.xyxy, CORNERS)


def test_a_class_below_zero_is_no_box():
    outputs = {"boxes": np.array([[-1, 0.9, 0, 0, 9, 9]], np.float32), "counts": np.array([1], np.int32)}
    assert len(decode(multiclass_nms, outputs, **NAMES)) == 0


@pytest.mark.parametrize("counts", [[1], [3], [-1]])
def test_counts_that_are_not_those_of_the_boxes_are_refused(counts):
    outputs = {"boxes": np.zeros((2, 6), np.float32), "counts": np.array(counts, np.int32)}
    with pytest.raises(ResultError, match=r"but there are 2"):
        decode(multiclass_nms, outputs, **NAMES)


def test_paddle_is_known_by_its_scale_factor():
    inputs = {
        "image": TensorInfo(name="image", dtype="float32", shape=(1, 3, 416, 416)),
        "scale_factor": TensorInfo(name="scale_factor", dtype="float32", shape=(1, 2)),
    }
    outputs = {
        "a": TensorInfo(name="a", dtype="float32", shape=(None, 6)),
        "b": TensorInfo(name="b", dtype="int32", shape=(None,)),
    }
    (found,) = multiclass_nms.recognise(ModelFacts(format="onnx", inputs=inputs, outputs=outputs))
    assert found.params == {"boxes": "a", "counts": "b"}
    del inputs["scale_factor"]
    assert not list(multiclass_nms.recognise(ModelFacts(format="onnx", inputs=inputs, outputs=outputs)))

import encoded_heads
import msgspec
import numpy as np
import pytest
from encoded import Box

from vedette.errors import ResultError
from vedette.specs import ModelFacts, TensorInfo
from vedette_cnn.decoders import detr

INPUT_WH = (320, 160)
SAME = np.array([[[1.0, 0, 0], [0, 1, 0]]])
BOXES = [Box((20, 30, 60, 80), 0.9, 0), Box((200, 30, 290, 101), 0.8, 2), Box((22, 31, 61, 80), 0.7, 0)]


def decode(outputs, activation, n=1, labels=("a", "b", "c"), **params):
    given = {"input_wh": INPUT_WH, "activation": activation, **params}
    affines = np.repeat(SAME, n, axis=0)
    return detr.SPEC.build(labels)(outputs, affines, INPUT_WH, msgspec.convert(given, detr.Params))


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_known_boxes_come_back_and_nothing_is_suppressed(activation):
    outputs = encoded_heads.detr([BOXES, BOXES[:1]], INPUT_WH, no_object=activation == "softmax")
    found = decode(outputs, activation, n=2)
    np.testing.assert_allclose(found.xyxy, [*(box.xyxy for box in BOXES), BOXES[0].xyxy], atol=1e-4)
    np.testing.assert_allclose(found.confidence, [0.9, 0.8, 0.7, 0.9], rtol=1e-5)
    assert found.class_id.tolist() == [0, 2, 0, 0]
    assert found.source_row.tolist() == [0, 0, 0, 1]


def test_with_softmax_a_query_is_one_box_and_no_object_none():
    logits = np.array([[[2.0, 1.9, 0, 0], [0, 0, 0, 9]]], np.float32)
    outputs = {"pred_logits": logits, "pred_boxes": np.full((1, 2, 4), 0.5, np.float32)}
    found = decode(outputs, "softmax", confidence_threshold=0.0)
    power = np.exp(logits[0].astype(float))
    np.testing.assert_allclose(
        found.confidence, [power[0, 0] / power[0].sum(), 1 / power[1].sum()], rtol=1e-5
    )


def test_with_sigmoid_the_best_pairs_of_query_and_class_count():
    logits = np.array([[[2.0, 1.0, -9], [-9, 0.5, 3]]], np.float32)
    outputs = {"pred_logits": logits, "pred_boxes": np.full((1, 2, 4), 0.5, np.float32)}
    found = decode(outputs, "sigmoid", max_detections=3)
    assert found.class_id.tolist() == [2, 0, 1]
    np.testing.assert_allclose(found.confidence, 1 / (1 + np.exp(-np.array([3.0, 2, 1]))), rtol=1e-6)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_nan_is_not_nothing(activation):
    outputs = encoded_heads.detr([[]], INPUT_WH)
    outputs["pred_logits"][0, 3, 1] = np.nan
    with pytest.raises(ResultError, match=r"detr.*holds NaN"):
        decode(outputs, activation, labels=())


def test_a_sure_box_that_is_not_finite_is_refused():
    outputs = encoded_heads.detr([BOXES], INPUT_WH)
    outputs["pred_boxes"][0, 1] = np.inf
    with pytest.raises(ResultError, match="not finite"):
        decode(outputs, "sigmoid")


def test_labels_do_not_count_no_object():
    outputs = encoded_heads.detr([BOXES], INPUT_WH, no_object=True)
    with pytest.raises(ResultError, match="4 classes, but the bundle has 3 labels"):
        decode(outputs, "sigmoid")
    assert decode(outputs, "softmax").labels == ("a", "b", "c")


def test_outputs_must_have_the_same_queries():
    outputs = encoded_heads.detr([BOXES], INPUT_WH)
    outputs["pred_boxes"] = outputs["pred_boxes"][:, :5]
    with pytest.raises(ResultError, match=r"'pred_boxes' must be \(1, 12, 4\).*not \(1, 5, 4\)"):
        decode(outputs, "sigmoid")


def test_no_image_in_the_batch_gives_no_rows():
    assert len(decode(encoded_heads.detr([], INPUT_WH), "sigmoid", n=0)) == 0


def test_the_activation_has_to_be_given():
    with pytest.raises(msgspec.ValidationError, match="activation"):
        msgspec.convert({"input_wh": INPUT_WH}, detr.Params)


@pytest.mark.parametrize(("queries", "first"), [(100, "softmax"), (300, "sigmoid")])
def test_both_activations_are_proposed_the_usual_one_first(queries, first):
    facts = facts_of({"logits": (1, queries, 92), "pred_boxes": (1, queries, 4)})
    found = list(detr.recognise(facts))
    assert found[0].params["activation"] == first
    assert {proposal.params["activation"] for proposal in found} == {"softmax", "sigmoid"}
    assert not any(proposal.stated for proposal in found)


@pytest.mark.parametrize(
    "outputs",
    [
        {"scores": (1, 4420, 2), "boxes": (1, 4420, 4)},
        {"logits": (1, 100, 92)},
        {"logits": (1, 50, 92), "boxes": (1, 100, 4)},
        {"logits": (1, None, 92), "boxes": (1, None, 4)},
        {"logits": (1, 100, 92), "boxes": (1, 100, 4), "masks": (1, 100, 9, 9)},
    ],
)
def test_other_models_are_not_known(outputs):
    assert not list(detr.recognise(facts_of(outputs)))


def facts_of(outputs):
    return ModelFacts(
        format="onnx",
        inputs={"x": TensorInfo(name="x", dtype="float32", shape=(1, 3, 800, 800))},
        outputs={name: TensorInfo(name=name, dtype="float32", shape=at) for name, at in outputs.items()},
    )

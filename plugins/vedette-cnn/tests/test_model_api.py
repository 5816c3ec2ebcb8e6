"""Models that OpenVINO's Model API describes: IRs made here in its documented form, packed by what they say, run."""

import encoded
import encoded_heads
import numpy as np
import pytest
from encoded import Box

from vedette.bundle.opened import open_model
from vedette.bundle.pack import PackRequest, pack_opened
from vedette.bundle.reading import find_readings
from vedette.frame import Packed
from vedette.model.single import Model
from vedette.registry import load_plugins
from vedette.specs import ModelFacts, TensorInfo
from vedette_cnn.decoders import DECODERS, model_api

ov = pytest.importorskip("openvino", reason="needs openvino: pip install vedette-openvino")
pytest.importorskip("vedette_openvino", reason="needs vedette-openvino")

INPUT_WH = (128, 96)
FRAME_WH = (256, 96)
BOXES = [Box((20, 30, 60, 80), 0.875, 1), Box((70, 40, 120, 90), 0.75, 0)]
LABELS = ("cat", "big_dog")
MEAN, SCALE = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
PIXEL = (200, 120, 40)
"""Red, green, blue of the picture."""


def graph(outputs):
    """An IR that says ``outputs``, whatever the picture, and yet is computed from it."""
    ops = ov.opset13
    image = ops.parameter([1, 3, INPUT_WH[1], INPUT_WH[0]], np.float32, name="image")
    nothing = ops.multiply(ops.reduce_mean(image, [0, 1, 2, 3]), np.float32(0))
    results = []
    for name, array in outputs.items():
        dtype = {"i": "i64", "f": "f32"}[array.dtype.kind]
        said = ops.add(ops.constant(array), ops.convert(nothing, dtype))
        said.output(0).set_names({name})
        results.append(said)
    return ov.Model(results, [image], "known")


def means():
    """An IR whose outputs are the means of the three channels that it is fed."""
    ops = ov.opset13
    image = ops.parameter([1, 3, INPUT_WH[1], INPUT_WH[0]], np.float32, name="image")
    logits = ops.reduce_mean(image, [2, 3])
    logits.output(0).set_names({"logits"})
    return ov.Model([logits], [image], "means")


@pytest.fixture(scope="module")
def registry():
    return load_plugins()


@pytest.fixture
def reading(tmp_path, registry):
    """``reading(model, info)``: the one way to read an IR with these entries, and what its bundle says of a picture."""

    def read(model, info, picture=None, **said):
        for name, value in info.items():
            model.set_rt_info(value, ["model_info", name])
        path = tmp_path / "model.xml"
        ov.save_model(model, path, compress_to_fp16=False)
        request = PackRequest(model=path, licence="test", **said)
        with open_model(request, registry) as opened:
            readings = find_readings(request, opened.facts, registry)
            assert len(readings) == 1, [found.why for found in readings]
            bundle = pack_opened(readings[0].request, opened, registry, tmp_path / "model.vedette")
        with Model(bundle, registry=registry, device="cpu", precision="f32") as packed:
            return readings[0].request, packed(plain() if picture is None else picture)

    return read


def plain(pixel=PIXEL):
    return Packed("rgb", np.full((FRAME_WH[1], FRAME_WH[0], 3), pixel, np.uint8))


def softmax(x):
    power = np.exp(np.asarray(x) - np.max(x))
    return power / power.sum()


def test_a_classifier(reading):
    info = {
        "model_type": "Classification",
        "labels": "red green blue",
        "mean_values": "123.675 116.28 103.53",
        "scale_values": "58.395 57.12 57.375",
        "reverse_input_channels": "True",
        "resize_type": "standard",
        "output_raw_scores": "True",
    }
    request, found = reading(means(), info, params={"activation": "softmax"})
    assert request.decoder == "classification"
    wanted = softmax((np.array(PIXEL) - MEAN) / SCALE)
    assert [found.labels[i] for i in found.class_id[0]] == ["red", "green", "blue"]
    np.testing.assert_allclose(found.confidence[0], wanted, rtol=1e-4)


def test_channels_stay_blue_first_unless_they_are_reversed(reading):
    info = {"model_type": "Classification", "labels": "first second third", "scale_values": "255"}
    _, found = reading(means(), info, params={"activation": "none"})
    assert found.labels[found.class_id[0, 0]] == "third"
    np.testing.assert_allclose(found.confidence[0], np.array(PIXEL) / 255, rtol=1e-5)


def test_a_classifier_of_several_labels(reading):
    info = {"model_type": "Classification", "labels": "a b c", "multilabel": "True", "scale_values": "100"}
    request, found = reading(means(), info)
    assert request.params == {"activation": "sigmoid"}
    np.testing.assert_allclose(found.confidence[0], 1 / (1 + np.exp(-np.array(PIXEL) / 100)), rtol=1e-5)


def test_one_class_more_than_labels_is_other(reading):
    info = {"model_type": "Classification", "labels": "a b", "scale_values": "255"}
    _, found = reading(means(), info, params={"activation": "none"})
    assert found.labels == ("other", "a", "b")


@pytest.mark.parametrize(
    ("resize", "factor", "shift"),
    [
        ("standard", (2, 1), (0, 0)),
        ("fit_to_window", (2, 2), (0, 0)),
        ("fit_to_window_letterbox", (2, 2), (0, 24)),
        ("crop", (1, 1), (-64, 0)),
    ],
)
def test_boxes_come_back_from_every_way_to_resize(reading, resize, factor, shift):
    """``shift``: where the frame's corner lies in the tensor; 256 x 96 pixels go to 128 x 96."""
    outputs = encoded_heads.boxes_labels([BOXES], INPUT_WH)
    info = {
        "model_type": "ssd",
        "labels": " ".join(LABELS),
        "resize_type": resize,
        "confidence_threshold": "0.5",
        "reverse_input_channels": "True",
        "pad_value": "0",
        "otx_version": "2.4.0",
    }
    request, found = reading(graph(outputs), info)

    assert request.decoder == "boxes_labels"
    assert any("OTX 2.4.0" in line for line in request.told)
    assert [found.labels[i] for i in found.class_id] == ["big_dog", "cat"]
    corners = (np.reshape([box.xyxy for box in BOXES], (2, 2, 2)) - shift) * factor
    np.testing.assert_allclose(found.xyxy, corners.clip(0, FRAME_WH).reshape(2, 4), atol=1e-3)
    np.testing.assert_allclose(found.confidence, [0.875, 0.75])


def test_boxes_labels_and_scores_are_relative(reading):
    outputs = encoded_heads.boxes_labels([BOXES], INPUT_WH)
    table = outputs.pop("boxes")
    outputs = {
        "bboxes": (table[..., :4] / (*INPUT_WH, *INPUT_WH)).astype(np.float32),
        "labels": outputs["labels"],
        "scores": table[..., 4].copy(),
        "saliency_map": np.zeros((1, 2, 8, 8), np.float32),
        "feature_vector": np.zeros((1, 64, 1, 1), np.float32),
    }
    _, found = reading(graph(outputs), {"model_type": "SSD", "labels": " ".join(LABELS)})
    np.testing.assert_allclose(found.xyxy, [np.array(box.xyxy) * (2, 1, 2, 1) for box in BOXES], atol=1e-3)


def test_suppression_that_is_asked_for_is_done(reading):
    twice = [*BOXES, Box((22, 30, 60, 80), 0.625, 1), Box((22, 30, 60, 80), 0.625, 0)]
    outputs = encoded_heads.boxes_labels([twice], INPUT_WH)
    info = {"model_type": "ssd", "labels": " ".join(LABELS), "nms_execute": "True", "iou_threshold": "0.6"}
    request, found = reading(graph(outputs), info)
    assert request.params["iou_threshold"] == 0.6
    assert found.confidence.tolist() == [0.875, 0.75, 0.625]
    assert found.class_id.tolist() == [1, 0, 0]


def test_the_list_of_a_detection_output_layer(reading):
    outputs = encoded.ssd([BOXES], INPUT_WH)
    info = {"model_type": "ssd", "labels": " ".join(LABELS), "confidence_threshold": "0.8"}
    request, found = reading(graph(outputs), info)
    assert (request.decoder, request.params["first_class"]) == ("ssd", 0)
    assert found.confidence.tolist() == [0.875]
    assert found.labels[found.class_id[0]] == "big_dog"


def test_yolox_is_padded_at_the_right_and_bottom(reading):
    outputs = encoded.yolox([BOXES], INPUT_WH, classes=2)
    info = {"model_type": "YOLOX", "labels": " ".join(LABELS), "resize_type": "fit_to_window_letterbox"}
    request, found = reading(graph(outputs), info)
    assert request.decoder == "yolox"
    assert (request.image["anchor"], request.image["pad"]) == ("top_left", [114])
    assert request.params["class_agnostic"] is True
    corners = np.array([box.xyxy for box in BOXES]) * 2
    np.testing.assert_allclose(found.xyxy, corners.clip(0, (*FRAME_WH, *FRAME_WH)), atol=1e-2)


def test_a_picture_that_the_graph_itself_resizes_and_normalises(reading):
    """``embedded_processing``: 0..255, blue first, of any size; ours comes in the size that it is resized to."""
    model = means()
    steps = ov.preprocess.PrePostProcessor(model)
    tensor = steps.input().tensor()
    tensor.set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC")).set_spatial_dynamic_shape()
    tensor.set_color_format(ov.preprocess.ColorFormat.BGR)
    steps.input().model().set_layout(ov.Layout("NCHW"))
    linear = ov.preprocess.ResizeAlgorithm.RESIZE_LINEAR
    steps.input().preprocess().convert_element_type(ov.Type.f32).resize(linear)
    steps.input().preprocess().convert_color(ov.preprocess.ColorFormat.RGB).mean(list(MEAN)).scale(
        list(SCALE)
    )
    info = {
        "model_type": "Classification",
        "labels": "red green blue",
        "embedded_processing": "True",
        "orig_width": str(INPUT_WH[0]),
        "orig_height": str(INPUT_WH[1]),
        "mean_values": "123.675 116.28 103.53",
        "scale_values": "58.395 57.12 57.375",
        "reverse_input_channels": "True",
    }
    request, found = reading(steps.build(), info, params={"activation": "softmax"})
    assert tuple(request.image["size_wh"]) == INPUT_WH
    np.testing.assert_allclose(found.confidence[0], softmax((np.array(PIXEL) - MEAN) / SCALE), rtol=1e-3)


# --- what it says by itself ---------------------------------------------------------------------------------------


def facts(outputs, **info):
    separator = info.pop("separator", "/")
    image = TensorInfo(name="image", dtype="float32", shape=(1, 3, 96, 128))
    return ModelFacts(
        format="openvino",
        inputs={"image": image},
        outputs={
            name: TensorInfo(name=name, dtype="float32", shape=shape) for name, shape in outputs.items()
        },
        metadata={f"model_info{separator}{name}": value for name, value in info.items()},
    )


@pytest.mark.parametrize("name", ["YOLOv5", "YOLOv8", "YOLO11"])
def test_later_yolos_have_other_defaults(name):
    (found,) = model_api.yolo(facts({"output0": (1, 6, 252)}, model_type=name, labels="cat dog"))
    assert found.params == {
        "layout": "raw",
        "confidence_threshold": 0.25,
        "iou_threshold": 0.7,
        "class_agnostic": False,
    }
    image = {"resize": "letterbox", "anchor": "center", "pad": [114], "kernel": "bilinear", "colour": "rgb"}
    assert found.image == {**image, "mean": [0], "scale": [255]}
    assert found.stated


def test_onnx_has_spaces_between_the_levels():
    (found,) = model_api.ssd(facts({"out": (1, 1, 100, 7)}, separator=" ", model_type="ssd", labels="a b"))
    assert found.labels == ("a", "b")


@pytest.mark.parametrize(
    "info",
    [
        {},
        {"model_type": ""},
        {"model_type": "MaskRCNN"},
        {"model_type": "Segmentation"},
        {"model_type": "Classification", "hierarchical": "True"},
        {"model_type": "Classification", "intensity_mode": "window"},
        {"model_type": "Classification", "input_dtype": "u16"},
    ],
)
def test_what_nothing_here_can_read_is_not_claimed(info):
    for ours in (model_api.classification, model_api.ssd, model_api.boxes_labels, model_api.yolox):
        assert not list(ours(facts({"logits": (1, 3)}, **info)))


@pytest.mark.parametrize(
    "info",
    [
        {"mean_values": "a b c", "scale_values": "", "pad_value": "x"},
        {"resize_type": "fit_to_window", "pad_value": "None", "confidence_threshold": "None"},
        {"resize_type": "mystery", "interpolation_mode": "CUBIC"},
        {"embedded_processing": "True", "orig_width": "zero"},
    ],
)
def test_damaged_entries_are_no_errors(info):
    shapes = {"boxes": (1, 10, 5), "labels": (1, 10)}
    for spec in DECODERS:
        assert isinstance(list(spec.recognise(facts(shapes, model_type="ssd", **info))), list)


def test_a_threshold_of_zero_was_never_set():
    found = facts({"out": (1, 1, 100, 7)}, model_type="ssd", confidence_threshold="0.0")
    (proposal,) = model_api.ssd(found)
    assert proposal.params["confidence_threshold"] == 0.5

"""Which models the decoders know by sight, and which they leave alone."""

import pytest

from vedette.specs import ModelFacts, TensorInfo
from vedette_cnn.decoders import classification, fastestdet, ssd, ultraface, yolox, yunet

RGB = (1, 3, 416, 416)


def tensors(shapes, dtype):
    return {name: TensorInfo(name=name, dtype=dtype, shape=shape) for name, shape in shapes.items()}


def facts(outputs, shape=RGB, dtype="float32", output_dtype="float32", **rest):
    known = {"format": "onnx", "inputs": tensors({"pixels": shape}, dtype)}
    return ModelFacts(**{**known, "outputs": tensors(outputs, output_dtype), **rest})


def proposals(decoder, *args, **kwargs):
    return [*decoder.recognise(facts(*args, **kwargs))]


# --- detectors ----------------------------------------------------------------------------------------------------


def test_yolox_with_three_and_four_strides():
    (found,) = proposals(yolox, {"out": (1, 3549, 85)})
    assert (found.task, found.params, found.stated) == ("detection", {}, False)
    assert found.image["pad"] == [114]
    (found,) = proposals(yolox, {"out": (None, 5440, 6)}, (None, 3, 512, 512))
    assert found.params == {"strides": (8, 16, 32, 64)}
    (found,) = proposals(yolox, {"out": (1, 3549, 8)}, (1, 416, 416, 3), "uint8", labels=("a", "b", "c"))
    assert found.labels == ("a", "b", "c")
    assert "scale" not in found.image, "pixels as they are"


@pytest.mark.parametrize(
    ("outputs", "shape"),
    [
        ({"out": (1, 84, 3549)}, RGB),  # YOLOv8: anchors last
        ({"out": (1, 10647, 85)}, RGB),  # YOLOv5: three anchors per cell
        ({"out": (1, 3549, 5)}, RGB),  # no class
        ({"out": (1, 3549, None)}, RGB),
        ({"out": (1, None, 85)}, RGB),
        ({"out": (1, 3549, 85), "more": (1, 1)}, RGB),
        ({"out": (1, 3549, 85)}, (1, 3, None, None)),
        ({"out": (1, 3549, 85)}, (1, 4, 416, 416)),
        ({"out": (1, 3549, 85)}, (1, 3, 416, 415)),
    ],
)
def test_what_is_no_yolox(outputs, shape):
    assert proposals(yolox, outputs, shape) == []


def test_fastestdet():
    (found,) = proposals(fastestdet, {"758": (1, 85, 22, 22)}, (1, 3, 352, 352))
    assert (found.image["colour"], found.image["scale"]) == ("bgr", [255])
    for outputs in ({"758": (1, 85, 11, 11)}, {"758": (1, 5, 22, 22)}, {"758": (1, 85, None, None)}):
        assert proposals(fastestdet, outputs, (1, 3, 352, 352)) == []


def test_ssd():
    (found,) = proposals(ssd, {"out": (1, 1, 200, 7)})
    assert (found.params, found.image) == ({}, {}), "nothing is known of its picture"
    (found,) = proposals(ssd, {"out": (1, 1, None, 7)}, format="openvino")
    assert (found.params, found.image["colour"]) == ({"first_class": 1}, "bgr")
    assert proposals(ssd, {"out": (1, 1, 200, 6)}) == []


def test_ultraface():
    shapes = {"scores": (1, 4420, 2), "boxes": (1, 4420, 4)}
    (found,) = proposals(ultraface, shapes, (1, 3, 240, 320))
    assert (found.image["mean"], found.image["scale"]) == ([127], [128])
    assert proposals(ultraface, shapes | {"boxes": (1, 4421, 4)}, (1, 3, 240, 320)) == []
    assert proposals(ultraface, {"a": (1, 4420, 2), "b": (1, 4420, 4)}) == []


def test_yunet():
    def outputs(strides, kps=10):
        widths = {"cls": 1, "obj": 1, "bbox": 4, "kps": kps}
        return {f"{kind}_{s}": (None, None, width) for kind, width in widths.items() for s in strides}

    (found,) = proposals(yunet, outputs((8, 16, 32)), (None, 3, None, None))
    assert (found.params, found.image["pad"]) == ({}, [0])
    (found,) = proposals(yunet, outputs((16, 8)))
    assert found.params == {"strides": (8, 16)}
    assert proposals(yunet, outputs((8,), kps=4)) == []
    assert proposals(yunet, outputs((0,))) == []
    assert proposals(yunet, {**outputs((8,)), "more": (1, 1, 1)}) == []


# --- classifiers --------------------------------------------------------------------------------------------------


def classifies(outputs=(1, 1000), name="logits", **kwargs):
    return proposals(classification, {name: outputs}, **kwargs)


def test_a_shape_tells_neither_the_picture_nor_the_activation():
    (found,) = classifies()
    assert (found.task, found.params, found.image, found.labels) == ("classification", {}, {}, ())
    assert classifies((None, 10), shape=(None, 1, 28, 28))
    assert classifies((1, 10, 1, 1))


@pytest.mark.parametrize("shape", [(1,), (1, 1), (1, None), (1, 10, 2), (10, 7, 7, 1)])
def test_what_is_no_classifier(shape):
    assert proposals(classification, {"out": shape}) == []


def test_no_classifier_of_pictures():
    assert proposals(classification, {"out": (1, 10)}, (1, 16)) == []
    assert proposals(classification, {"out": (1, 10), "features": (1, 10)}) == []


def test_a_background_class():
    assert classifies((1, 1001))[0].params == {"first_class": 1}
    named = classifies((1, 3), labels=("background", "cat", "dog"))[0]
    assert (named.params, named.labels) == ({"first_class": 1}, ("cat", "dog"))
    plain = classifies((1, 1001), labels=tuple(map(str, range(1001))))[0]
    assert (plain.params, len(plain.labels)) == ({}, 1001)
    assert classifies((1, 4), labels=("a", "b"))[0].labels == (), "not of these classes"


def test_probabilities_are_known_by_name_or_quantisation():
    assert classifies(name="Predictions/Softmax")[0].params == {"activation": "none"}
    lite = {"format": "tflite", "output_dtype": "uint8", "name": "out"}
    known = classifies(**lite, metadata={"quantisation/out": "0.00390625 0"})[0].params
    assert known == {"scale": 1 / 256, "zero_point": 0, "activation": "none"}
    known = classifies(**lite, metadata={"quantisation/out": "0.1 3"})[0].params
    assert known == {"scale": 0.1, "zero_point": 3}


def test_the_normalisation_of_a_tensorflow_lite_file():
    lite = {"format": "tflite", "shape": (1, 8, 8, 3)}
    metadata = {"normalisation/pixels": "127.5,127.5,127.5 128"}
    (found,) = proposals(classification, {"out": (1, 5)}, **lite, metadata=metadata)
    assert found.image == {"colour": "rgb", "mean": [127.5] * 3, "scale": [128.0]}
    (found,) = proposals(classification, {"out": (1, 5)}, **lite, dtype="uint8", metadata=metadata)
    assert found.image == {"colour": "rgb"}

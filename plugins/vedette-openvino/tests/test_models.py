"""Every real model: the backend gives what OpenVINO gives when it is called directly, and known answers on pictures."""

import cv2
import numpy as np
import pytest

from vedette.inference import infer
from vedette.vision.spec import InputSpec
from vedette_openvino.runtime import core

HALF = (127.5,) * 3
IMAGENET = {"mean": (123.675, 116.28, 103.53), "scale": (58.395, 57.12, 57.375)}
MODELS = {
    "yolox_nano_coco_416.onnx": InputSpec(size_wh=(416, 416), colour="bgr"),
    "fastestdet_coco_352.onnx": InputSpec(size_wh=(352, 352), colour="bgr", scale=(255.0,) * 3),
    "ultraface_rfb_320.onnx": InputSpec(size_wh=(320, 240), mean=(127.0,) * 3, scale=(128.0,) * 3),
    "yunet_n_320.onnx": InputSpec(size_wh=(320, 320), colour="bgr"),
    "yunet_n_640.onnx": InputSpec(size_wh=(640, 640), colour="bgr"),
    "yunet_n_dynamic.onnx": InputSpec(size_wh=(352, 288), colour="bgr"),
    "face-detection-retail-0005.xml": InputSpec(size_wh=(300, 300), colour="bgr"),
    "landmarks-regression-retail-0009.xml": InputSpec(size_wh=(48, 48), colour="bgr"),
    "mobilefacenet_112.onnx": InputSpec(size_wh=(112, 112), mean=HALF, scale=(128.0,) * 3),
    "osnet_x0_25_msmt17.onnx": InputSpec(size_wh=(128, 256), **IMAGENET),
    "mobilenet_v1_0.25_128_fq.onnx": InputSpec(size_wh=(128, 128), mean=HALF, scale=HALF),
    "mobilenet_v2_1.0_224_fq.onnx": InputSpec(size_wh=(224, 224), mean=HALF, scale=HALF),
    "mobilenet_v1_0.25_128_quant.tflite": InputSpec(size_wh=(128, 128), dtype="uint8", layout="nhwc"),
    "mobilenet_v2_1.0_224_quant.tflite": InputSpec(size_wh=(224, 224), dtype="uint8", layout="nhwc"),
    "movenet_lightning_ptq.tflite": InputSpec(size_wh=(192, 192), dtype="uint8", layout="nhwc"),
}
QUANTISED = ("_fq.onnx", ".tflite")


def picture(data, name, spec, crop=None):
    """A picture, or the square of ``crop`` times its shorter side, stretched to ``spec``'s size.

    Returns ``uint8 (1, h, w, 3)`` in ``spec``'s colour order, and the tensor.
    """
    pixels = cv2.imread(str(data / "images" / name))
    if crop is not None:
        h, w = pixels.shape[:2]
        half = int(crop * min(h, w)) // 2
        pixels = pixels[h // 2 - half : h // 2 + half, w // 2 - half : w // 2 + half]
    pixels = cv2.resize(pixels, spec.size_wh)
    pixels = pixels[None] if spec.colour == "bgr" else pixels[None, ..., ::-1]
    values = (pixels.astype(np.float32) - np.float32(spec.mean)) / np.float32(spec.scale)
    values = values if spec.layout == "nhwc" else values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(pixels), np.ascontiguousarray(values.astype(spec.dtype))


@pytest.mark.parametrize("name", MODELS)
def test_the_same_as_openvino_itself_and_fused_the_same_as_not(data, load, name):
    path, spec = data / "models" / name, MODELS[name]
    pixels, tensor = picture(data, "zidane.jpg", spec)
    direct = core.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(tensor)
    session = load(path)
    (input_name,) = session.inputs
    got = infer(session, {input_name: tensor})
    assert list(got) == [next(iter(port.names)) for port in core.read_model(path).outputs]
    fused_session = load(path, fuse={input_name: spec})
    assert fused_session.inputs[input_name].shape == pixels.shape
    fused = infer(fused_session, {input_name: pixels})
    bound = 0.05 if name.endswith(QUANTISED) else 1e-4
    for index, (output, value) in enumerate(got.items()):
        wanted = direct[index].astype(np.float64)
        span = np.ptp(wanted)
        assert span > 0, "the picture says nothing to this model"
        assert np.abs(value - wanted).max() <= 2e-5 * span, output
        assert np.abs(fused[output] - wanted).max() <= bound * span, output


@pytest.mark.parametrize("name", ["mobilenet_v2_1.0_224_fq.onnx", "mobilenet_v2_1.0_224_quant.tflite"])
def test_a_classifier_knows_animals(data, load, name):
    session = load(data / "models" / name)
    (input_name,), (output_name,) = session.inputs, session.outputs
    labels = (data / "models/imagenet_labels_1001.txt").read_text().splitlines()
    for image, label in {"parrot.jpg": "macaw", "cat_720p.jpg": "Egyptian cat"}.items():
        _, values = picture(data, image, MODELS[name], crop=0.875)
        assert labels[int(infer(session, {input_name: values})[output_name].argmax())] == label


def test_a_detector_with_its_decoder_in_the_graph_finds_five_faces(data, load):
    path = data / "models/face-detection-retail-0005.xml"
    _, tensor = picture(data, "faces_5_scouts.jpg", MODELS[path.name])
    rows = infer(load(path), {"input.1": tensor})["527"][0, 0]
    assert (rows[:, 2] > 0.5).sum() == 5


@pytest.mark.parametrize(("name", "accuracy"), [("point_history", 0.961), ("keypoint", 0.970)])
def test_a_sequence_classifier_on_its_own_data(data, load, name, accuracy):
    folder = data / "datasets/hand_gesture_sequences"
    rows = np.loadtxt(folder / f"{name}.csv", delimiter=",", dtype=np.float32)[::5]
    session = load(folder / f"{name}_classifier.tflite", batch=256)
    assert session.max_batch == 256
    chunks = np.array_split(rows[:, 1:], len(rows) // 256 + 1)
    guessed = np.concatenate([infer(session, {"input_1": chunk})["Identity"].argmax(1) for chunk in chunks])
    assert np.mean(guessed == rows[:, 0]) == pytest.approx(accuracy, abs=0.002)


def test_free_height_and_width(data, load):
    session = load(data / "models/yunet_n_dynamic.onnx", slots=1)
    assert session.inputs["input"].shape == (1, 3, None, None)
    for height, width in ((64, 96), (160, 32), (64, 96)):
        result = infer(session, {"input": np.zeros((1, 3, height, width), np.float32)})
        assert result["cls_8"].shape == (1, height * width // 64, 1)
        assert result["kps_32"].shape == (1, height * width // 1024, 10)


def test_a_batch_of_pictures_equals_them_one_by_one(data, load):
    path = data / "models/osnet_x0_25_msmt17.onnx"
    one, many = load(path), load(path, batch=4)
    tensors = [picture(data, name, MODELS[path.name])[1] for name in ("bus.jpg", "dog.jpg", "zidane.jpg")]
    together = infer(many, {"input": np.concatenate(tensors)})["output"]
    for row, tensor in zip(together, tensors, strict=True):
        np.testing.assert_allclose(
            row, infer(one, {"input": tensor})["output"][0], atol=1e-4 * np.abs(row).max()
        )

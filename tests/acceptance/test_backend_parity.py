"""ONNX Runtime against OpenVINO, both at f32: raw outputs on a real picture, for every ONNX model there is."""

import numpy as np
import pytest

from vedette.inference import infer
from vedette.specs import Execution, ModelFiles
from vedette.vision.reference import tensor
from vedette.vision.spec import InputSpec

NOT_HERE = {"qdq_cnn_lstm_parity_trap.onnx"}
"""OpenVINO gives wrong numbers for it: what a golden proof must find out."""

FLOAT = 1e-4
"""The worst difference, relative to the output's range: sums in another order."""
ROUNDED = 0.10
"""With activations rounded to 8 bits, a value at the edge of a step may fall to either side in each layer."""

LETTERBOX = {"resize": "letterbox", "anchor": "top_left", "colour": "bgr"}
STRETCH = {"resize": "stretch"}
CROP = {
    "resize": "crop",
    "crop_fraction": 0.875,
    "kernel": "area",
    "mean": (127.5,) * 3,
    "scale": (127.5,) * 3,
}
IMAGENET = {"mean": (123.675, 116.28, 103.53), "scale": (58.395, 57.12, 57.375)}

MODELS = {  # picture, size_wh, the rest of its InputSpec, bound
    "yolox_nano_coco_416.onnx": ("bus", (416, 416), {**LETTERBOX, "pad": (114,) * 3}, FLOAT),
    "fastestdet_coco_352.onnx": ("bus", (352, 352), {**STRETCH, "colour": "bgr", "scale": (255,) * 3}, FLOAT),
    "ultraface_rfb_320.onnx": (
        "faces_5_scouts",
        (320, 240),
        {**STRETCH, "mean": (127,) * 3, "scale": (128,) * 3},
        FLOAT,
    ),
    "yunet_n_320.onnx": ("faces_5_scouts", (320, 320), LETTERBOX, FLOAT),
    "yunet_n_640.onnx": ("faces_5_scouts", (640, 640), LETTERBOX, FLOAT),
    "yunet_n_dynamic.onnx": ("faces_5_scouts", (480, 352), LETTERBOX, FLOAT),
    "mobilefacenet_112.onnx": (
        "face_1",
        (112, 112),
        {**STRETCH, "mean": (127.5,) * 3, "scale": (128,) * 3},
        FLOAT,
    ),
    "osnet_x0_25_msmt17.onnx": ("person", (128, 256), {**STRETCH, **IMAGENET}, FLOAT),
    "mobilenet_v1_0.25_128_fq.onnx": ("owl", (128, 128), CROP, ROUNDED),
    "mobilenet_v2_1.0_224_fq.onnx": ("owl", (224, 224), CROP, ROUNDED),
}


@pytest.fixture
def raw_outputs(registry, data):
    """``raw_outputs(backend, file, rows)``: every output of a model by name."""
    opened = []

    def run(backend, file, rows):
        files = ModelFiles(format="onnx", paths=(data / "models" / file,))
        session = registry.backends[backend].open(files, "cpu", Execution(precision="f32"), {})
        opened.append(session)
        assert session.execution_precision == "f32"
        (image,) = session.inputs
        return infer(session, {image: rows})

    yield run
    for session in opened:
        session.close()


def test_the_table_has_every_model(data):
    assert {path.name for path in (data / "models").glob("*.onnx")} - NOT_HERE == set(MODELS)


@pytest.mark.parametrize("file", MODELS)
def test_both_backends_give_the_same_numbers(raw_outputs, picture, file):
    name, size_wh, image, bound = MODELS[file]
    spec = InputSpec(size_wh=size_wh, **image)
    pixels = picture(name).pixels
    rows = tensor(spec, pixels if spec.colour == "bgr" else pixels[..., ::-1])[None]
    ours, theirs = (raw_outputs(backend, file, rows) for backend in ("onnxruntime", "openvino"))

    assert list(ours) == list(theirs)
    for output, expected in ours.items():
        given = theirs[output]
        assert (given.dtype, given.shape) == (expected.dtype, expected.shape)
        assert np.ptp(expected) > 0
        assert np.abs(given - expected).max() / np.ptp(expected) <= bound, output
        if bound == ROUNDED:
            assert given.argmax() == expected.argmax()

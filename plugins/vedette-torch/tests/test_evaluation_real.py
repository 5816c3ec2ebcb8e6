"""Known figures of a known detector, through the command."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from vedette.bundle.pack import PackRequest, pack_model
from vedette.cli import main
from vedette.registry import load_plugins

LETTERBOX = {
    "resize": "letterbox",
    "kernel": "bilinear",
    "anchor": "top_left",
    "colour": "bgr",
    "mean": [0],
    "scale": [1],
    "pad": [114],
}
STRETCH = {"resize": "stretch", "kernel": "bilinear", "colour": "bgr", "mean": [0], "scale": [255]}
KNOWN = {
    "yolox": ("yolox_nano_coco_416.onnx", LETTERBOX, 0.513),
    "fastestdet": ("fastestdet_coco_352.onnx", STRETCH, 0.318),
}


@pytest.fixture(scope="module")
def coco128(data, tmp_path_factory) -> Path:
    from vedette_torch.data.unpack import unpack

    folder = tmp_path_factory.mktemp("coco128") / "unpacked"
    return unpack(data / "datasets" / "coco128" / "coco128_train.zip", folder)


@pytest.mark.parametrize(
    ("name", "backend"), [("yolox", "onnxruntime"), ("yolox", "openvino"), ("fastestdet", "openvino")]
)
def test_map50_on_coco128(data, coco128, tmp_path, name, backend):
    model, image, figure = KNOWN[name]
    models, bundle = data / "models", tmp_path / "model.vedette"
    request = PackRequest(
        name=name,
        model=models / model,
        task="detection",
        decoder=name,
        labels=models / "coco80.names",
        licence="Apache-2.0",
        image=image,
        samples=[data / "images" / "bus.jpg"],
    )
    pack_model(request, bundle, registry=load_plugins())
    options = ["--param", "iou_threshold=0.45", "--param", "class_agnostic=false", "--json"]
    done = CliRunner().invoke(
        main, ["evaluate", str(bundle), "--data", str(coco128), "--backend", backend, *options]
    )
    assert done.exit_code == 0, done.output
    plain = json.loads(done.stdout)
    figures, subject = plain["evaluation"]["figures"], plain["evaluation"]["subject"]
    assert figures["map50"]["value"] == pytest.approx(figure, abs=0.005)
    low, high = figures["map50"]["interval"]
    assert low < figures["map50"]["value"] < high
    assert 0.05 < high - low < 0.2
    assert figures["map50_95"]["value"] < figures["map50"]["value"]
    assert (figures["n"], figures["boxes"], len(figures["per_class"])) == (128, 929, 71)
    assert subject["params"]["confidence_threshold"] == 0.01
    assert subject["how"]["backend"].startswith(backend)
    assert subject["proof"] == "passed"
    assert plain["problems"] == 2

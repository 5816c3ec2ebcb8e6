"""The networks of the data folder become bundles."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest

from vedette.bundle.bundle import open_bundle
from vedette.bundle.pack import PackRequest, pack_model
from vedette.errors import BackendError
from vedette.inference import infer
from vedette.results import from_builtins
from vedette.specs import Execution

SIZES = {
    "yolox_nano": (416, 416),
    "fastestdet": (352, 352),
    "ultraface": (320, 240),
    "yunet_320": (320, 320),
    "yunet_640": (640, 640),
    "yunet_dynamic": (320, 320),
    "retail_0005": (300, 300),
    "mobilenet_v2": (224, 224),
}


def test_each_becomes_a_bundle(packed, known, request_for):
    with open_bundle(packed(known)) as bundle:
        bundle.check_files()
        manifest, request = bundle.manifest, request_for(known)
        (graph,) = manifest.graphs.values()
        (entry,) = graph.inputs.values()
        assert (manifest.name, manifest.task, manifest.licence) == (known, request.task, request.licence)
        assert entry.feed.params["size_wh"] == list(SIZES[known])
        assert entry.shape[1:] == (3, SIZES[known][1], SIZES[known][0])
        assert entry.shape[0] == (None if known == "yunet_dynamic" else 1)
        assert manifest.decoder.name == request.decoder
        if "input_wh" in manifest.decoder.params:
            assert manifest.decoder.params["input_wh"] == list(SIZES[known])
        assert len(bundle.labels) == {"yolox_nano": 80, "fastestdet": 80, "mobilenet_v2": 1000}.get(known, 0)
        files = bundle.graph_files(request.storage, "model")
        assert files.model.read_bytes() == request.model.read_bytes()
        assert len(files.paths) == (2 if known == "retail_0005" else 1)


def test_the_model_of_a_bundle_runs_without_its_original(packed, registry):
    """An IR of two files, unpacked from the archive. The session outlives the bundle."""
    with open_bundle(packed("retail_0005")) as bundle:
        files = bundle.graph_files("f32", "model")
        session = registry.backends["openvino"].open(files, "cpu", Execution(), {})
    assert not files.model.exists()
    (output,) = infer(session, {"input.1": np.zeros((1, 3, 300, 300), np.float32)}).values()
    assert output.shape == (1, 1, 200, 7)
    session.close()


@pytest.fixture(scope="module")
def samples(data):
    return [data / "images" / name for name in ("bus.jpg", "cat_720p.jpg")]


@pytest.fixture(scope="module")
def with_goldens(request_for, registry, samples, tmp_path_factory):
    path = tmp_path_factory.mktemp("golden") / "yolox.vedette"
    return pack_model(replace(request_for("yolox_nano"), samples=samples), path, registry=registry)


def test_goldens_hold_what_the_model_answers(with_goldens, samples, registry):
    with open_bundle(with_goldens) as bundle:
        assert [grade.n for grade in bundle.manifest.grades] == [8]
        assert [golden.origin for golden in bundle.manifest.goldens] == ["sample"] * 2 + ["derived"] * 6
        session = registry.backends["onnxruntime"].open(
            bundle.graph_files("f32", "model"), "cpu", Execution(), {}
        )
        results = []
        for golden, sample in zip(bundle.manifest.goldens, samples, strict=False):
            assert bundle.read(golden.image) == sample.read_bytes()
            tensors = np.load(io.BytesIO(bundle.read(golden.tensors)), allow_pickle=False)
            assert set(tensors) == {
                "pixels/model/images", "output/model/output", "affine", "size_wh", "result"
            }  # fmt: skip
            pixels = tensors["pixels/model/images"].transpose(0, 3, 1, 2)
            outputs = infer(session, {"images": np.ascontiguousarray(pixels, np.float32)})
            np.testing.assert_array_equal(outputs["output"], tensors["output/model/output"])
            results.append(from_builtins(json.loads(tensors["result"].tobytes())))
            assert results[-1].labels == (), "they are in the bundle already"
        session.close()
        bus, cat = results
        assert bundle.labels[bus.class_id[0]] == "bus"
        np.testing.assert_allclose(bus.xyxy[0], [13, 231, 801, 732], atol=2)
        assert bundle.labels[cat.class_id[0]] == "cat"


def test_packing_again_gives_the_same_bytes(with_goldens, request_for, registry, samples, tmp_path):
    again = pack_model(
        replace(request_for("yolox_nano"), samples=samples), tmp_path / "x.vedette", registry=registry
    )
    assert again.read_bytes() == with_goldens.read_bytes()


def test_a_tensorflow_lite_file(data, registry, tmp_path):
    request = PackRequest(
        model=data / "models/mobilenet_v1_0.25_128_quant.tflite",
        task="classification",
        decoder="classification",
        params={"activation": "none", "first_class": 1, "scale": 1 / 256, "zero_point": 0},
        licence="Apache-2.0",
        image={"resize": "crop", "kernel": "area", "crop_fraction": 0.875, "colour": "rgb"},
        storage="int8",
    )
    with open_bundle(pack_model(request, tmp_path / "x", registry=registry)) as bundle:
        (entry,) = bundle.manifest.graphs["model"].inputs.values()
        assert (entry.dtype, entry.shape) == ("uint8", (1, 128, 128, 3))
        assert entry.feed.params["layout"] == "nhwc"
        assert bundle.graph_files("int8", "model").format == "tflite"


def test_what_no_backend_can_open_says_why(data, registry, tmp_path):
    request = PackRequest(model=data / "models/keras_lstm_mnist_ptq.tflite")
    with pytest.raises(
        BackendError, match=r"no backend can open it\n  openvino: .*UNIDIRECTIONAL_SEQUENCE_LSTM"
    ):
        pack_model(request, tmp_path / "x", registry=registry)

"""Packing, on small networks: what the file tells, what is asked for, and what does not fit."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from vedette.bundle.bundle import open_bundle
from vedette.bundle.manifest import ConstantFeed, PreprocessFeed, StateFeed
from vedette.bundle.pack import PackRequest, pack_model
from vedette.errors import BackendError, BundleError, VedetteError
from vedette.manager import PluginManager
from vedette.registry import Registry

IMAGE = {
    "colour": "rgb",
    "resize": "stretch",
    "kernel": "bilinear",
    "mean": [127.5],
    "scale": [58.0, 57.0, 56.0],
}


@pytest.fixture
def pack(registry, tmp_path):
    """Pack into a folder and return the manifest."""

    def run(request):
        with open_bundle(pack_model(request, tmp_path / "out", registry=registry, overwrite=True)) as bundle:
            bundle.check_files()
            return bundle.manifest

    return run


def asked(model: Path, **rest) -> PackRequest:
    """A request with all that the classifier needs."""
    known = {"task": "classification", "decoder": "classification", "params": {"activation": "none"}}
    return PackRequest(**{"model": model, "licence": "MIT", "image": IMAGE, **known, **rest})


def refused(pack, request, *reasons):
    with pytest.raises(VedetteError) as caught:
        pack(request)
    for reason in reasons:
        assert reason in str(caught.value)


# --- what the file tells ------------------------------------------------------------------------------------------


def test_everything_is_written_down(pack, classifier):
    manifest = pack(asked(classifier(), origin="https://example.org/tiny"))
    entry = manifest.graphs["model"].inputs["pixels"]
    assert (entry.dtype, entry.shape) == ("float32", (1, 3, 24, 32))
    assert entry.feed == PreprocessFeed(
        name="image",
        params={
            "size_wh": [32, 24],
            "resize": "stretch",
            "anchor": "center",
            "crop_fraction": 1.0,
            "kernel": "bilinear",
            "colour": "rgb",
            "layout": "nchw",
            "dtype": "float32",
            "mean": [127.5, 127.5, 127.5],
            "scale": [58.0, 57.0, 56.0],
            "pad": [0, 0, 0],
        },
    )
    assert manifest.graphs["model"].outputs["scores"].shape == (1, 3)
    assert manifest.decoder.params["activation"] == "none"
    assert "top_k" in manifest.decoder.params, "defaults are written down, too"
    assert [(g.variant, g.precision, g.metric, g.value, g.n) for g in manifest.grades] == [
        ("f32", "f32", "reference", 1.0, 8)
    ]
    assert manifest.provenance.origin == "https://example.org/tiny"
    assert re.fullmatch(
        r"vedette [\d.]+ pack, reference onnxruntime [\d.]+ on cpu at f32", manifest.provenance.recipe
    )


@pytest.mark.parametrize(
    ("options", "image", "want"),
    [
        ({"shape": (1, 24, 32, 3), "nhwc": True}, {}, {"layout": "nhwc", "size_wh": [32, 24]}),
        (
            {"shape": (1, 1, 24, 32), "channels": 1},
            {"colour": ..., "scale": [2]},
            {"colour": "gray", "scale": [2.0]},
        ),
        ({"dtype": "UINT8"}, {"mean": ..., "scale": ...}, {"dtype": "uint8", "scale": [1.0, 1.0, 1.0]}),
        ({"shape": ("n", 3, "h", "w")}, {"size_wh": [8, 6]}, {"size_wh": [8, 6], "layout": "nchw"}),
        ({"shape": (1, 3, 24, 3)}, {"layout": "nchw"}, {"layout": "nchw", "size_wh": [3, 24]}),
        ({"shape": (1, "c", 24, 32)}, {"layout": "nchw"}, {"size_wh": [32, 24]}),
        ({"shape": (4, 3, 24, 32)}, {}, {"size_wh": [32, 24]}),
        (
            {},
            {"pad": [7], "resize": "letterbox", "anchor": "top_left"},
            {"pad": [7, 7, 7], "anchor": "top_left"},
        ),
    ],
)
def test_kinds_of_pictures(pack, classifier, options, image, want):
    fields = {name: value for name, value in {**IMAGE, **image}.items() if value is not ...}
    manifest = pack(asked(classifier(**options), image=fields))
    entry = manifest.graphs["model"].inputs["pixels"]
    assert {name: entry.feed.params[name] for name in want} == want
    batch = options.get("shape", (1,))[0]
    assert entry.shape[0] == (None if batch == "n" else batch)


def test_the_size_of_the_picture_goes_to_the_decoder(pack, network):
    nodes = [  # a head over 4 x 4, 2 x 2 and 1 cells
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["row"]),
        helper.make_node("Reshape", ["row", "shape"], ["output"]),
    ]
    weights = {"weights": np.zeros((1, 21 * 6), np.float32), "shape": np.array([1, 21, 6])}
    model = network(nodes, {"images": ("FLOAT", (1, 3, 32, 32))}, {"output": ("FLOAT", (1, 21, 6))}, weights)
    manifest = pack(asked(model, task="detection", decoder="yolox", params={}))
    assert manifest.decoder.params["input_wh"] == [32, 32]
    given = asked(model, task="detection", decoder="yolox", params={"input_wh": [64, 32]})
    refused(pack, given, "a trial run on a grey picture failed", "42 anchors")


def test_names_come_from_the_file(pack, classifier):
    assert pack(asked(classifier(name="My Model (v2).onnx"))).name == "my-model-v2"


def test_the_default_output(registry, classifier, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = pack_model(asked(classifier(), name="tiny", version="0.3.0"), registry=registry)
    assert path == Path("tiny-0.3.0.vedette")
    assert path.is_file()
    refused(
        lambda request: pack_model(request, registry=registry),
        asked(classifier(), name="tiny", version="0.3.0"),
        "exists",
    )


# --- what is asked for --------------------------------------------------------------------------------------------


def test_all_that_is_missing_is_listed_at_once(pack, classifier):
    with pytest.raises(BundleError) as caught:
        pack(PackRequest(model=classifier(shape=("n", 3, "h", "w"))))
    options = re.findall(r"^ +(--[a-z-]+) ", caught.value.fix, re.MULTILINE)
    assert options == [
        "--task", "--decoder", "--licence", "--input-size", "--colour", "--resize", "--kernel", "--mean", "--scale"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "request_fields", "missing"),
    [
        (
            {},
            {"params": {}},
            "--param activation=VALUE  a parameter of decoder classification: softmax, sigmoid, none",
        ),
        ({}, {"licence": None}, "--licence"),
        ({"shape": (1, 3, 24, 3)}, {}, "--layout"),
        ({"shape": (1, "c", 24, 32)}, {}, "--layout"),
        ({}, {"image": IMAGE | {"resize": "letterbox"}}, "--anchor"),
        ({}, {"image": IMAGE | {"resize": "letterbox"}}, "--pad"),
        ({}, {"image": IMAGE | {"resize": "crop"}}, "--crop-fraction"),
    ],
)
def test_each_of_them(pack, classifier, options, request_fields, missing):
    refused(pack, asked(classifier(**options), **request_fields), missing)


def test_an_input_that_is_no_picture_is_asked_about(pack, network):
    node = helper.make_node("Softmax", ["x"], ["scores"])
    model = network([node], {"x": ("FLOAT", (1, 3))}, {"scores": ("FLOAT", (1, 3))}, {})
    refused(
        pack,
        asked(model),
        "--feed x=SOURCE  what fills x float32 (1, 3): image, reference:FILE or constant:VALUE (or --state x=OUTPUT)",
    )
    manifest = pack(asked(model, feeds={"x": ConstantFeed(value=[1, 2, 3])}))
    assert manifest.graphs["model"].inputs["x"].feed == ConstantFeed(value=[1, 2, 3])
    refused(
        pack, asked(model, feeds={"x": PreprocessFeed(name="image")}), "input x float32 (1, 3) is no picture"
    )


# --- several inputs and state -------------------------------------------------------------------------------------


@pytest.fixture
def memory(network):
    """A recurrent network with a picture, a constant and a state as inputs."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixels"], ["means"]),
        helper.make_node("Flatten", ["means"], ["features"]),
        helper.make_node("Mul", ["features", "gain"], ["louder"]),
        helper.make_node("Add", ["louder", "h_in"], ["h_out"]),
        helper.make_node("Softmax", ["h_out"], ["scores"]),
    ]
    inputs = {"pixels": ("FLOAT", ("n", 3, 8, 8)), "gain": ("FLOAT", (1, 3)), "h_in": ("FLOAT", ("n", 3))}
    return network(nodes, inputs, {"scores": ("FLOAT", ("n", 3)), "h_out": ("FLOAT", ("n", 3))}, {})


def test_a_picture_a_constant_and_a_state(pack, memory):
    request = asked(
        memory,
        feeds={"gain": ConstantFeed(value=[0.5, 1, 2])},
        state={"h_in": "h_out"},
        params={"activation": "none", "output": "scores"},
    )
    graph = pack(request).graphs["model"]
    assert graph.inputs["h_in"].feed == StateFeed()
    assert (graph.inputs["h_in"].shape, graph.inputs["pixels"].feed.name) == ((None, 3), "image")
    assert [(pair.input, pair.output, pair.init) for pair in graph.state] == [("h_in", "h_out", 0.0)]
    refused(pack, replace(request, state={}), "--feed h_in=SOURCE", "--feed pixels=SOURCE")
    refused(pack, replace(request, state={"h": "h_out"}), "there is no input 'h'", "h_in float32 (?, 3)")
    refused(pack, replace(request, state={"h_in": "h"}), "there is no output 'h'", "h_out float32 (?, 3)")
    refused(
        pack,
        replace(request, state={"h_in": "h_out", "gain": "scores"}),
        "'gain' has both --feed and --state",
    )
    refused(
        pack,
        replace(request, feeds={"gain": ConstantFeed(value=[1, 2])}),
        "tiny.onnx: the constant is (2,), a row (3,)",
    )


# --- what does not fit --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "reasons"),
    [
        ({"decoder": "clasification"}, ["there is no postprocessor 'clasification'", "classification"]),
        ({"params": {"activation": "none", "topk": 3}}, ["decoder classification: ", "`topk`", "top_k"]),
        ({"params": {"activation": "relu"}}, ["decoder classification.activation: ", "relu"]),
        ({"image": IMAGE | {"kernel": "cubic"}}, ["image.kernel: ", "cubic"]),
        ({"image": IMAGE | {"pad": [256]}}, ["image.pad[0]: "]),
        ({"image": IMAGE | {"pad": 256}}, ["image.pad[0]: "]),
        ({"image": IMAGE | {"mean": "grey"}}, ["image.mean[0]: "]),
        ({"image": IMAGE | {"mean": [1, 2]}}, ["image: mean has 2 values but colour 'rgb' has 3 channels"]),
        ({"image": IMAGE | {"scale": [0]}}, ["image: scale must be finite and not zero"]),
        (
            {"image": IMAGE | {"mean": [0.485], "scale": [0.25]}},
            ["--scale 0.25", "--mean 123.675,", "--scale 63.75,"],
        ),
        ({"image": IMAGE | {"size_wh": [32, 32]}}, ["is 32 x 24 pixels, not 32 x 32"]),
        ({"image": IMAGE | {"layout": "nhwc"}}, ["has 32 channels in layout nhwc"]),
        (
            {"image": IMAGE | {"colour": "gray", "scale": [1]}},
            ["does not have the channels of --colour gray"],
        ),
        ({"image": IMAGE | {"crop_fraction": 0.5}}, ["image: crop_fraction goes with resize 'crop'"]),
        (
            {"image": IMAGE | {"dtype": "uint8", "mean": [0], "scale": [1]}},
            ["tiny.onnx: the image is uint8, the input float32"],
        ),
        ({"name": "Tiny Model"}, ["tiny.onnx: ", "`$.name`"]),
        ({"version": "1"}, ["tiny.onnx: ", "`$.version`"]),
        (
            {"decoder": "ultraface", "params": {}},
            ["a trial run on a grey picture failed", "'ultraface'", "(1, 3)"],
        ),
        ({"feeds": {"x": ConstantFeed(value=1)}}, ["there is no input 'x'", "pixels float32 (1, 3, 24, 32)"]),
        ({"feeds": {"pixels": PreprocessFeed(name="imagine")}}, ["there is no preprocessor 'imagine'"]),
        ({"backend": "tensorrt"}, ["there is no backend 'tensorrt'"]),
        ({"samples": [Path(__file__)]}, ["test_pack.py: not a picture"]),
        ({"samples": [Path("missing.jpg")]}, ["missing.jpg: cannot be read: No such file"]),
        ({"labels": Path("missing.txt")}, ["missing.txt: cannot be read"]),
        (
            {"beside": [Path("missing.data")]},
            ["missing.data: there is no such file (it belongs to tiny.onnx)"],
        ),
    ],
)
def test_wrong_values(pack, classifier, fields, reasons):
    refused(pack, asked(classifier(), **fields), *reasons)


def test_tensors_that_cannot_be_filled(pack, classifier, network):
    refused(pack, asked(classifier(dtype="FLOAT16")), "pixels float16 (1, 3, 24, 32) is no picture")
    refused(
        pack,
        asked(classifier((1, 4, 24, 32), channels=4), image=IMAGE | {"layout": "nchw"}),
        "has 4 channels",
    )
    nodes = [helper.make_node("Mul", ["x", "gain"], ["y"])]
    model = network(nodes, {"x": ("FLOAT", (1, 3)), "gain": ("FLOAT", ())}, {"y": ("FLOAT", (1, 3))}, {})
    refused(pack, asked(model), "gain float32 () is a single number")


def test_labels_must_fit_the_model(pack, classifier, tmp_path):
    labels = tmp_path / "names.txt"
    labels.write_text("a\nb\nc\n")
    assert pack(asked(classifier(), labels=labels)).labels == "labels.txt"
    labels.write_text("a\nb\n")
    refused(pack, asked(classifier(), labels=labels), "the model has 3 classes, but the bundle has 2 labels")
    labels.write_text("a\n\nc\n")
    refused(pack, asked(classifier(), labels=labels), "names.txt: line 2 is not a label")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("model.pt", b"", "not a model file that can be packed"),
        ("model.onnx", None, "there is no such file"),
        ("model.onnx", b"not onnx", "model.onnx: cannot be read as ONNX"),
        ("model.xml", b"<net/>", "model.bin: there is no such file (it belongs to model.xml)"),
    ],
)
def test_files(pack, tmp_path, name, content, reason):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    refused(pack, asked(tmp_path / name), reason)


def test_a_format_that_no_backend_reads(classifier, tmp_path, registry):
    (tmp_path / "x.xml").write_bytes(b"<net/>")
    (tmp_path / "x.bin").write_bytes(b"")
    request = asked(tmp_path / "x.xml")
    with pytest.raises(BackendError, match="no backend here reads openvino files; there are: none"):
        pack_model(request, tmp_path / "out", registry=Registry(PluginManager()))
    with pytest.raises(BackendError, match="backend 'onnxruntime' does not read openvino files"):
        pack_model(replace(request, backend="onnxruntime"), tmp_path / "out", registry=registry)


# --- files that belong to the model -------------------------------------------------------------------------------


def test_weights_in_a_file_of_their_own(pack, classifier, tmp_path, registry):
    external = {"save_as_external_data": True, "location": "tiny.data", "size_threshold": 0}
    model = classifier(name="source/tiny.onnx", **external)
    weights = model.with_name("tiny.data")
    assert weights.is_file()
    refused(pack, asked(model), "opens in its own folder, but not in a bundle", "--beside")
    path = pack_model(asked(model, beside=[weights]), tmp_path / "x.vedette", registry=registry)
    model.unlink()
    weights.unlink()
    with open_bundle(path) as bundle:
        assert [file.name for file in bundle.graph_files("f32", "model").paths] == ["model.onnx", "tiny.data"]


def test_an_openvino_model_of_two_files(pack, classifier, tmp_path):
    openvino = pytest.importorskip("vedette_openvino.runtime", reason="vedette-openvino is not installed").ov
    openvino.save_model(openvino.convert_model(classifier()), tmp_path / "net.xml", compress_to_fp16=False)
    stored = pack(asked(tmp_path / "net.xml")).variants["f32"].graphs["model"]
    assert (stored.format, stored.files) == ("openvino", ("variants/f32/model.xml", "variants/f32/model.bin"))

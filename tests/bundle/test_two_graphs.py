"""A recurrent model as two graphs, a network and a GRU step: written, read, run in both runtimes, recorded."""

from contextlib import ExitStack, closing

import numpy as np
import pytest
from onnx import helper

from vedette.bundle.bundle import open_bundle
from vedette.bundle.goldens import Recorder
from vedette.bundle.manifest import (
    Decoder,
    Graph,
    GraphFiles,
    Input,
    Manifest,
    Output,
    PreprocessFeed,
    Run,
    StateFeed,
    StatePair,
    TensorFeed,
    Variant,
)
from vedette.bundle.write import write_bundle
from vedette.frame import Packed
from vedette.inference import infer
from vedette.specs import Execution

HIDDEN, FEATURES, CLASSES = 8, 3, 4
IMAGE = {"size_wh": [16, 12], "resize": "stretch", "mean": [0, 0, 0], "scale": [255, 255, 255]}


@pytest.fixture
def weights():
    draw = np.random.default_rng(7)
    shapes = {
        "W": (1, 3 * HIDDEN, FEATURES),
        "R": (1, 3 * HIDDEN, HIDDEN),
        "B": (1, 6 * HIDDEN),
        "V": (HIDDEN, CLASSES),
    }
    return {name: draw.normal(scale=0.5, size=shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def bundle(network, weights, tmp_path):
    pool = helper.make_node("GlobalAveragePool", ["pixels"], ["means"])
    flatten = helper.make_node("Flatten", ["means"], ["features"])
    pixels, features = {"pixels": ("FLOAT", ("n", 3, 12, 16))}, {"features": ("FLOAT", ("n", FEATURES))}
    cnn = network([pool, flatten], pixels, features, {}, name="cnn.onnx")
    step = network(
        [
            helper.make_node("Unsqueeze", ["x", "first"], ["sequence"]),
            helper.make_node("Unsqueeze", ["h_in", "first"], ["h0"]),
            helper.make_node(
                "GRU",
                ["sequence", "W", "R", "B", "", "h0"],
                ["", "h1"],
                hidden_size=HIDDEN,
                linear_before_reset=1,
            ),
            helper.make_node("Squeeze", ["h1", "first"], ["h_out"]),
            helper.make_node("MatMul", ["h_out", "V"], ["scores"]),
        ],
        {"x": ("FLOAT", ("n", FEATURES)), "h_in": ("FLOAT", ("n", HIDDEN))},
        {"scores": ("FLOAT", ("n", CLASSES)), "h_out": ("FLOAT", ("n", HIDDEN))},
        weights | {"first": np.array([0])},
        name="step.onnx",
    )
    graphs = {
        "cnn": Graph(
            inputs={
                "pixels": Input(
                    dtype="float32", shape=(None, 3, 12, 16), feed=PreprocessFeed(name="image", params=IMAGE)
                )
            },
            outputs={"features": Output(dtype="float32", shape=(None, FEATURES))},
        ),
        "step": Graph(
            inputs={
                "x": Input(
                    dtype="float32", shape=(None, FEATURES), feed=TensorFeed(graph="cnn", output="features")
                ),
                "h_in": Input(dtype="float32", shape=(None, HIDDEN), feed=StateFeed()),
            },
            outputs={
                "scores": Output(dtype="float32", shape=(None, CLASSES)),
                "h_out": Output(dtype="float32", shape=(None, HIDDEN)),
            },
            state=(StatePair(input="h_in", output="h_out", init=0.25),),
        ),
    }
    manifest = Manifest(
        schema=1,
        name="gru",
        version="1.0.0",
        task="clip",
        licence="MIT",
        graphs=graphs,
        program=(Run(run="cnn"), Run(run="step")),
        decoder=Decoder(
            name="classification", params={"activation": "softmax", "output": "scores", "top_k": CLASSES}
        ),
        variants={
            "f32": Variant(
                graphs={
                    name: GraphFiles(format="onnx", files=(f"variants/f32/{name}.onnx",)) for name in graphs
                }
            )
        },
        files={},
    )
    path = write_bundle(
        tmp_path / "gru.vedette", manifest, {"variants/f32/cnn.onnx": cnn, "variants/f32/step.onnx": step}
    )
    with open_bundle(path) as opened:
        yield opened


@pytest.fixture(params=["onnxruntime", "openvino"])
def backend(request, registry):
    return registry.backends[request.param]


@pytest.fixture
def sessions(bundle, backend):
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                closing(backend.open(bundle.graph_files("f32", name), "cpu", Execution(batch=2), {}))
            )
            for name in bundle.manifest.graphs
        }


def gru(weights, x, h):
    """One step as the ONNX specification writes it (linear_before_reset = 1)."""

    def sigmoid(value):
        return 1 / (1 + np.exp(-value))

    wz, wr, wh = np.split(weights["W"][0], 3)
    rz, rr, rh = np.split(weights["R"][0], 3)
    bz, br, bh, cz, cr, ch = np.split(weights["B"][0], 6)
    z = sigmoid(x @ wz.T + h @ rz.T + bz + cz)
    r = sigmoid(x @ wr.T + h @ rr.T + br + cr)
    candidate = np.tanh(x @ wh.T + bh + r * (h @ rh.T + ch))
    return (1 - z) * candidate + z * h


def test_the_state_is_carried_on(sessions, weights):
    draw = np.random.default_rng(1)
    h = want = np.full((2, HIDDEN), 0.25, np.float32)
    for _ in range(5):
        pictures = draw.random((2, 3, 12, 16), np.float32)
        x = infer(sessions["cnn"], {"pixels": pictures})["features"]
        outputs = infer(sessions["step"], {"x": x, "h_in": h})
        want = gru(weights, pictures.mean(axis=(2, 3)), want)
        np.testing.assert_allclose(outputs["h_out"], want, atol=1e-5)
        np.testing.assert_allclose(outputs["scores"], want @ weights["V"], atol=1e-5)
        h = outputs["h_out"]


def test_a_recording_has_every_graph_and_starts_from_the_initial_state(
    bundle, sessions, backend, registry, weights
):
    recorder = Recorder(bundle, registry, backend, sessions)
    recording = recorder.record(Packed("rgb", np.full((30, 40, 3), [255, 51, 0], np.uint8)))
    x, h = np.array([[1.0, 0.2, 0.0]], np.float32), np.full((1, HIDDEN), 0.25, np.float32)
    np.testing.assert_allclose(recording.inputs["step"]["x"], x, atol=1e-6)
    np.testing.assert_array_equal(recording.inputs["step"]["h_in"], h)
    assert recording.inputs["cnn"]["pixels"].shape == (1, 3, 12, 16)
    scores = gru(weights, x, h) @ weights["V"]
    np.testing.assert_allclose(recording.outputs["step"]["scores"], scores, atol=1e-5)
    np.testing.assert_array_equal(recording.result.class_id, np.argsort(-scores))

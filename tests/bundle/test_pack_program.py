"""Bundles of several graphs: a network with a recurrent step, one over clips, packed with goldens and proved."""

import io

import numpy as np
import pytest
from onnx import helper
from PIL import Image

from vedette.bundle.bundle import open_bundle
from vedette.bundle.manifest import (
    Decoder,
    Graph,
    GraphFiles,
    Input,
    Manifest,
    Output,
    PreprocessFeed,
    ResultFeed,
    Run,
    StateFeed,
    StatePair,
    Temporal,
    TensorFeed,
    Variant,
)
from vedette.bundle.pack_program import Moment, pack_program
from vedette.bundle.recording import Recording, images_of
from vedette.errors import BundleError, VedetteError
from vedette.model.candidates import Wanted
from vedette.model.loading import Replace
from vedette.proof.verify import verify
from vedette.results import Embedding

MOMENTS, CLIP = 9, 4
IMAGE = {"size_wh": [16, 12], "resize": "stretch", "scale": [255, 255, 255]}


def picture(value: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((12, 16, 3), [value, 255 - value, 40], np.uint8)).save(file, "PNG")
    return file.getvalue()


MOVING = [Moment(picture=picture(20 * number)) for number in range(MOMENTS)]


def manifest(graphs, temporal=None, storage="f32", variants=("f32",)):
    return Manifest(
        schema=1,
        name="moving",
        version="1.0.0",
        task="clip",
        licence="MIT",
        graphs=graphs,
        program=tuple(Run(run=name) for name in graphs),
        decoder=Decoder(name="classification", params={"activation": "softmax", "output": "scores"}),
        variants={
            variant: Variant(
                graphs={
                    name: GraphFiles(format="onnx", files=(f"{name}.onnx",), storage=storage)
                    for name in graphs
                }
            )
            for variant in variants
        },
        files={},
        temporal=temporal,
    )


@pytest.fixture
def recurrent(network):
    """Means of the channels, and a leaky sum of them: two graphs."""
    network(
        [
            helper.make_node("GlobalAveragePool", ["pixels"], ["means"]),
            helper.make_node("Flatten", ["means"], ["x"]),
        ],
        {"pixels": ("FLOAT", ("n", 3, 12, 16))},
        {"x": ("FLOAT", ("n", 3))},
        {},
        name="cnn.onnx",
    )
    step = network(
        [
            helper.make_node("Mul", ["h", "leak"], ["kept"]),
            helper.make_node("Add", ["kept", "x"], ["h_next"]),
            helper.make_node("Neg", ["h_next"], ["scores"]),
        ],
        {"x": ("FLOAT", ("n", 3)), "h": ("FLOAT", ("n", 3))},
        {"scores": ("FLOAT", ("n", 3)), "h_next": ("FLOAT", ("n", 3))},
        {"leak": np.array([0.5], np.float32)},
        name="step.onnx",
    )
    vector = {"dtype": "float32", "shape": (None, 3)}
    image = Input(dtype="float32", shape=(None, 3, 12, 16), feed=PreprocessFeed(name="image", params=IMAGE))
    graphs = {
        "cnn": Graph(inputs={"pixels": image}, outputs={"x": Output(**vector)}),
        "step": Graph(
            inputs={
                "x": Input(**vector, feed=TensorFeed(graph="cnn", output="x")),
                "h": Input(**vector, feed=StateFeed()),
            },
            outputs={"scores": Output(**vector), "h_next": Output(**vector)},
            state=(StatePair(input="h", output="h_next"),),
        ),
    }
    return graphs, {f"{name}.onnx": step.parent / f"{name}.onnx" for name in graphs}


def recordings(path):
    with open_bundle(path) as bundle:
        images = images_of(bundle.manifest)
        return [
            Recording.from_npz(bundle.read(golden.tensors), golden.tensors, images)
            for golden in bundle.manifest.goldens
        ]


def passes_everywhere(path, registry):
    with open_bundle(path) as bundle:
        verdicts = list(verify(bundle, registry, Wanted(), Replace(), threads=1))
    assert {item.backend for item in verdicts} == {"onnxruntime", "openvino"}
    return [item.problem for item in verdicts if not item.passed] == []


def test_goldens_are_one_stream_from_the_initial_state(recurrent, registry, tmp_path):
    graphs, contents = recurrent
    path = pack_program(manifest(graphs), contents, MOVING, tmp_path / "moving.vedette", registry=registry)
    state = np.zeros(3)
    for number, recording in enumerate(recordings(path)):
        np.testing.assert_allclose(recording.inputs["step"]["h"][0], state, atol=1e-5)
        state = 0.5 * state + np.array([20 * number, 255 - 20 * number, 40]) / 255
        np.testing.assert_allclose(recording.outputs["step"]["scores"][0], -state, atol=1e-5)
    assert passes_everywhere(path, registry)


def test_a_clip_fills_up_and_moves_on(network, registry, tmp_path):
    clip = network(
        [
            helper.make_node("ReduceMean", ["clip"], ["means"], axes=[3, 4], keepdims=0),
            helper.make_node("Flatten", ["means"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
        ],
        {"clip": ("FLOAT", ("n", CLIP, 3, 12, 16))},
        {"scores": ("FLOAT", ("n", 3))},
        {"weights": np.random.default_rng(0).normal(size=(3 * CLIP, 3)).astype(np.float32)},
        name="model.onnx",
    )
    feed = PreprocessFeed(name="image", params=IMAGE)
    shape = (None, CLIP, 3, 12, 16)
    graph = Graph(
        inputs={"clip": Input(dtype="float32", shape=shape, feed=feed, clip=True)},
        outputs={"scores": Output(dtype="float32", shape=(None, 3))},
    )
    made = manifest({"model": graph}, temporal=Temporal(rate_hz=10, window=CLIP))
    path = pack_program(made, {"model.onnx": clip}, MOVING, tmp_path / "clip.vedette", registry=registry)
    red = [np.rint(item.inputs["model"]["clip"][0, :, 0, 0, 0] * 255).tolist() for item in recordings(path)]
    assert red[:3] == [[0, 0, 0, 0], [0, 0, 0, 20], [0, 0, 20, 40]]
    assert red[-1] == [100, 120, 140, 160]
    assert passes_everywhere(path, registry)


def test_a_model_that_sees_no_picture(network, registry, tmp_path):
    model = network(
        [helper.make_node("Neg", ["x"], ["scores"])],
        {"x": ("FLOAT", ("n", 4))},
        {"scores": ("FLOAT", ("n", 4))},
        {},
        name="model.onnx",
    )
    graph = Graph(
        inputs={"x": Input(dtype="float32", shape=(None, 4), feed=ResultFeed(stage="who", field="vector"))},
        outputs={"scores": Output(dtype="float32", shape=(None, 4))},
    )
    vectors = np.random.default_rng(0).normal(size=(MOMENTS, 1, 4)).astype(np.float32)
    moments = [Moment(results={"who": Embedding(vector=vector)}) for vector in vectors]
    path = pack_program(
        manifest({"model": graph}), {"model.onnx": model}, moments, tmp_path / "x.vedette", registry=registry
    )
    for vector, recording in zip(vectors, recordings(path), strict=True):
        np.testing.assert_array_equal(recording.inputs["model"]["x"], vector)
    assert passes_everywhere(path, registry)
    with pytest.raises(BundleError, match="moment 0"):
        pack_program(
            manifest({"model": graph}), {"model.onnx": model}, MOVING, tmp_path / "y", registry=registry
        )
    assert not (tmp_path / "y").exists()


def test_what_cannot_be_proved_is_refused(recurrent, registry, tmp_path):
    graphs, contents = recurrent

    def pack(made, moments=MOVING):
        return pack_program(made, contents, moments, tmp_path / "no.vedette", registry=registry)

    with pytest.raises(BundleError, match="too few"):
        pack(manifest(graphs), MOVING[:3])
    with pytest.raises(BundleError, match="nobody measured"):
        pack(manifest(graphs, storage="int8"))
    with pytest.raises(VedetteError, match="cnn"):
        pack(manifest({**graphs, "cnn": graphs["step"]}))
    assert not (tmp_path / "no.vedette").exists()


def test_each_variant_has_goldens_of_its_own(recurrent, registry, tmp_path):
    graphs, contents = recurrent
    path = pack_program(
        manifest(graphs, variants=("one", "two")), contents, MOVING, tmp_path / "two", registry=registry
    )
    with open_bundle(path) as bundle:
        goldens = bundle.manifest.goldens
        assert [golden.variant for golden in goldens] == ["one"] * MOMENTS + ["two"] * MOMENTS
        assert len({golden.image for golden in goldens}) == MOMENTS
        assert {grade.variant for grade in bundle.manifest.grades} == {"one", "two"}

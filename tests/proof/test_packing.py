"""Goldens as ``pack`` records them: by which oracle, from which pictures, over time."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from vedette.bundle.bundle import open_bundle
from vedette.bundle.manifest import Tolerance
from vedette.bundle.pack import pack_model
from vedette.bundle.recording import Recording, images_of
from vedette.bundle.samples import draw, encode_png
from vedette.errors import BundleError

BOTH = ("onnxruntime", "openvino")


def test_a_golden_of_the_float_model_judges_the_quantised_one(small_request, registry, tmp_path, load):
    request = replace(
        small_request, storage="int8", oracle="fp32-relative", reference=small_request.model,
        tolerance=Tolerance(worst=0.2, rms=0.05),
    )  # fmt: skip
    path = pack_model(request, tmp_path / "x", registry=registry)
    proof = load(path).standing.proof
    assert proof.oracle.startswith("fp32-relative (onnxruntime ")
    assert proof.tolerance == Tolerance(worst=0.2, rms=0.05)
    with pytest.raises(BundleError, match="go together"):
        pack_model(replace(request, reference=None), tmp_path / "y", registry=registry)
    literal = replace(small_request, oracle="literal", backend="openvino")
    with pytest.raises(BundleError, match="only onnxruntime runs a file literally, not openvino"):
        pack_model(literal, tmp_path / "y", registry=registry)


def test_packing_says_where_the_pictures_come_from(small_request, registry, tmp_path, small):
    pictures = []
    for number, picture in enumerate(draw(9)):
        pictures.append(tmp_path / f"{number}.png")
        pictures[-1].write_bytes(encode_png(picture))
    for given, origins in (
        (0, ["synthetic"] * 8),
        (3, ["sample"] * 3 + ["derived"] * 5),
        (9, ["sample"] * 9),
    ):
        request = replace(small_request, samples=pictures[:given])
        path = pack_model(request, tmp_path / "x", registry=registry, overwrite=True)
        with open_bundle(path) as bundle:
            assert [golden.origin for golden in bundle.manifest.goldens] == origins


def test_a_model_with_state_is_judged_over_time(network_with_state, registry, tmp_path, load):
    path = pack_model(network_with_state, tmp_path / "state", registry=registry)
    with open_bundle(path) as bundle:
        images = images_of(bundle.manifest)
        first, second = (
            Recording.from_npz(bundle.read(golden.tensors), "", images)
            for golden in bundle.manifest.goldens[:2]
        )
        assert (first.inputs["model"]["h_in"] == 0).all()
        np.testing.assert_array_equal(second.inputs["model"]["h_in"], first.outputs["model"]["h_out"])
    for backend in BOTH:
        assert load(path, backend=backend).standing.verdict == "passed"


@pytest.fixture
def network_with_state(tmp_path, small_request):
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixels"], ["means"]),
        helper.make_node("Flatten", ["means"], ["features"]),
        helper.make_node("Add", ["features", "h_in"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["h_out"]),
        helper.make_node("Softmax", ["h_out"], ["scores"]),
    ]
    tensors = {"pixels": ("n", 3, 8, 8), "h_in": ("n", 3), "scores": ("n", 3), "h_out": ("n", 3)}
    infos = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in tensors.items()
    }
    graph = helper.make_graph(
        nodes, "state", [infos["pixels"], infos["h_in"]], [infos["scores"], infos["h_out"]]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, tmp_path / "state.onnx")
    return replace(
        small_request, model=tmp_path / "state.onnx", state={"h_in": "h_out"},
        params={"activation": "none", "output": "scores"},
    )  # fmt: skip

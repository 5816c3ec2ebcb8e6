"""Small detectors in int8: the same objects by another of their proposals pass the proof, broken files do not."""

from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from vedette.bundle.bundle import open_bundle
from vedette.bundle.pack import PackRequest, pack_model
from vedette.registry import load_plugins
from vedette_torch.quantise.bench import WIDEST
from vedette_torch.quantise.calibration import CalibrationSet
from vedette_torch.quantise.measure import proof_of
from vedette_torch.quantise.method import GraphContent, prepare_qdq
from vedette_torch.quantise.run import open_float
from vedette_torch.quantise.seal import record, write_draft

PHOTOGRAPHS = ("bus", "dog", "person", "zidane", "faces_2", "cat_720p", "owl", "faces_5_scouts")


@pytest.fixture(scope="module")
def registry():
    return load_plugins()


@pytest.fixture(scope="module")
def fastestdet(data, registry, tmp_path_factory):
    """``draft(change)``: FastestDet in int8 alone, with the goldens of the file as it was before ``change(model)``."""
    folder = tmp_path_factory.mktemp("fastestdet")
    paths = [data / "images" / f"{name}.jpg" for name in PHOTOGRAPHS]
    request = PackRequest(
        model=data / "models" / "fastestdet_coco_352.onnx",
        task="detection",
        decoder="fastestdet",
        licence="BSD-3-Clause",
        labels=(data / "models/coco80.names").read_text().splitlines(),
        image={"resize": "stretch", "kernel": "bilinear", "colour": "bgr", "mean": [0], "scale": [255]},
        samples=paths,
    )
    with ExitStack() as stack:
        bundle = stack.enter_context(
            open_bundle(pack_model(request, folder / "f32.vedette", registry=registry))
        )
        trial = stack.enter_context(open_float(bundle, "f32", registry))
        method = prepare_qdq(
            bundle, "f32", CalibrationSet(trial, paths, "photographs"), "minmax", lambda text: None
        )
        graphs = method.quantise((), folder)
        with open_bundle(write_draft(folder / "bare", bundle, "int8", graphs)) as bare:
            recorded = replace(record(bundle, bare, "f32", True, registry), tolerance=WIDEST)

        def draft(change=lambda model: None):
            (content,) = graphs.values()
            model = onnx.load_from_string(content.files["model.onnx"])
            change(model)
            changed = {
                "model": GraphContent(
                    format="onnx", storage="int8", files={"model.onnx": model.SerializeToString()}
                )
            }
            path = write_draft(
                folder / f"draft-{len(list(folder.iterdir()))}", bundle, "int8", changed, recorded
            )
            return stack.enter_context(open_bundle(path))

        yield draft


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_the_same_objects_by_other_proposals_pass(fastestdet, registry, backend):
    proof = proof_of(fastestdet(), "int8", backend, registry)
    assert proof.problem == ""
    assert proof.decoded.agreeing == proof.decoded.total > 30


def scales(model):
    """The scales of the int8 weights, in the order of the layers."""
    stored = {item.name: item for item in model.graph.initializer}
    return [
        stored[node.input[1]]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear"
        and node.input[0] in stored
        and stored[node.input[0]].data_type == 3
    ]


def multiply(index, factor):
    def change(model):
        scale = scales(model)[index]
        scale.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scale) * np.float32(factor), scale.name))

    return change


@pytest.mark.parametrize("layer", [0, 10, 20])
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_one_scale_that_is_a_tenth_too_large_is_refused(fastestdet, registry, backend, layer):
    assert proof_of(fastestdet(multiply(layer, 1.1)), "int8", backend, registry).problem


def shift_boxes(model):
    """All boxes up to a cell too far to the right: no score is other than it was."""
    (output,) = (item.name for item in model.graph.output)
    (node,) = (node for node in model.graph.node if output in node.output)
    node.output[:] = ["before"]
    shift = np.zeros((1, 85, 1, 1), np.float32)
    shift[0, 1] = 2.0
    model.graph.initializer.append(numpy_helper.from_array(shift, "shift"))
    model.graph.node.append(onnx.helper.make_node("Add", ["before", "shift"], [output]))


def test_boxes_beside_their_objects_are_refused(fastestdet, registry):
    proof = proof_of(fastestdet(shift_boxes), "int8", "onnxruntime", registry)
    assert proof.decoded.agreeing < 0.5 * proof.decoded.total
    assert proof.problem

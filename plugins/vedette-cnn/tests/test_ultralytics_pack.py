"""A file with the outputs and the metadata of an export, packed with nothing but its licence and run on both backends.

The network is a stand-in: it sees the picture (its mean goes into every output, times 0) and says known boxes.
"""

import math

import encoded_ultralytics as encoded
import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from encoded import Box
from onnx import TensorProto, helper, numpy_helper

from vedette.cli import main
from vedette.frame import Packed
from vedette.model.single import Model

pytest.importorskip("vedette_openvino", reason="needs vedette-openvino")
pytest.importorskip("vedette_onnxruntime", reason="needs vedette-onnxruntime")

INPUT_WH = (160, 160)
FRAME_WH = (320, 240)
"""Letterboxed to 160 x 120 at 0.5, 20 pixels from the top."""
BOXES = [Box((20, 40, 60, 80), 0.8, 1), Box((100, 30, 150, 101), 0.95, 2)]
LABELS = ("cat", "dog", "owl")
EXPECTED = [[200, 20, 300, 162], [40, 40, 120, 120]]


def write_onnx(path, outputs, task, names=LABELS, **more):
    """A graph that answers ``outputs``, with metadata as the exporter writes them."""
    pixels = helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, INPUT_WH[1], INPUT_WH[0]))
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["mean"]),
        helper.make_node("ReduceMean", ["mean"], ["level"], keepdims=0),
        helper.make_node("Mul", ["level", "zero"], ["nothing"]),
    ]
    kept = [numpy_helper.from_array(np.zeros((), np.float32), "zero")]
    for name, array in outputs.items():
        kept.append(numpy_helper.from_array(array.astype(np.float32), f"kept_{name}"))
        nodes.append(helper.make_node("Add", [f"kept_{name}", "nothing"], [name]))
    listed = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape) for name, array in outputs.items()
    ]
    graph = helper.make_graph(nodes, "head", [pixels], listed, kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    told = {"version": "8.4.190", "stride": 32, "task": task, "imgsz": list(INPUT_WH), **more}
    told["names"] = dict(enumerate(names))
    helper.set_model_props(model, {key: str(value) for key, value in told.items()})
    onnx.save(model, path)
    return path


@pytest.fixture
def run(tmp_path):
    """Pack a file as a user would, and say what each backend finds in a grey picture."""

    def run(path, backends=("onnxruntime", "openvino")):
        bundle = tmp_path / "model.vedette"
        done = CliRunner().invoke(main, ["pack", str(path), "--licence", "AGPL-3.0-only", "-o", str(bundle)])
        assert done.exit_code == 0, done.output
        assert "metadata of Ultralytics" in done.output
        found = []
        for backend in backends:
            with Model(bundle, backend=backend, precision="f32") as model:
                found.append(model(Packed("bgr", np.full((FRAME_WH[1], FRAME_WH[0], 3), 60, np.uint8))))
        return found

    return run


def assert_boxes(found):
    assert found.labels == LABELS
    assert found.class_id.tolist() == [2, 1]
    np.testing.assert_allclose(found.xyxy, EXPECTED, atol=1e-3)
    np.testing.assert_allclose(found.confidence, [0.95, 0.8], atol=1e-5)


@pytest.mark.parametrize("encode", [encoded.raw, encoded.records])
def test_detect(tmp_path, run, encode):
    for found in run(write_onnx(tmp_path / "detect.onnx", encode([BOXES], INPUT_WH), "detect")):
        assert_boxes(found)


def test_pose(tmp_path, run):
    path = write_onnx(tmp_path / "pose.onnx", encoded.pose([BOXES], INPUT_WH), "pose", kpt_shape=[17, 3])
    for found in run(path):
        assert_boxes(found)
        np.testing.assert_allclose(found.points[1, 0], [40, 80], atol=1e-3)
        np.testing.assert_allclose(found.point_confidence[1], np.arange(1, 18) / 18, atol=1e-5)


def test_segment(tmp_path, run):
    for found in run(write_onnx(tmp_path / "segment.onnx", encoded.segment([BOXES], INPUT_WH), "segment")):
        assert_boxes(found)
        assert (found.masks[1] >= 128).all(), "prototype 0: the left half, in which box 0 lies"


def test_obb(tmp_path, run):
    outputs = encoded.obb([BOXES], INPUT_WH, angle=math.pi)
    for found in run(write_onnx(tmp_path / "obb.onnx", outputs, "obb")):
        assert_boxes(found)
        np.testing.assert_allclose(found.points[0, 0], [300, 162], atol=1e-2)


def test_classify(tmp_path, run):
    outputs = {"output0": np.array([[0.1, 0.2, 0.7]])}
    for found in run(write_onnx(tmp_path / "classify.onnx", outputs, "classify")):
        assert found.class_id[0].tolist() == [2, 1, 0]
        assert found.labels == LABELS


def test_yolov5_as_its_own_repository_exports_it(tmp_path, run):
    """Three anchors per cell of 160 x 160: 1575; the metadata are stride and names alone."""
    table = encoded.yolov5([BOXES], INPUT_WH)["output"]
    outputs = {"output": np.concatenate([table, np.zeros((1, 1575 - table.shape[1], 8))], axis=1)}
    path = write_onnx(tmp_path / "v5.onnx", outputs, "")
    model = onnx.load(path)
    kept = {prop.key: prop.value for prop in model.metadata_props if prop.key in ("stride", "names")}
    del model.metadata_props[:]
    helper.set_model_props(model, kept)
    onnx.save(model, path)
    for found in run(path):
        assert_boxes(found)


def test_an_ir_is_read_with_the_metadata_beside_it(tmp_path, run):
    """The exporter writes metadata.yaml into the folder, and its own rt_info, which do not name the points."""
    openvino = pytest.importorskip("openvino", reason="needs openvino")
    made = write_onnx(tmp_path / "pose.onnx", encoded.pose([BOXES], INPUT_WH), "pose")
    converted = openvino.convert_model(made)
    converted.set_rt_info("YOLO", ["model_info", "model_type"])
    converted.set_rt_info(list(LABELS), ["model_info", "labels"])
    folder = tmp_path / "pose_openvino_model"
    openvino.save_model(converted, folder / "pose.xml", compress_to_fp16=False)
    (folder / "metadata.yaml").write_text(
        "description: Ultralytics YOLO11n-pose model\nversion: 8.4.190\nstride: 32\ntask: pose\nimgsz:\n- 160\n- 160\n"
        "names:\n  0: cat\n  1: dog\n  2: owl\nargs:\n  nms: null\nkpt_shape:\n- 17\n- 3\n"
    )
    (found,) = run(folder / "pose.xml", ["openvino"])
    assert_boxes(found)
    assert found.points.shape == (2, 17, 2)

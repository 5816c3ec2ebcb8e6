"""Opening a model: what is told of it, and how what cannot be opened is refused."""

from pathlib import Path

import graphs
import numpy as np
import onnx
import onnxruntime
import pytest

from vedette.errors import BackendError
from vedette.inference import infer
from vedette.specs import Execution, ModelFiles
from vedette.vision.spec import InputSpec
from vedette_onnxruntime import devices
from vedette_onnxruntime.loading import load
from vedette_onnxruntime.options import CONFIG_KEYS
from vedette_onnxruntime.plugin import BACKEND


def refuse(load, *words):
    """The error names the file and all ``words``, and says what to do next."""
    with pytest.raises(BackendError) as refused:
        load()
    text = str(refused.value)
    assert [word for word in words if word not in text] == []
    assert refused.value.fix
    assert "\n" not in refused.value.message
    assert "[ONNXRuntimeError]" not in text
    return refused.value


def test_what_a_session_says_of_itself(open_graph):
    session = open_graph(graphs.double())
    assert (session.backend, session.device, session.execution_precision) == ("onnxruntime", "cpu", "f32")
    assert session.placement == "1 nodes on CPUExecutionProvider"


# --- files --------------------------------------------------------------------------------------------------------


def test_a_missing_file(tmp_path, open_file):
    refuse(lambda: open_file(tmp_path / "nothing.onnx"), "nothing.onnx", "there is no such file")


def test_an_openvino_ir_by_its_format(tmp_path):
    files = ModelFiles(format="openvino", paths=(tmp_path / "model.xml", tmp_path / "model.bin"))
    refuse(
        lambda: load(files, "cpu", Execution(), {}), "model.xml", "onnxruntime", "'openvino'", "reads onnx"
    )


def test_an_openvino_ir_called_onnx(data, open_file):
    path = data / "models" / "face-detection-retail-0005.xml"
    refuse(lambda: open_file(path), str(path), "onnxruntime", "it is an OpenVINO IR", "backend 'openvino'")


def test_a_tflite_model_called_onnx(data, open_file):
    path = data / "models" / "keras_lstm_mnist_ptq.tflite"
    refuse(lambda: open_file(path), path.name, "onnxruntime", "it is a TFLite model")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_file_that_is_cut_off(save, open_file, share):
    whole = graphs.matmul(50, 2).SerializeToString()
    path = save(whole[: int(share * len(whole))])
    refuse(
        lambda: open_file(path), "model.onnx", "onnxruntime", "damaged or not ONNX: copy or export it again"
    )


def test_a_pointer_in_place_of_the_model(save, open_file):
    path = save(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 3678356\n")
    refuse(lambda: open_file(path), "model.onnx", "git lfs pull")


def test_weights_in_a_file_of_their_own(tmp_path, open_file):
    path = tmp_path / "model.onnx"
    onnx.save(
        graphs.matmul(50, 2), path, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    x = np.random.default_rng(0).random((50, 50), np.float32)
    np.testing.assert_allclose(infer(open_file(path), {"x": x})["y"], x, rtol=1e-5)
    (tmp_path / "weights.bin").unlink()
    refuse(lambda: open_file(path), "model.onnx", "weights.bin", "copy all its files")
    files = ModelFiles(format="onnx", paths=(path, tmp_path / "weights.bin"))
    refuse(lambda: load(files, "cpu", Execution(), {}), "weights.bin", "there is no such file")


# --- operators ----------------------------------------------------------------------------------------------------


def of_one_node(**more):
    operator = more.pop("operator")
    made = graphs.model(
        [graphs.node(operator, ["x"], ["y"], **more)],
        [graphs.tensor("x", (2, 2))],
        [graphs.tensor("y", (2, 2))],
    )
    if more.get("domain"):
        made.opset_import.append(onnx.helper.make_opsetid(more["domain"], 1))
    return made.SerializeToString()


@pytest.mark.parametrize("more", [{"operator": "Frobnicate"}, {"operator": "Frobnicate", "domain": "acme"}])
def test_an_unknown_operator(save, open_file, more):
    path = save(of_one_node(**more))
    refuse(
        lambda: open_file(path),
        "model.onnx",
        "onnxruntime",
        "Frobnicate",
        "try a newer one, another backend, or export without it",
    )


def test_an_operator_without_an_implementation(save, open_file):
    made = graphs.model(
        [graphs.node("Det", ["x"], ["y"])],
        [graphs.tensor("x", (2, 2), onnx.TensorProto.DOUBLE)],
        [graphs.tensor("y", (), onnx.TensorProto.DOUBLE)],
    )
    refuse(lambda: open_file(save(made)), "model.onnx", "Det", "another backend")


@pytest.mark.parametrize("change", [{"opset": 99}, {"ir_version": 99}])
def test_a_file_from_the_future(save, open_file, change):
    made = graphs.double()
    made.ir_version = change.get("ir_version", made.ir_version)
    made.opset_import[0].version = change.get("opset", 17)
    path = save(made.SerializeToString())
    refuse(lambda: open_file(path), "model.onnx", "try a newer onnxruntime", "older opset")


def test_outputs_that_are_not_tensors(save, open_file):
    made = graphs.model(
        [graphs.node("SequenceConstruct", ["x"], ["y"])],
        [graphs.tensor("x", (2,))],
        [onnx.helper.make_tensor_sequence_value_info("y", graphs.FLOAT, None)],
    )
    refuse(lambda: open_file(save(made)), "model.onnx", "'y' is a seq(tensor(float))")


# --- device, precision, threads, options --------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["gpu", "gpu:1", "npu", "cpu:0", "CPU", "auto", ""])
def test_a_device_that_is_not_here(open_graph, device):
    assert onnxruntime.get_available_providers()[-1] == "CPUExecutionProvider"
    refuse(lambda: open_graph(graphs.double(), device=device), f"{device!r}", "cpu (CPUExecutionProvider)")


def test_a_provider_that_would_silently_be_replaced_by_the_processor(open_graph, monkeypatch):
    """What happens with a GPU build on a box without its driver: the runtime goes on with the processor."""
    stand_in = devices.Provider("AzureExecutionProvider", "gpu")  # installed, and takes no node of this graph
    monkeypatch.setattr(devices, "PROVIDERS", (*devices.PROVIDERS, stand_in))
    refuse(
        lambda: open_graph(graphs.double(), device="gpu"),
        "model.onnx",
        "on the processor instead of gpu (AzureExecutionProvider)",
    )


def test_a_device_number_reaches_the_provider(monkeypatch):
    names = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    assert [(found.name, found.detail) for found in devices.find_devices()] == [
        ("cpu", "CPUExecutionProvider"),
        ("gpu", "CUDAExecutionProvider"),
    ]
    provider, options = devices.find_provider("gpu:1", None)
    assert (provider.name, options) == ("CUDAExecutionProvider", {"device_id": "1"})
    provider, options = devices.find_provider("gpu", "TensorrtExecutionProvider")
    assert (provider.name, options) == ("TensorrtExecutionProvider", {})
    refuse(lambda: devices.find_provider("cpu", "CUDAExecutionProvider"), "'cpu' by CUDAExecutionProvider")


def test_an_option_cannot_undo_the_precision(open_graph, monkeypatch):
    stand_in = devices.Provider("AzureExecutionProvider", "gpu", {"f32": {"use_tf32": "0"}})
    monkeypatch.setattr(devices, "PROVIDERS", (stand_in,))
    options = {"provider_options": {"use_tf32": "1"}}
    refuse(lambda: open_graph(graphs.double(), device="gpu", options=options), "'use_tf32' is not free")


@pytest.mark.parametrize("precision", ["bf16", "f16"])
def test_another_precision_than_f32(open_graph, precision):
    refuse(
        lambda: open_graph(graphs.double(), precision=precision),
        f"cannot compute in {precision} on cpu",
        "it computes in f32 there",
    )


@pytest.mark.parametrize(
    "execution", [{"threads_per_request": 2}, {"threads_per_request": 0}, {"threads": 0}, {"slots": 0}]
)
def test_threads_and_slots_that_make_no_sense(open_graph, execution):
    refuse(lambda: open_graph(graphs.double(), **execution), "Execution")


def test_several_threads_per_request_give_the_same_answer(save, open_file):
    path = save(graphs.convolution(h=64, w=64))
    image = {"image": np.random.default_rng(0).random((1, 3, 64, 64), np.float32)}
    one = infer(open_file(path), image)["y"]
    two = infer(open_file(path, threads=2, threads_per_request=2), image)["y"]
    np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"intra_op_num_threads": 4}, "intra_op_num_threads"),
        ({"graph_optimization": "most"}, "most"),
        ({"graph_optimization": 3}, "graph_optimization"),
        ({"config": {"session.intra_op.allow_spining": "1"}}, "session.intra_op.allow_spining"),
        ({"config": {"session.disable_prepacking": 1}}, "$.config"),
        ({"config": {"mlas.enable_gemm_fastmath_arm64_bfloat16": "1"}}, "bfloat16"),
        ({"provider_options": {"use_tf32": "1"}}, "provider_options"),
        ({"provider": "CUDAExecutionProvider"}, "CUDAExecutionProvider"),
    ],
)
def test_unknown_options(open_graph, options, word):
    refuse(lambda: open_graph(graphs.double(), options=options), word)


def test_the_accepted_entries_are_known_to_the_runtime():
    """ONNX Runtime ignores entries that it does not know; those that it reads are in its library as texts."""
    library = Path(onnxruntime.capi.onnxruntime_pybind11_state.__file__).read_bytes()
    assert [key for key in sorted(CONFIG_KEYS) if key.encode() + b"\0" not in library] == []


def test_optimisations_can_be_turned_off(data, open_file):
    """The literal arithmetic of a quantised file."""
    path = data / "models" / "qdq_cnn_lstm_parity_trap.onnx"
    literal = open_file(
        path, options={"graph_optimization": "none", "config": {"session.disable_quant_qdq": "1"}}
    )
    x = np.random.default_rng(0).random((1, 1, 28, 28), np.float32)
    outputs = infer(literal, {"x": x})
    for name, array in infer(open_file(path), {"x": x}).items():
        np.testing.assert_allclose(array, outputs[name], atol=0.06)


def test_warnings_about_style_are_not_printed(data, open_file, capfd):
    open_file(data / "models" / "ultraface_rfb_320.onnx")  # its weights are listed among the inputs
    assert capfd.readouterr() == ("", "")


def test_the_backend_opens_by_its_specification(save):
    files = ModelFiles(format="onnx", paths=(save(graphs.double()),))
    session = BACKEND.open(files, "cpu", Execution(), {})
    assert infer(session, {"x": np.ones((1, 4), np.float32)})["y"][0, 0] == 2
    session.close()


def test_an_input_to_fuse_that_is_not_there(open_graph):
    spec = InputSpec(size_wh=(7, 5))
    refuse(lambda: open_graph(graphs.convolution(), fuse={"images": spec}), "'images'", "image")

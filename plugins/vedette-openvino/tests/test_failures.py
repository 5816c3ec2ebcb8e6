"""Models that cannot be loaded, and requests that fail: one clear error, no crash, and the rest goes on."""

import queue
import threading

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from vedette.errors import BackendError
from vedette.inference import infer
from vedette.specs import Execution, ModelFiles
from vedette_openvino.messages import essence
from vedette_openvino.plugin import BACKEND
from vedette_openvino.runtime import ov

ops = ov.opset13


def feeds(rows):
    return {name: np.ones((n, 3), np.float32) for name, n in zip("ab", rows, strict=True)}


# --- running ------------------------------------------------------------------------------------------------------


def test_a_request_that_fails_is_answered_once_and_its_slot_lives_on(adder, load):
    """OpenVINO does not call back after a failure."""
    session = load(adder, batch=4, slots=1)
    for _ in range(3):
        answers = queue.SimpleQueue()
        slot = session.acquire({"a": (2, 3), "b": (3, 3)})
        slot.submit(lambda slot, error, answers=answers: answers.put(error))
        error = answers.get(timeout=10)
        assert isinstance(error, BackendError)
        assert "adder.xml: a request failed in openvino on cpu:" in error.message
        assert "input shapes dim index: 0 mismatch" in error.message
        assert "Exception from" not in str(error)
        assert "failed at src" not in str(error)
        with pytest.raises(BackendError, match="has failed: it has no outputs"):
            _ = slot.outputs
        slot.release()
        assert infer(session, feeds((2, 2)))["sum"].tolist() == [[2.0] * 3] * 2
        assert answers.empty()


def test_failures_among_successes_reach_whom_they_belong_to(adder, load):
    session = load(adder, batch=3, slots=4, threads=2)
    outcomes = queue.SimpleQueue()

    def work(number):
        rows = (2, 3) if number % 4 == 0 else (2, 2)
        for _ in range(5 if number % 4 == 0 else 100):
            try:
                outcomes.put((rows, infer(session, feeds(rows), timeout_s=30)["sum"].tolist()))
            except BackendError as error:
                outcomes.put((rows, "mismatch" in error.message))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    seen = [outcomes.get(timeout=0) for _ in range(2 * 5 + 6 * 100)]
    assert outcomes.empty()
    assert all(outcome is True if rows == (2, 3) else outcome == [[2.0] * 3] * 2 for rows, outcome in seen)


def test_close_waits_for_the_answer_to_a_failure(adder, load):
    session = load(adder, batch=3)
    answers = []
    slot = session.acquire({"a": (2, 3), "b": (3, 3)})
    slot.submit(lambda slot, error: answers.append(error))
    session.close()
    assert len(answers) == 1
    assert isinstance(answers[0], BackendError)


# --- loading ------------------------------------------------------------------------------------------------------


def refusal(load, path):
    with pytest.raises(BackendError) as caught:
        load(path)
    text = str(caught.value)
    assert str(path) in text
    assert "openvino" in text
    assert "\n  -> " in text
    for noise in ("Exception from", "Check '", "FrontEnd API", ".cpp", ".hpp"):
        assert noise not in text
    return text


def onnx_with(operator, domain, path):
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in "xy")
    graph = helper.make_graph([helper.make_node(operator, ["x"], ["y"], domain=domain)], "graph", [x], [y])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.acme", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


@pytest.mark.parametrize("domain", ["", "com.acme"])
def test_an_operator_of_onnx_that_openvino_lacks(tmp_path, load, domain):
    text = refusal(load, onnx_with("Sharpen", domain, tmp_path / "model.onnx"))
    assert "Sharpen" in text
    assert "onnxruntime" in text


def test_an_operator_of_ir_that_openvino_lacks(double, load):
    double.write_text(double.read_text().replace('type="Multiply"', 'type="Sharpen"'))
    text = refusal(load, double)
    assert "Sharpen" in text
    assert "without this operator" in text


def test_an_operator_of_tflite_that_openvino_lacks(data, load):
    text = refusal(load, data / "models/keras_lstm_mnist_ptq.tflite")
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" in text
    assert "without this operator" in text


@pytest.mark.parametrize("name", ["a.onnx", "a.xml", "a.tflite"])
def test_a_file_that_is_not_there(tmp_path, load, name):
    with pytest.raises(BackendError, match=rf"there is no file .*{name}\n"):
        load(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"no model at all", b"<net>"])
@pytest.mark.parametrize("name", ["a.onnx", "a.xml", "a.tflite"])
def test_a_file_that_is_no_model(tmp_path, load, name, content):
    (tmp_path / name).write_bytes(content)
    (tmp_path / "a.bin").write_bytes(b"")
    assert "damaged" in refusal(load, tmp_path / name)


@pytest.mark.parametrize("keep", [0.01, 0.5, 0.99])
def test_an_ir_cut_short(double, load, keep):
    text = double.read_bytes()
    double.write_bytes(text[: int(keep * len(text))])
    refusal(load, double)


@pytest.mark.parametrize("name", ["yunet_n_320.onnx", "movenet_lightning_ptq.tflite"])
@pytest.mark.parametrize("keep", [0.001, 0.5, 0.99])
def test_a_real_model_cut_short(data, tmp_path, load, name, keep):
    content = (data / "models" / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(content[: int(keep * len(content))])
    assert "damaged" in refusal(load, path)


def test_an_ir_without_its_weights(double, load):
    double.with_suffix(".bin").unlink()
    with pytest.raises(BackendError, match=r"double\.xml: there is no file .*double\.bin\n"):
        load(double)


def test_an_ir_whose_weights_are_cut_short(double, load):
    double.with_suffix(".bin").write_bytes(b"")
    assert "weights" in refusal(load, double)


def test_an_ir_named_without_its_weights(double):
    files = ModelFiles(format="openvino", paths=(double,))
    with pytest.raises(BackendError, match=r"an \.xml and its \.bin, but here is double\.xml"):
        BACKEND.open(files, "cpu", Execution(), {})


def test_state_inside_the_graph_is_refused(tmp_path, load):
    """Each request would have its own, so what a stream left behind would depend on the slots it happened to get."""
    x = ops.parameter([1, 3], np.float32, name="x")
    start = ops.constant(np.zeros((1, 3), np.float32))
    total = ops.add(x, ops.read_value(start, "memory", ov.Type.f32, [1, 3]))
    path = tmp_path / "stateful.xml"
    ov.save_model(ov.Model([ops.result(total)], [ops.assign(total, "memory")], [x], "stateful"), path)
    with pytest.raises(
        BackendError, match=r"stateful\.xml: the graph keeps state inside.*\n.*input and an output"
    ):
        load(path)


def test_what_is_left_of_a_message():
    error = RuntimeError(
        "Exception from src/inference/src/cpp/core.cpp:84:\n"
        "Check 'false' failed at src/frontends/x/report.cpp:151:\n"
        "FrontEnd API failed with OpConversionFailure:\nModel wasn't fully converted.\nSummary:\n"
        "-- No conversion rule found for operations: A, B\n\n"
    )
    assert essence(error) == "No conversion rule found for operations: A, B"
    assert essence(RuntimeError("Exception from a.cpp:1:\n")) == "RuntimeError"
    assert len(essence(RuntimeError("x" * 5000))) < 600

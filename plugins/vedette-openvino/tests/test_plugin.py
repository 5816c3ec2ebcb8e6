"""The specification, and what it costs to have it listed."""

import subprocess
import sys

import pytest

from vedette.errors import BackendError
from vedette_openvino.devices import order_precisions, to_name
from vedette_openvino.plugin import BACKEND, vedette_backends


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment or None
    )


def test_listing_the_backend_does_not_load_the_runtime():
    done = run(
        "import sys, vedette_openvino.plugin; sys.exit('openvino' in sys.modules or 'numpy.testing' in sys.modules)"
    )
    assert done.returncode == 0, done.stderr


def test_what_is_registered():
    (spec,) = vedette_backends()
    assert spec is BACKEND
    assert spec.name == "openvino"
    assert spec.formats == ("openvino", "onnx", "tflite")
    assert spec.probe() is None
    assert spec.version().split(".")[0].isdigit()
    assert "-" not in spec.version()


def test_a_runtime_that_cannot_be_imported_is_a_reason_not_an_exception():
    done = run(
        "import sys; sys.modules['openvino'] = None; from vedette_openvino.plugin import probe; print(probe())"
    )
    assert done.stdout.startswith("OpenVINO cannot be loaded: ")
    assert done.stdout.count("\n") == 1


def test_the_processor_is_a_device():
    cpu = next(device for device in BACKEND.devices() if device.name == "cpu")
    assert "f32" in cpu.precisions
    assert cpu.detail


@pytest.mark.parametrize(
    ("native", "name"),
    [("CPU", "cpu"), ("GPU", "gpu"), ("GPU.0", "gpu"), ("GPU.1", "gpu:1"), ("NPU", "npu")],
)
def test_names_of_devices(native, name):
    assert to_name(native) == name


@pytest.mark.parametrize(
    ("capabilities", "x86_processor", "precisions"),
    [
        (["BF16", "WINOGRAD", "FP32", "FP16", "INT8", "BIN", "EXPORT_IMPORT"], True, ("bf16", "f32", "f16")),
        (["WINOGRAD", "FP32", "INT8", "BIN", "EXPORT_IMPORT"], True, ("f32",)),
        (["FP32", "FP16", "INT8", "BIN", "EXPORT_IMPORT"], False, ("f16", "f32")),
        (["FP16", "INT8", "EXPORT_IMPORT"], False, ("f16",)),
    ],
    ids=["x86 with AMX", "x86 without", "GPU or ARM", "NPU"],
)
def test_precisions_of_a_device_come_fastest_first(capabilities, x86_processor, precisions):
    assert order_precisions(capabilities, x86_processor) == precisions


def test_a_device_that_is_not_here_is_refused_with_those_that_are(double, load):
    with pytest.raises(BackendError, match=r"no device 'gpu:7' here\n.*use one of: cpu"):
        load(double, device="gpu:7")

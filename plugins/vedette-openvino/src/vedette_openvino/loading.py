"""Load a model: read its files, fix what is known of its shapes, take in preprocessing, compile, read back."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vedette.errors import BackendError
from vedette.inference import check_names, find_max_batch, shape_text
from vedette.specs import Device, Execution, ModelFiles, TensorInfo
from vedette_openvino.devices import find_device, to_name
from vedette_openvino.fusing import fuse, pinned_shape
from vedette_openvino.messages import essence, is_about_operator
from vedette_openvino.ports import read_ports
from vedette_openvino.runtime import core, ov
from vedette_openvino.session import OpenVINOSession

logger = logging.getLogger("vedette.openvino")

_DECIDED = {
    "INFERENCE_PRECISION_HINT": "precision",
    "NUM_STREAMS": "threads and threads_per_request",
    "INFERENCE_NUM_THREADS": "threads",
    "CACHE_DIR": "cache_dir",
}
"""Properties that :class:`~vedette.specs.Execution` decides, and by which of its fields."""


def load(files: ModelFiles, device: str, execution: Execution, options: Mapping[str, Any]) -> OpenVINOSession:
    """Load a model onto one device.

    Parameters
    ----------
    files
        ``openvino``: the ``.xml`` and the ``.bin``; ``onnx`` or ``tflite``: the model, and what it refers to beside it.
    device
        A name from :func:`vedette_openvino.devices.find_devices`, as ``cpu``.
    options
        Properties of OpenVINO by their own names, as ``{"ENABLE_CPU_PINNING": True}``. Those that ``execution`` decides
        are refused.

    Raises
    ------
    BackendError
        A file is missing, damaged or uses an operator that OpenVINO lacks; the device, the precision or an option is
        not there; or the batch does not fit.
    """
    try:
        return _load(files, device, execution, options)
    except BackendError as error:
        raise BackendError(f"{files.model}: {error.message}", fix=error.fix) from error.__cause__


def _load(
    files: ModelFiles, device: str, execution: Execution, options: Mapping[str, Any]
) -> OpenVINOSession:
    _check_execution(execution)
    native, found = find_device(device)
    if execution.precision not in found.precisions:
        raise BackendError(
            f"openvino cannot compute in {execution.precision} on {device} ({found.detail})",
            fix=f"this device has: {', '.join(found.precisions)}",
        )
    properties = _properties(native, execution, options)
    model = _prepare(_read(files), execution)
    try:
        compiled = core.compile_model(model, native, properties)
    except Exception as error:
        text = essence(error)
        raise BackendError(
            f"openvino cannot compile this model for {device}: {text}",
            fix=_other_backend(files.format)
            if is_about_operator(text)
            else "check the options, or use another device",
        ) from error
    return _session(compiled, files.model, found, execution)


def _check_execution(execution: Execution) -> None:
    if not 1 <= execution.threads_per_request <= execution.threads:
        raise BackendError(
            f"{execution.threads_per_request} threads per request do not go into {execution.threads} threads",
            fix="Execution needs 1 <= threads_per_request <= threads",
        )
    if execution.slots is not None and execution.slots < 1:
        raise BackendError(
            f"{execution.slots} slots were asked for", fix="Execution.slots is at least 1, or None"
        )


# --- the model ----------------------------------------------------------------------------------------------------


def _read(files: ModelFiles) -> Any:
    for path in files.paths:
        if not path.is_file():
            raise BackendError(f"there is no file {path}", fix="a model needs all its files: copy them again")
    arguments = _pair(files) if files.format == "openvino" else (files.model,)
    try:
        return core.read_model(*arguments)
    except Exception as error:
        text = essence(error)
        raise BackendError(
            f"openvino cannot read this {files.format} model: {text}",
            fix=_other_backend(files.format)
            if is_about_operator(text)
            else "the file is damaged, incomplete or of another format: copy or export it again",
        ) from error


def _pair(files: ModelFiles) -> tuple[Path, Path]:
    """The ``.xml`` and the ``.bin``. Given only the first, OpenVINO would read whatever ``.bin`` lies beside it."""
    if [path.suffix for path in files.paths] != [".xml", ".bin"]:
        raise BackendError(
            f"an OpenVINO model is an .xml and its .bin, but here is {', '.join(path.name for path in files.paths)}",
            fix="name both files, the .xml first",
        )
    return files.paths[0], files.paths[1]


def _other_backend(model_format: str) -> str:
    other = "run it with backend 'onnxruntime', or " if model_format == "onnx" else ""
    return f"{other}export the model without this operator"


def _prepare(model: Any, execution: Execution) -> Any:
    if model.get_variables():
        raise BackendError(
            "the graph keeps state inside (ReadValue, Assign), where requests in flight would mix it up",
            fix="export it with the state as an input and an output, and declare the pair in the manifest",
        )
    inputs = read_ports(model.inputs, "input")
    check_names(inputs, execution.fuse)
    _pin_shapes(model, inputs, execution)
    return fuse(model, inputs, execution.fuse) if execution.fuse else model


def _pin_shapes(model: Any, inputs: Mapping[str, TensorInfo], execution: Execution) -> None:
    pinned, words = {}, []
    for port, (name, info) in zip(model.inputs, inputs.items(), strict=True):
        shape = pinned_shape(info, execution.fuse.get(name), execution.batch)
        if shape != info.shape:
            words.append(f"{name!r} as {shape_text(shape)}")
            pinned[port] = ov.PartialShape(
                [free if size is None else size for free, size in zip(port.partial_shape, shape, strict=True)]
            )
    if not pinned:
        return
    try:
        model.reshape(pinned)
    except RuntimeError as error:
        raise BackendError(
            f"the graph does not go with input {', '.join(words)}: {essence(error)}",
            fix="set the batch, or the size in the InputSpec, to what the graph was made for",
        ) from error


# --- compiling ----------------------------------------------------------------------------------------------------


def _properties(native: str, execution: Execution, options: Mapping[str, Any]) -> dict[str, Any]:
    known: Mapping[str, str] = core.get_property(native, "SUPPORTED_PROPERTIES")
    for name in options:
        _check_option(name, known)
    streams = execution.threads // execution.threads_per_request
    ours: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": execution.precision,
        # PERFORMANCE would quantise activations on the fly where weights are compressed, and caches to 8 bits
        "EXECUTION_MODE_HINT": "ACCURACY",
        "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
    }
    if native == "CPU":
        ours |= {
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": streams * execution.threads_per_request,
            # it pins every process from the first core on: two, of one stream each, were 2.3 times slower pinned
            "ENABLE_CPU_PINNING": False,
            "ENABLE_HYPER_THREADING": True,
        }
    if execution.cache_dir is not None:
        ours["CACHE_DIR"] = str(_make_folder(execution.cache_dir))
    return ours | dict(options)


def _make_folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackendError(
            f"compiled models cannot be kept in {path}: {error.strerror}",
            fix="set cache_dir to a folder that can be written to, or to None",
        ) from error
    return path


def _check_option(name: str, known: Mapping[str, str]) -> None:
    if name in _DECIDED:
        raise BackendError(
            f"option {name!r} is not free", fix=f"Execution decides it: set {_DECIDED[name]} there"
        )
    if known.get(name, "RO") == "RO":
        writable = sorted(
            other for other, access in known.items() if access != "RO" and other not in _DECIDED
        )
        near = difflib.get_close_matches(name.upper(), writable, n=1)
        raise BackendError(
            f"openvino has no option {name!r} on this device",
            fix=f"did you mean {near[0]!r}?" if near else f"the options are: {', '.join(writable)}",
        )


def _session(compiled: Any, path: Path, device: Device, execution: Execution) -> OpenVINOSession:
    precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if precision != execution.precision:
        raise BackendError(
            f"openvino computes in {precision} on {device.name}, not in {execution.precision} as asked",
            fix=f"set the precision to {precision}, or use another device",
        )
    inputs = read_ports(compiled.inputs, "input")
    real = ", ".join(to_name(native) for native in compiled.get_property("EXECUTION_DEVICES"))
    optimal = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
    return OpenVINOSession(
        compiled,
        name=str(path),
        device=real,
        execution_precision=execution.precision,
        placement=f"all operators on {real} ({device.detail}){_schedule(compiled, execution)}",
        max_batch=find_max_batch(inputs, execution.batch),
        slots=execution.slots or optimal + 1,
        at_once=optimal,
        inputs=inputs,
        outputs=read_ports(compiled.outputs, "output"),
    )


def _schedule(compiled: Any, execution: Execution) -> str:
    """How requests share the processor, in words; empty for a device that is not the processor."""
    if "INFERENCE_NUM_THREADS" not in compiled.get_property("SUPPORTED_PROPERTIES"):
        return ""
    threads = int(compiled.get_property("INFERENCE_NUM_THREADS"))
    streams = int(compiled.get_property("NUM_STREAMS"))
    if threads < execution.threads // execution.threads_per_request * execution.threads_per_request:
        logger.warning(
            "openvino uses %d of the %d threads asked for: there are no more cores",
            threads,
            execution.threads,
        )
    each = threads // streams
    return f", {streams} at a time on {each} thread{'s' if each > 1 else ''} each"

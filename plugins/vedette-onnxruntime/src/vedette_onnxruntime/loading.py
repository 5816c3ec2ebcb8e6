"""Load a model: read its header, take in preprocessing, create the runtime's session, read back what it really does."""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime

from vedette.errors import BackendError
from vedette.inference import find_max_batch
from vedette.specs import Execution, ModelFiles, TensorInfo
from vedette_onnxruntime.devices import Provider, find_provider
from vedette_onnxruntime.graph import Model, read_model
from vedette_onnxruntime.messages import load_error
from vedette_onnxruntime.options import read_options, session_options
from vedette_onnxruntime.pool import POOL
from vedette_onnxruntime.prefix import SUFFIX, rewrite, select
from vedette_onnxruntime.session import OrtSession

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(bool)": "bool",
}


def load(files: ModelFiles, device: str, execution: Execution, options: Mapping[str, Any]) -> OrtSession:
    """Load an ONNX model onto one device.

    ``execution.cache_dir`` is not used. ONNX Runtime can save what its optimiser made, but that file holds for one
    processor and one version only, and to prove by hashes that it belongs to the model takes much of what it saves:
    real networks of 0.3 to 14 MB opened in 3 to 81 ms, and would have opened 1 to 26 ms sooner.

    Parameters
    ----------
    files
        The ``.onnx`` file and, after it, files of weights that it refers to, in the same folder.
    device
        A name from :func:`vedette_onnxruntime.devices.find_devices`; ``gpu:1`` for the second one.
    options
        See :class:`vedette_onnxruntime.options.Options`.

    Raises
    ------
    BackendError
        The file is missing, damaged, of another format or uses an operator that ONNX Runtime lacks; the device, the
        precision or an option is not there; the batch does not fit; or the device would not really be used.
    """
    _check_files(files)
    _check_execution(execution)
    own = read_options(options)
    provider, choice = find_provider(device, own.provider)
    if execution.precision not in provider.precisions:
        raise BackendError(
            f"onnxruntime cannot compute in {execution.precision} on {device} ({provider.name})",
            fix=f"it computes in {' or '.join(provider.precisions)} there; use that precision or another backend",
        )
    settings = _settings(
        provider, choice | dict(provider.precisions[execution.precision]), own.provider_options
    )
    source, symbols, fused = _prepare(files.model, execution)
    try:
        runtime = onnxruntime.InferenceSession(
            source,
            session_options(execution, own, symbols),
            providers=[(provider.name, settings)],
            enable_fallback=0,  # it would print, and go on with the processor
        )
    except Exception as error:  # the runtime raises RuntimeError and classes of its own
        raise load_error(files.model, device, error) from error
    runtime.disable_fallback()
    return _session(runtime, files.model, device, provider, execution, fused)


def _check_files(files: ModelFiles) -> None:
    if files.format != "onnx":
        raise BackendError(
            f"{files.model}: onnxruntime does not read the format {files.format!r}",
            fix="it reads onnx: add an ONNX variant of the model, or use a backend for that format, such as openvino",
        )
    for path in files.paths:
        if not path.is_file():
            raise BackendError(
                f"{path}: there is no such file", fix="a model needs all its files; copy them again"
            )


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


def _settings(provider: Provider, decided: dict[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The options of a provider; those that follow from device and precision cannot be changed."""
    if provider.kind == "cpu" and own:
        raise BackendError("the CPU provider of onnxruntime has no options", fix="leave provider_options out")
    for name in own:
        if name in decided:
            raise BackendError(
                f"provider option {name!r} is not free: device and precision make it {decided[name]!r}",
                fix="leave it out, or ask for another device or precision",
            )
    return decided | dict(own)


# --- the file -----------------------------------------------------------------------------------------------------


def _prepare(path: Path, execution: Execution) -> tuple[str | bytes, list[str], list[str]]:
    """What to load (the path, or a rewritten file), the symbols of dimensions that are 1, and the fused inputs."""
    try:
        with path.open("rb") as file:
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        model = read_model(content)
    except ValueError:  # an empty file, or not protobuf: the runtime will say in which way it is not ONNX
        return str(path), [], []
    names = [given.name for given in model.inputs]
    for name in execution.fuse:
        if name not in names:
            raise BackendError(
                f"{path}: there is no input {name!r} to fuse", fix=f"the inputs are: {', '.join(names)}"
            )
    symbols = _batch_symbols(model) if execution.batch == 1 else []
    taken = select(model, execution.fuse)
    return rewrite(model, taken) if taken else str(path), symbols, list(taken)


def _batch_symbols(model: Model) -> list[str]:
    """With a batch of 1 a free first dimension is 1: a graph without free dimensions runs on fixed memory."""
    first = (given.dims[0] for given in model.inputs if given.dims)
    return [size for size in first if isinstance(size, str)]


# --- reading back -------------------------------------------------------------------------------------------------


def _session(
    runtime: onnxruntime.InferenceSession,
    path: Path,
    device: str,
    provider: Provider,
    execution: Execution,
    fused: Sequence[str],
) -> OrtSession:
    own_names = {name + SUFFIX: name for name in fused}
    inputs: dict[str, TensorInfo] = {}
    for info in (_tensor(node, path) for node in runtime.get_inputs()):
        name = own_names.get(info.name, info.name)
        inputs[name] = TensorInfo(name=name, dtype=info.dtype, shape=_pin(info.shape, execution.batch))
    try:
        max_batch = find_max_batch(inputs, execution.batch)
    except BackendError as error:
        raise BackendError(f"{path}: {error.message}", fix=error.fix) from None
    POOL.grow(execution.threads)
    return OrtSession(
        runtime,
        path,
        device=device,
        execution_precision=execution.precision,
        placement=_placement(runtime, path, device, provider, inputs),
        max_batch=max_batch,
        slots=execution.slots or execution.threads // execution.threads_per_request + 1,
        threads_per_request=execution.threads_per_request,
        inputs=inputs,
        outputs={node.name: _tensor(node, path) for node in runtime.get_outputs()},
        native_names={name: name + SUFFIX if name in fused else name for name in inputs},
    )


def _tensor(node: Any, path: Path) -> TensorInfo:
    if node.type not in _DTYPES:
        raise BackendError(
            f"{path}: {node.name!r} is a {node.type}, and only tensors of numbers are supported",
            fix="export the model with numeric tensors as inputs and outputs (for scikit-learn: zipmap=False)",
        )
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return TensorInfo(name=node.name, dtype=_DTYPES[node.type], shape=shape)


def _pin(shape: tuple[int | None, ...], batch: int) -> tuple[int | None, ...]:
    return (1, *shape[1:]) if batch == 1 and shape and shape[0] is None else shape


def _placement(
    runtime: onnxruntime.InferenceSession,
    path: Path,
    device: str,
    provider: Provider,
    inputs: Mapping[str, TensorInfo],
) -> str:
    """Where the nodes run, and a refusal if none of them runs on the device that was asked for."""
    nodes = _count_nodes(runtime)
    if provider.name not in (nodes or runtime.get_providers()):
        raise BackendError(
            f"{path}: onnxruntime would run this model on the processor instead of {device} ({provider.name})",
            fix="check the driver and libraries that this provider needs, or ask for the device cpu",
        )
    where = ", ".join(f"{count} nodes on {name}" for name, count in nodes.most_common())
    half = [info.name for info in inputs.values() if info.dtype == "float16"]
    note = f"; inputs in float16: {', '.join(half)}" if half else ""
    return (where or f"one of {', '.join(runtime.get_providers())}") + note


def _count_nodes(runtime: onnxruntime.InferenceSession) -> Counter[str]:
    """Nodes by provider; empty where the runtime is too old to tell."""
    nodes: Counter[str] = Counter()
    if hasattr(runtime, "get_provider_graph_assignment_info"):
        for part in runtime.get_provider_graph_assignment_info():
            nodes[part.ep_name] += len(part.get_nodes())
    return nodes

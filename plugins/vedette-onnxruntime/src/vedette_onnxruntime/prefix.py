"""Take the tensor half of an input into the graph: the graph is then fed ``uint8 (n, h, w, c)``.

Three operators are put in front: Transpose (still on bytes), Cast, and, unless values stay 0..255, a
BatchNormalization that does mean and scale in one pass. The textbook Sub and Mul are a trap: ONNX Runtime moves the
Transpose behind them, and their constants then repeat every three values. On top of the bare graph, one thread,
AVX-512, against numpy that writes the float tensor plane by plane:

======================== ======= ======= =============
model, input             fused   numpy   Sub and Mul
======================== ======= ======= =============
mobilenet_v1_0.25 int8   +6 %    +11 %   +60 %
mobilenet_v2 int8        +2 %    +3 %    +15 %
yolox_nano, plain        +1.3 %  +3.3 %  (none needed)
yolox_nano, normalised   +3.5 %  +5 %    +5 %
======================== ======= ======= =============

A channels-last float graph gains nothing (there is no Transpose to save) and is left alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import numpy as np

from vedette.bundle.protobuf import Message, read_fields, read_text
from vedette.vision.spec import InputSpec
from vedette_onnxruntime.graph import FLOAT, GRAPH, INITIALIZER, INPUT, NODE, UINT8, GraphInput, Model
from vedette_onnxruntime.protobuf import write_bytes, write_int

logger = logging.getLogger("vedette.onnxruntime")

FIRST_OPSET = 7
"""BatchNormalization has had its present form since."""
EPSILON = 1e-5
"""BatchNormalization divides by ``sqrt(variance + EPSILON)``: cuDNN takes none below this, and in float32
``(1 - EPSILON) + EPSILON`` is exactly 1."""
LARGEST_FILE = 1 << 30
"""Protobuf ends at 2 GB, and the new file takes as much memory again."""
SUFFIX = "/vedette_uint8"


def select(model: Model, specs: Mapping[str, InputSpec]) -> dict[str, InputSpec]:
    """Those of ``specs`` that can be taken in. The log says what hinders the others; the session's inputs show it."""
    taken = {}
    for given in model.inputs:
        if given.name in specs:
            obstacle = find_obstacle(model, given, specs[given.name])
            if obstacle is None:
                taken[given.name] = specs[given.name]
            else:
                logger.info(
                    "the preprocessing of input %r is not taken into the graph: %s", given.name, obstacle
                )
    return taken


def find_obstacle(model: Model, given: GraphInput, spec: InputSpec) -> str | None:
    """Why an input cannot take its specification into the graph, or ``None``."""
    if model.external:
        return "the weights lie in a file of their own"
    if len(model.content) > LARGEST_FILE:
        return f"the file has {len(model.content)} bytes, and {LARGEST_FILE} is the limit"
    if model.opset < FIRST_OPSET:
        return f"the model has opset {model.opset}, and {FIRST_OPSET} is the first that can"
    if (spec.layout, spec.dtype, given.element) != ("nchw", "float32", FLOAT):
        return "only a channels-first float32 input gains by it"
    fits = len(given.dims) == 4 and all(
        size == wanted or not isinstance(size, int)
        for size, wanted in zip(given.dims[1:], spec.row_shape, strict=True)
    )
    return (
        None if fits else f"it has shape {given.dims}, and the specification gives rows of {spec.row_shape}"
    )


def rewrite(model: Model, taken: Mapping[str, InputSpec]) -> bytes:
    """The file with new nodes in front of the old ones, and the inputs replaced at their place.

    A replaced input is called by its old name and ``SUFFIX``: the old name is now that of the float tensor.
    """
    graph: list[bytes | Message] = [node for name, spec in taken.items() for node in _nodes(name, spec)]
    graph += [weight for name, spec in taken.items() for weight in _weights(name, spec)]
    batches = {given.name: given.dims[0] for given in model.inputs if given.dims}
    for number, value, raw in read_fields(model.graph):
        name = read_text(value, 1) if number == INPUT and isinstance(value, memoryview) else ""
        graph.append(_input(name, batches[name], taken[name]) if name in taken else raw)
    parts = [
        write_bytes(GRAPH, *graph) if number == GRAPH else raw
        for number, _, raw in read_fields(model.content)
    ]
    return b"".join(parts)


def _nodes(name: str, spec: InputSpec) -> Iterable[bytes]:
    pixels, planes, floats = name + SUFFIX, f"{name}/vedette_planes", f"{name}/vedette_float"
    yield _node("Transpose", [pixels], planes, _ints_attribute("perm", (0, 3, 1, 2)))
    if spec.plain:
        yield _node("Cast", [planes], name, _int_attribute("to", FLOAT))
        return
    yield _node("Cast", [planes], floats, _int_attribute("to", FLOAT))
    operands = [floats, *_constants(name, spec)]
    yield _node("BatchNormalization", operands, name, _float_attribute("epsilon", EPSILON))


def _constants(name: str, spec: InputSpec) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """The operands of BatchNormalization, in its order: scale, bias, mean, variance."""
    ones = np.ones(spec.channels)
    return {
        f"{name}/vedette_scale": ones / np.array(spec.scale),
        f"{name}/vedette_bias": 0 * ones,
        f"{name}/vedette_mean": np.array(spec.mean),
        f"{name}/vedette_variance": ones - EPSILON,
    }


def _weights(name: str, spec: InputSpec) -> Iterable[bytes]:
    if spec.plain:
        return
    for weight, values in _constants(name, spec).items():
        data = values.astype("<f4").tobytes()
        shape = write_int(1, len(values))
        yield write_bytes(
            INITIALIZER, shape, write_int(2, FLOAT), write_bytes(8, weight), write_bytes(9, data)
        )


# --- messages of onnx.proto3 --------------------------------------------------------------------------------------


def _node(operator: str, operands: Iterable[str], result: str, attribute: bytes) -> bytes:
    inputs = b"".join(write_bytes(1, operand) for operand in operands)
    return write_bytes(
        NODE, inputs, write_bytes(2, result), write_bytes(3, result), write_bytes(4, operator), attribute
    )


def _int_attribute(name: str, value: int) -> bytes:
    return write_bytes(5, write_bytes(1, name), write_int(3, value), write_int(20, 2))


def _float_attribute(name: str, value: float) -> bytes:
    fixed32 = bytes([2 << 3 | 5]) + np.array(value, "<f4").tobytes()
    return write_bytes(5, write_bytes(1, name), fixed32, write_int(20, 1))


def _ints_attribute(name: str, values: Iterable[int]) -> bytes:
    return write_bytes(
        5, write_bytes(1, name), b"".join(write_int(8, value) for value in values), write_int(20, 7)
    )


def _input(name: str, batch: int | str | None, spec: InputSpec) -> bytes:
    """The ``ValueInfoProto`` of the fused input: ``uint8 (n, h, w, c)`` of the specification's size."""
    w, h = spec.size_wh
    shape = b"".join(_dim(size) for size in (batch, h, w, spec.channels))
    tensor = write_int(1, UINT8) + write_bytes(2, shape)
    return write_bytes(INPUT, write_bytes(1, name + SUFFIX), write_bytes(2, write_bytes(1, tensor)))


def _dim(size: int | str | None) -> bytes:
    if size is None:
        return write_bytes(1, b"")
    return write_bytes(1, write_int(1, size) if isinstance(size, int) else write_bytes(2, size))

"""A graph's inputs and outputs in Vedette's terms: names, numpy dtypes, shapes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from vedette.errors import BackendError
from vedette.inference import shape_text
from vedette.specs import TensorInfo

_DTYPES = {
    "f16": "float16",
    "f32": "float32",
    "f64": "float64",
    "i8": "int8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
    "u8": "uint8",
    "u16": "uint16",
    "u32": "uint32",
    "u64": "uint64",
    "boolean": "bool",
}
_RESULT = "/sink_port_0"
"""What OpenVINO appends to a tensor's name to name the node that marks it as an output."""
_NUMBERED = re.compile(r"(Parameter|Result)_\d+")
"""Names that OpenVINO makes up. They count the nodes of a process, so they are not the same in the next export."""


def read_ports(ports: Sequence[Any], kind: str) -> dict[str, TensorInfo]:
    """The inputs or outputs of a model, in its own order, by name.

    Parameters
    ----------
    ports
        ``inputs`` or ``outputs`` of an OpenVINO model, compiled or not.
    kind
        ``input`` or ``output``.

    Raises
    ------
    BackendError
        A tensor has a type that numpy does not have.
    """
    infos: dict[str, TensorInfo] = {}
    for index, port in enumerate(ports):
        name = _name(port)
        if name is None or name in infos:
            name = f"{kind}_{index}"
        infos[name] = TensorInfo(name=name, dtype=_dtype(port, f"{kind} {name!r}"), shape=_shape(port))
    return infos


def check_bounds(port: Any, name: str, shape: tuple[int, ...]) -> None:
    """Refuse a shape outside of the bounds that a graph sets to its free dimensions.

    Raises
    ------
    BackendError
        Naming the input, the shape and the bounds.
    """
    for axis, (dimension, size) in enumerate(zip(port.partial_shape, shape, strict=True)):
        longest = dimension.max_length  # -1: unbounded
        if size < dimension.min_length or (longest >= 0 and size > longest):
            raise BackendError(
                f"input {name!r} cannot have shape {shape_text(shape)}: axis {axis} is bounded to"
                f" {dimension.min_length}..{longest if longest >= 0 else ''}",
                fix="resize or split what is fed, or export the model with other bounds",
            )


def _name(port: Any) -> str | None:
    """The name that the file gives to a tensor; of several the node's own, else the shortest."""
    own = str(port.node.friendly_name).removesuffix(_RESULT)
    names = {name for name in port.names if not _NUMBERED.fullmatch(name)}
    if own in names or not (names or _NUMBERED.fullmatch(own)):
        return own
    return min(names, key=lambda name: (len(name), name), default=None)


def _dtype(port: Any, which: str) -> str:
    native = port.element_type.get_type_name()
    if native not in _DTYPES:
        raise BackendError(
            f"{which} has type {native}, which numpy does not have",
            fix="export the model with float32 or integer inputs and outputs",
        )
    return _DTYPES[native]


def _shape(port: Any) -> tuple[int | None, ...]:
    shape = port.partial_shape
    if shape.rank.is_dynamic:
        raise BackendError(
            f"tensor {port.node.friendly_name!r} has no fixed number of dimensions",
            fix="export the model with a known rank for every input and output",
        )
    return tuple(None if dimension.is_dynamic else dimension.get_length() for dimension in shape)

"""What an ONNX file says of its inputs, read without loading the model. Field numbers are those of ``onnx.proto3``."""

from __future__ import annotations

from dataclasses import dataclass

from vedette.bundle.protobuf import Message, read_fields, read_int, read_messages, read_text

GRAPH, OPSET_IMPORT = 7, 8  # of ModelProto
NODE, INITIALIZER, INPUT = 1, 5, 11  # of GraphProto
FLOAT, UINT8 = 1, 2  # of TensorProto.DataType
_TENSOR_NAME, _DATA_LOCATION, _EXTERNAL = 8, 14, 1  # of TensorProto
_DEFAULT_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class GraphInput:
    """An input of a graph: its name, element type and dimensions, each a size, a symbol, or ``None`` when unnamed."""

    name: str
    element: int
    dims: tuple[int | str | None, ...]


@dataclass(frozen=True)
class Model:
    """The parts of an ONNX file that matter here."""

    content: Message
    graph: Message
    opset: int
    inputs: tuple[GraphInput, ...]
    external: bool
    """Whether weights lie in files of their own."""


def read_model(content: Message) -> Model:
    """Read the header of an ONNX file; weights are skipped.

    Raises
    ------
    MalformedError
        The bytes are not a protobuf message.
    """
    graph = content[:0]
    opset = 0
    for number, value, _ in read_fields(content):
        if number == GRAPH and isinstance(value, memoryview):
            graph = value
        elif (
            number == OPSET_IMPORT
            and isinstance(value, memoryview)
            and read_text(value, 1) in _DEFAULT_DOMAINS
        ):
            opset = read_int(value, 2)
    weights: set[str] = set()  # files of ONNX's first years list them among the inputs
    external = False
    for tensor in read_messages(graph, INITIALIZER):
        weights.add(read_text(tensor, _TENSOR_NAME))
        external |= read_int(tensor, _DATA_LOCATION) == _EXTERNAL
    inputs = (_read_input(value) for value in read_messages(graph, INPUT))
    inputs_only = tuple(given for given in inputs if given.name not in weights)
    return Model(content=content, graph=graph, opset=opset, inputs=inputs_only, external=external)


def _read_input(value_info: Message) -> GraphInput:
    element, dims = 0, []
    for kind in read_messages(value_info, 2):
        for tensor in read_messages(kind, 1):
            element = read_int(tensor, 1)
            dims = [_read_dim(dim) for shape in read_messages(tensor, 2) for dim in read_messages(shape, 1)]
    return GraphInput(name=read_text(value_info, 1), element=element, dims=tuple(dims))


def _read_dim(dim: Message) -> int | str | None:
    for number, value, _ in read_fields(dim):
        if number == 1 and isinstance(value, int):
            return value
    return read_text(dim, 2) or None

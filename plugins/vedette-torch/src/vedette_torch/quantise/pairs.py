"""Pairs of QuantizeLinear and DequantizeLinear, taken out of ONNX graphs."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators with weights, which take nearly all the time."""


def strip_quantisation(model: ModelProto) -> ModelProto:
    """The float model under a quantised one: each pair of QuantizeLinear and DequantizeLinear is taken out, and stored
    integers become the floats that they stand for. Where the pair behind a layer cuts off what is negative it may stand
    for a ReLU, and becomes one. Names of inputs and outputs stay."""
    stripped = ModelProto()
    stripped.CopyFrom(model)
    drop_constant_inputs(stripped)
    graph = stripped.graph
    made_by = {name: node for node in graph.node for name in node.output}
    constants = {item.name: item for item in graph.initializer}
    instead: dict[str, str] = {}
    kept: list[NodeProto] = []
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            if _cuts_negative(node, made_by, constants):
                kept.append(helper.make_node("Relu", [node.input[0]], [f"{node.output[0]}_relu"]))
        elif node.op_type != "DequantizeLinear":
            kept.append(node)
        elif (source := made_by.get(node.input[0])) is not None and source.op_type == "QuantizeLinear":
            cut = _cuts_negative(source, made_by, constants)
            instead[node.output[0]] = f"{source.output[0]}_relu" if cut else source.input[0]
        elif node.input[0] in constants:
            graph.initializer.append(numpy_helper.from_array(_dequantised(node, constants), node.output[0]))
        else:
            kept.append(node)
    final = {_resolve(output.name, instead): output.name for output in graph.output}
    for node in kept:
        for index, name in enumerate(node.input):
            source_name = _resolve(name, instead)
            node.input[index] = final.get(source_name, source_name)
        for index, name in enumerate(node.output):
            node.output[index] = final.get(name, name)
    del graph.node[:]
    graph.node.extend(kept)
    del graph.value_info[:]
    _drop_unused(graph)
    onnx.checker.check_model(stripped)
    return stripped


def bypass(model: ModelProto, tensors: Collection[str]) -> None:
    """Take out the pairs of QuantizeLinear and DequantizeLinear right behind ``tensors``, in place."""
    quantised = {
        node.output[0]: node.input[0]
        for node in model.graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] in tensors
    }
    instead = {
        node.output[0]: quantised[node.input[0]]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in quantised
    }
    gone = quantised.keys() | instead.keys()
    kept = [node for node in model.graph.node if node.output[0] not in gone]
    for node in kept:
        for index, name in enumerate(node.input):
            node.input[index] = instead.get(name, name)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    _drop_unused(model.graph)


def drop_constant_inputs(model: ModelProto) -> None:
    """Before IR version 4 every constant was an input, too; one that can be given from outside is never folded."""
    constants = {item.name for item in model.graph.initializer}
    real = [item for item in model.graph.input if item.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(real)
    model.ir_version = max(model.ir_version, 7)


def _resolve(name: str, instead: Mapping[str, str]) -> str:
    while (source := instead.get(name, name)) != name:
        name = source
    return name


def _cuts_negative(
    node: NodeProto, made_by: Mapping[str, NodeProto], constants: Mapping[str, TensorProto]
) -> bool:
    """Whether a QuantizeLinear right behind a layer or sum has its zero at the lowest integer."""
    source = made_by.get(node.input[0])
    if source is None or source.op_type not in (*LAYERS, "Add") or len(node.input) < 3:
        return False
    zero = numpy_helper.to_array(constants[node.input[2]]) if node.input[2] in constants else None
    return zero is not None and bool((zero == np.iinfo(zero.dtype).min).all())


def _dequantised(node: NodeProto, constants: Mapping[str, TensorProto]) -> NDArray[np.float32]:
    values, *parameters = (numpy_helper.to_array(constants[name]) for name in node.input)
    scale = parameters[0]
    zero = parameters[1] if len(parameters) > 1 else np.zeros_like(scale)
    axis = next((item.i for item in node.attribute if item.name == "axis"), 1)
    if scale.ndim:
        shape = [-1 if index == axis % values.ndim else 1 for index in range(values.ndim)]
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    floats: NDArray[np.float32] = (values.astype(np.float32) - zero.astype(np.float32)) * scale
    return floats


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    kept = [item for item in graph.initializer if item.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)

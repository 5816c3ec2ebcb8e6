"""Float ONNX graphs made ready for quantisation: what they carry already taken out, constants and BatchNorm folded, and
the nodes told apart that are worth quantising and that must stay as they are."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import onnx
import onnxruntime
from onnx import ModelProto, NodeProto, TensorProto, version_converter

from vedette_torch.quantise.errors import QuantiseError
from vedette_torch.quantise.pairs import LAYERS, drop_constant_inputs

OPSET = 13
"""The first in which a scale can have an axis: one per channel."""

RECURRENT = ("LSTM", "GRU", "RNN")
QUANTISATION = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "FakeQuantize")
FUSED = ("Relu", "Clip")
"""Activations that become part of the layer before them: they are what an unsigned range cuts off by itself."""
SMOOTH = ("HardSwish", "Swish", "Mish", "Gelu", "Elu", "Selu", "Celu", "Softplus", "PRelu")
GATES = ("Sigmoid", "HardSigmoid", "Tanh")
_MOVING = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity")
"""They only move values about."""

log = logging.getLogger("vedette.quantise")


def load_float(path: Path) -> ModelProto:
    """Read a model, weights in other files included.

    Raises
    ------
    QuantiseError
        It is not ONNX, or it is quantised already.
    """
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf's and the system's own
        raise QuantiseError(f"{path}: not an ONNX model: {error}") from error
    carried = [node.op_type for node in model.graph.node if node.op_type in QUANTISATION]
    if carried:
        raise QuantiseError(
            f"{path.name}: quantised already: it has {len(carried)} nodes such as {carried[0]}",
            fix="give the float model; vedette_torch.quantise.pairs.strip_quantisation makes one of this",
        )
    return model


def prepare(model: ModelProto) -> ModelProto:
    """Make a float model ready: opset 13 or later, constants and BatchNorm folded into the layers before them, shapes
    known, every node with a name of its own.

    Raises
    ------
    QuantiseError
        An operator cannot be brought to that opset, or ONNX Runtime cannot read the graph; it is named.
    """
    ready = ModelProto()
    ready.CopyFrom(model)
    drop_constant_inputs(ready)
    ready = _raise_opset(ready)
    ready = _fold(ready)
    for number, node in enumerate(ready.graph.node):
        node.name = f"{node.op_type}_{number}"
    return ready


def layers_of(model: ModelProto) -> list[str]:
    """The names of the layers that may be quantised, in the order of the graph."""
    head = decode_nodes(model)
    return [
        node.name
        for node in model.graph.node
        if node.op_type in LAYERS and node.name not in head and _has_weights(node, model)
    ]


def decode_nodes(model: ModelProto) -> set[str]:
    """The names of the nodes that make results of features: all from which no layer is reached any more.

    An activation that is fused into the last layer belongs to it. A convolution of a Softmax's output is an
    expectation over bins (Li et al. 2020, "Generalized Focal Loss", https://arxiv.org/abs/2006.04388), not a layer.
    Quantised, such nodes give wrong numbers: coordinates, logarithms of sizes and probabilities share one scale.
    """
    made_by = {name: node for node in model.graph.node for name in node.output}
    before_layer: set[str] = set()
    for node in reversed(model.graph.node):
        used = any(name in before_layer for name in node.output)
        is_layer = node.op_type in LAYERS and not _is_expectation(node, made_by)
        if used or is_layer:
            before_layer.update(node.input)
    head = {
        node.name
        for node in model.graph.node
        if not any(name in before_layer for name in node.output)
        and not (node.op_type in LAYERS and not _is_expectation(node, made_by))
    }
    fused = {
        node.name
        for node in model.graph.node
        if node.name in head
        and node.op_type in FUSED
        and (source := made_by.get(node.input[0])) is not None
        and source.op_type in LAYERS
        and source.name not in head
    }
    return head - fused


def float_activations(model: ModelProto) -> tuple[set[str], set[str]]:
    """The names of activations that stay in float, and of the layers' outputs that they read.

    SiLU (``x * sigmoid(x)``, as two nodes or one) and its kin shrink a wide range of negative numbers to next to
    nothing, so that eight bits before them are mostly wasted; and a layer before them that is kept in float would be
    rounded all the same. PRelu has no integer kernel. What they read is not quantised either: OpenVINO computes such a
    layer in int8 and goes on in float.
    """
    made_by = {name: node for node in model.graph.node for name in node.output}
    readers: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    nodes: set[str] = set()
    tensors: set[str] = set()
    for name, source in made_by.items():
        if source.op_type not in LAYERS:
            continue
        for reader in readers.get(name, ()):
            if reader.op_type in SMOOTH:
                nodes.add(reader.name)
                tensors.add(name)
            elif reader.op_type in GATES:
                for product in readers.get(reader.output[0], ()):
                    if product.op_type == "Mul" and name in product.input:
                        nodes |= {reader.name, product.name}
                        tensors.add(name)
    return nodes, tensors


def features_of(model: ModelProto) -> list[str]:
    """The tensors at the end of the features: what the decoding nodes read and the rest of the graph computes; and
    outputs that no node decodes."""
    head = decode_nodes(model)
    body = {name for node in model.graph.node if node.name not in head for name in node.output}
    read = [name for node in model.graph.node if node.name in head for name in node.input if name in body]
    outputs = [output.name for output in model.graph.output if output.name in body]
    kinds = {
        info.name: info.type.tensor_type.elem_type for info in (*model.graph.value_info, *model.graph.output)
    }
    float_type = TensorProto.FLOAT
    return [name for name in dict.fromkeys((*read, *outputs)) if kinds.get(name, float_type) == float_type]


def with_outputs(model: ModelProto, names: Iterable[str]) -> ModelProto:
    """The model with further tensors among its outputs."""
    known = {info.name: info for info in model.graph.value_info}
    present = {output.name for output in model.graph.output}
    more = ModelProto()
    more.CopyFrom(model)
    for name in names:
        if name not in present:
            more.graph.output.append(known.get(name) or onnx.ValueInfoProto(name=name))
    return more


def is_recurrent(model: ModelProto) -> bool:
    """Whether it has recurrent operators, which are not to be quantised together with convolutions."""
    return any(node.op_type in RECURRENT for node in model.graph.node)


# --- preparing ----------------------------------------------------------------------------------------------------


def _raise_opset(model: ModelProto) -> ModelProto:
    own = next(item for item in model.opset_import if item.domain in ("", "ai.onnx"))
    if own.version >= OPSET:
        return model
    try:
        return version_converter.convert_version(model, OPSET)
    except Exception as error:  # the converter's C++ raises RuntimeError, naming the operator
        raise QuantiseError(
            f"the model cannot be converted from opset {own.version} to {OPSET}: {' '.join(str(error).split())}",
            fix=f"export it with opset_version={OPSET} or later",
        ) from error


def _fold(model: ModelProto) -> ModelProto:
    """Let ONNX Runtime do what it would do on loading anyway: only standard operators come of its basic level."""
    with tempfile.TemporaryDirectory(prefix="vedette-quantise-") as folder:
        path = Path(folder) / "folded.onnx"
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(path)
        try:
            onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime's own classes
            raise QuantiseError(
                f"ONNX Runtime cannot read the model: {' '.join(str(error).split())[:400]}"
            ) from error
        folded = onnx.load(path)
    used = {node.domain for node in folded.graph.node}
    domains = [item for item in folded.opset_import if item.domain in used or item.domain == ""]
    del folded.opset_import[:]
    folded.opset_import.extend(domains)
    return onnx.shape_inference.infer_shapes(folded)


# --- telling nodes apart ------------------------------------------------------------------------------------------


def _has_weights(node: NodeProto, model: ModelProto) -> bool:
    constants = {item.name for item in model.graph.initializer}
    return any(name in constants for name in node.input[:2])


def _is_expectation(node: NodeProto, made_by: Mapping[str, NodeProto]) -> bool:
    if node.op_type != "Conv":
        return False
    source = made_by.get(node.input[0])
    while source is not None and source.op_type in _MOVING:
        source = made_by.get(source.input[0])
    return source is not None and source.op_type == "Softmax"

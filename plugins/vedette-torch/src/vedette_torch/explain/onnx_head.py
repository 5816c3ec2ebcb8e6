"""The end of a classifier's ONNX graph: mean over all places, one linear layer; and its features as an output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from vedette.errors import BundleError

FEATURES = "features"
"""What the new output is called, unless the graph has a tensor of this name already."""
_MOVED = ("Identity", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Dropout", "Cast")
_HANDED_ON = frozenset((*_MOVED, "Softmax", "LogSoftmax", "Sigmoid", "QuantizeLinear", "DequantizeLinear"))
"""Operators of one input that keep the order of classes, or of channels."""
_LINEAR = ("Gemm", "MatMul", "Conv")


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """``features``: the tensor ``(n, channels, h, w)`` that is averaged; ``weights``: ``(units, channels) float32``."""

    features: str
    weights: NDArray[np.float32]


def find_head(model: ModelProto, output: str | None, where: str) -> Head:
    """Read the end of a graph, float or with QuantizeLinear and DequantizeLinear in it.

    Parameters
    ----------
    output
        The output with one number per class; ``None``: the only one.
    where
        What to call the model in messages.

    Raises
    ------
    BundleError
        The graph ends otherwise, so that a class activation map would not be exact; the operator is named.
    """
    names = [item.name for item in model.graph.output]
    name = names[0] if output is None and len(names) == 1 else output
    if name not in names:
        raise BundleError(f"{where}: there is no output {name!r}", fix=f"outputs are: {', '.join(names)}")
    graph = _Graph(model, where)
    linear = graph.back(str(name))
    if linear is not None and linear.op_type == "Add":  # the bias
        free = [item for item in linear.input if graph.constant(item) is None]
        linear = graph.back(free[0]) if len(free) == 1 else linear
    if linear is None or linear.op_type not in _LINEAR:
        raise graph.other("one linear layer", linear)
    weights = graph.weights(linear)
    pool = graph.back(linear.input[0])
    if pool is None or not graph.is_mean(pool):
        raise graph.other("the mean over all places", pool)
    return Head(features=pool.input[0], weights=weights)


def with_features(model: ModelProto, head: Head) -> tuple[ModelProto, str]:
    """The model with its features as one more output, and the output's name. Nothing else changes."""
    more = ModelProto()
    more.CopyFrom(model)
    taken = {name for node in model.graph.node for name in (*node.input, *node.output)}
    name = FEATURES
    while name in taken:
        name = f"cam_{name}"
    more.graph.node.append(helper.make_node("Identity", [head.features], [name], name=name))
    shape = ["n", head.weights.shape[1], "h", "w"]
    known = {item.name: item for item in onnx.shape_inference.infer_shapes(model).graph.value_info}
    if head.features in known:
        stated = known[head.features].type.tensor_type.shape.dim
        shape = [dim.dim_value or dim.dim_param or None for dim in stated]
    more.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    return more, name


class _Graph:
    """Looks things up in a graph, from the end to the beginning."""

    def __init__(self, model: ModelProto, where: str) -> None:
        self._made_by: Mapping[str, NodeProto] = {
            name: node for node in model.graph.node for name in node.output
        }
        self._constants = {item.name: item for item in model.graph.initializer}
        self._shapes = {
            item.name: [dim.dim_value for dim in item.type.tensor_type.shape.dim]
            for item in onnx.shape_inference.infer_shapes(model).graph.value_info
        }
        self._where = where

    def back(self, name: str) -> NodeProto | None:
        """The node that computed a tensor, past those that only hand it on."""
        node = self._made_by.get(name)
        while node is not None and node.op_type in _HANDED_ON:
            node = self._made_by.get(node.input[0])
        return node

    def other(self, wanted: str, found: NodeProto | None) -> BundleError:
        what = "its input" if found is None else f"{found.op_type} {found.name!r}".rstrip(" '")
        return BundleError(
            f"{self._where}: the network does not end in {wanted} (there is {what}), so a class activation map would "
            "not be exact",
            fix="use occlusion, which fits every network",
        )

    def constant(self, name: str) -> NDArray[Any] | None:
        """The value of a tensor that does not depend on the input, taken out of its quantisation."""
        if name in self._constants:
            return numpy_helper.to_array(self._constants[name])
        node = self._made_by.get(name)
        if node is None:
            return None
        if node.op_type == "Constant":
            return next(
                (numpy_helper.to_array(item.t) for item in node.attribute if item.name == "value"), None
            )
        inner = self.constant(node.input[0]) if node.input else None
        if inner is None:
            return None
        if node.op_type == "DequantizeLinear":
            return self._dequantised(node, inner)
        if node.op_type == "Transpose":
            order = _attribute(node, "perm", None)
            return inner.transpose(order)
        return inner if node.op_type in ("Identity", "QuantizeLinear") else None

    def weights(self, node: NodeProto) -> NDArray[np.float32]:
        """Of a linear layer, as ``(units, channels)``."""
        value = self.constant(node.input[1])
        fits = value is not None and value.ndim >= 2 and set(value.shape[2:]) <= {1}
        if value is None or not fits or _attribute(node, "group", 1) != 1:
            raise self.other("one linear layer with constant weights", node)
        flat = value.reshape(value.shape[:2])
        if node.op_type == "MatMul" or (node.op_type == "Gemm" and not _attribute(node, "transB", 0)):
            flat = flat.T
        scale = _attribute(node, "alpha", 1.0) if node.op_type == "Gemm" else 1.0
        return np.ascontiguousarray(flat * scale, np.float32)

    def is_mean(self, node: NodeProto) -> bool:
        """Whether it is the mean over the last two of four axes."""
        if node.op_type == "GlobalAveragePool":
            return True
        if node.op_type == "AveragePool":
            size = self._shapes.get(node.input[0], [])
            return len(size) == 4 and list(size[2:]) == list(_attribute(node, "kernel_shape", ()))
        if node.op_type != "ReduceMean":
            return False
        given = self.constant(node.input[1]) if len(node.input) > 1 else _attribute(node, "axes", ())
        return given is not None and sorted(int(axis) % 4 for axis in given) == [2, 3]

    def _dequantised(self, node: NodeProto, value: NDArray[Any]) -> NDArray[Any] | None:
        source = self._made_by.get(node.input[0])
        if source is not None and source.op_type == "QuantizeLinear":
            return value  # float weights on their way through a quantisation
        scale = self.constant(node.input[1])
        zero = self.constant(node.input[2]) if len(node.input) > 2 else np.zeros(())
        if scale is None or zero is None:
            return None
        axis = [1] * value.ndim
        if scale.size > 1:
            axis[_attribute(node, "axis", 1)] = -1
        dequantised: NDArray[np.float64] = (
            value.astype(np.float64) - zero.astype(np.float64).reshape(axis if zero.size > 1 else ())
        ) * scale.reshape(axis if scale.size > 1 else ())
        return dequantised


def _attribute(node: NodeProto, name: str, default: Any) -> Any:
    found = next((item for item in node.attribute if item.name == name), None)
    return default if found is None else helper.get_attribute_value(found)

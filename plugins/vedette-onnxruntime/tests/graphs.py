"""Small ONNX models, each made for one property, with weights that a test can compute with."""

from itertools import pairwise

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64, FLOAT16, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.FLOAT16, TensorProto.BOOL
node = helper.make_node


def tensor(name, shape, element=FLOAT):
    return helper.make_tensor_value_info(name, element, shape)


def model(nodes, inputs, outputs, weights=None, opset=17):
    weights = [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()]
    graph = helper.make_graph(nodes, "test", inputs, outputs, weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    made.ir_version = 8
    return made


def double(shape=(1, 4), **more):
    """``y = 2 x``."""
    return model(
        [node("Mul", ["x", "two"], ["y"])],
        [tensor("x", shape)],
        [tensor("y", shape)],
        {"two": np.array(2, np.float32)},
        **more,
    )


def matmul(size, repeats):
    """``y = x @ w @ w ...``: takes as long as one likes."""
    names = ["x", *(f"h{index}" for index in range(repeats - 1)), "y"]
    steps = [node("MatMul", [a, "w"], [b]) for a, b in pairwise(names)]
    weights = {"w": np.eye(size, dtype=np.float32)}
    return model(steps, [tensor("x", (size, size))], [tensor("y", (size, size))], weights)


def several():
    """Two inputs and three outputs of different types and batch layout: ``a + b``, ``a > b``, and the batch size."""
    return model(
        [
            node("Cast", ["b"], ["floats"], to=FLOAT),
            node("Add", ["a", "floats"], ["sum"]),
            node("Greater", ["a", "floats"], ["larger"]),
            node("Shape", ["a"], ["size"]),
        ],
        [tensor("a", ("n", 3)), tensor("b", ("n", 3), INT64)],
        [tensor("sum", ("n", 3)), tensor("larger", ("n", 3), BOOL), tensor("size", (2,), INT64)],
    )


def lookup():
    """Non-image input: rows of a table by ``int64`` token, any number of them, scaled by a scalar input."""
    return model(
        [node("Gather", ["table", "tokens"], ["rows"]), node("Mul", ["rows", "scale"], ["y"])],
        [tensor("tokens", (1, "length"), INT64), tensor("scale", ())],
        [tensor("y", (1, "length", 2))],
        {"table": np.arange(20, dtype=np.float32).reshape(10, 2)},
    )


def nonzero():
    """The number of rows depends on the values: ``y (2, k)``, the indices of what is not zero."""
    return model([node("NonZero", ["x"], ["y"])], [tensor("x", (2, 3))], [tensor("y", (2, "k"), INT64)])


def gru(steps, hidden=5, features=3):
    """A recurrent network: ``x (n, steps, features)``, state ``h (n, hidden)`` in, ``y`` and ``h_out`` out."""
    rng = np.random.default_rng(3)

    def weight(*shape):
        return rng.normal(0, 0.5, shape).astype(np.float32)

    weights = {
        "w": weight(1, 3 * hidden, features),
        "r": weight(1, 3 * hidden, hidden),
        "b": weight(1, 6 * hidden),
        "first": np.array([0]),
        "third": np.array([2]),
    }
    nodes = [
        node("Transpose", ["x"], ["by_time"], perm=(1, 0, 2)),
        node("Unsqueeze", ["h", "first"], ["h0"]),
        node("GRU", ["by_time", "w", "r", "b", "", "h0"], ["all", "last"], hidden_size=hidden),
        node("Squeeze", ["last", "first"], ["h_out"]),
        node("ReduceMean", ["h_out"], ["y"], axes=[1]),
    ]
    return model(
        nodes,
        [tensor("x", ("n", steps, features)), tensor("h", ("n", hidden))],
        [tensor("y", ("n", 1)), tensor("h_out", ("n", hidden))],
        weights,
    )


def convolution(n=1, h=5, w=7, opset=17, element=FLOAT, channels=3):
    """An image network: ``image (n, channels, h, w)`` to ``y`` by a 3 x 3 convolution with padding."""
    kernel = np.random.default_rng(1).normal(0, 0.3, (4, channels, 3, 3))
    weights = {"kernel": kernel.astype(helper.tensor_dtype_to_np_dtype(element))}
    return model(
        [node("Conv", ["image", "kernel"], ["y"], pads=(1, 1, 1, 1))],
        [tensor("image", (n, channels, h, w), element)],
        [tensor("y", (n, 4, h, w), element)],
        weights,
        opset=opset,
    )

"""Tiny ONNX networks, made by hand so that every layer is known."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Builder:
    """Appends nodes; each method returns the name of the tensor that it made."""

    def __init__(self, shape=(1, 3, 16, 16), opset=13, seed=0):
        self.random = np.random.default_rng(seed)
        self.nodes, self.constants = [], []
        self.input = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
        self.opset = opset

    def constant(self, array):
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, kind, *inputs, outputs=1, **attributes):
        names = [f"{kind.lower()}_{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0]

    def conv(self, given, channels, kernel=3, stride=1, scale=None):
        inputs = self.channels.get(given, 3)
        weights = self.random.normal(0, (2 / (inputs * kernel**2)) ** 0.5, (channels, inputs, kernel, kernel))
        if scale is not None:
            weights *= np.asarray(scale).reshape(-1, 1, 1, 1)
        bias = self.random.normal(0, 0.1, channels)
        made = self.node(
            "Conv",
            given,
            self.constant(weights.astype(np.float32)),
            self.constant(bias.astype(np.float32)),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
        )
        self.channels[made] = channels
        return made

    @property
    def channels(self):
        return self.__dict__.setdefault("_channels", {"image": 3})

    def keep_channels(self, made, given):
        self.channels[made] = self.channels[given]
        return made

    def relu(self, given):
        return self.keep_channels(self.node("Relu", given), given)

    def silu(self, given):
        return self.keep_channels(self.node("Mul", given, self.node("Sigmoid", given)), given)

    def batch_norm(self, given):
        count = self.channels[given]
        parameters = [
            self.constant(values.astype(np.float32))
            for values in (
                self.random.uniform(0.5, 1.5, count),
                self.random.normal(0, 0.1, count),
                self.random.normal(0, 0.1, count),
                self.random.uniform(0.5, 1.5, count),
            )
        ]
        return self.keep_channels(self.node("BatchNormalization", given, *parameters), given)

    def model(self, *outputs, ir_version=8):
        """Renames nothing: outputs keep the names that their nodes gave them."""
        infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "tiny", [self.input], infos, self.constants)
        made = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=ir_version
        )
        return onnx.shape_inference.infer_shapes(made, strict_mode=True)


def classifier(seed=0, wild=1.0, classes=4):
    """Three convolutions and a dense layer. ``wild``: how far apart the channels of the last convolution are: what is
    beyond eight bits per tensor when it is large."""
    net = Builder(seed=seed)
    x = net.relu(net.batch_norm(net.conv("image", 8)))
    x = net.relu(net.conv(x, 8, stride=2))
    x = net.relu(net.conv(x, 8, stride=2, scale=np.geomspace(1, wild, 8)))
    x = net.node("Flatten", net.node("GlobalAveragePool", x))
    weights = net.random.normal(0, 0.5, (classes, 8)) / np.geomspace(1, wild, 8)
    x = net.node("Gemm", x, net.constant(weights.astype(np.float32)), transB=1)
    return net.model(net.node("Softmax", x, axis=1))


def detector(seed=0):
    """Two branches with a decoding of sigmoid, exponential and concatenation, as one-stage detectors have."""
    net = Builder(seed=seed)
    x = net.silu(net.conv(net.relu(net.conv("image", 8, stride=2)), 8))
    boxes, scores = net.conv(x, 4, kernel=1), net.conv(net.relu(net.conv(x, 8)), 3, kernel=1)
    sizes = net.node("Exp", boxes)
    return net.model(net.node("Concat", sizes, net.node("Sigmoid", scores), axis=1))


def run(model, feed):
    """All outputs, by ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, feed)

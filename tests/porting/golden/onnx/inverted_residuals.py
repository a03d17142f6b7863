"""MobileNet as a graph of ONNX, operators of opset 20.

With its weights, it is saved by:

    net = load_weights(mobilenet(), "weights.safetensors")
    onnx.save(net, "mobilenet.onnx")
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file


def tensor(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])


def window(kernel, stride, pads):
    """Return the attributes of a sliding window."""
    return {
        "kernel_shape": spread(kernel, 2),
        "strides": spread(stride, 2),
        "pads": spread(pads, 4),
    }


def spread(value, count):
    """Return one number for all axes or sides as so many, and several as they are."""
    return [value] * count if isinstance(value, int) else list(value)


class Graph:
    """Collect nodes and weights; a node, its output and its weights share a name."""

    def __init__(self):
        self.nodes, self.weights, self.inputs, self.outputs = [], [], [], []

    def input(self, name, *shape):
        self.inputs.append(tensor(name, shape))
        return name

    def output(self, value, *shape):
        self.outputs.append(tensor(value, shape))

    def node(self, op, name, *inputs, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def weight(self, name, *shape, fill=0):
        array = np.full(shape, fill, np.float32)
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def constant(self, name, value):
        """Add a value that is no weight, and that load_weights leaves alone."""
        array = numpy_helper.from_array(np.asarray(value))
        self.nodes.append(helper.make_node("Constant", [], [name], value=array))
        return name

    def conv(self, name, x, inputs, outputs, kernel, *, stride=1, pads=0, group=1):
        attributes = window(kernel, stride, pads)
        shape = outputs, inputs // group, *attributes["kernel_shape"]
        weight = self.weight(f"{name}.weight", *shape)
        return self.node("Conv", name, x, weight, group=group, **attributes)

    def linear(self, name, x, inputs, outputs):
        weight = self.weight(f"{name}.weight", outputs, inputs)
        bias = self.weight(f"{name}.bias", outputs)
        return self.node("Gemm", name, x, weight, bias, transB=1)

    def batch_norm(self, name, x, channels):
        weights = [
            self.weight(f"{name}.scale", channels, fill=1),
            self.weight(f"{name}.shift", channels),
            self.weight(f"{name}.mean", channels),
            self.weight(f"{name}.var", channels, fill=1),
        ]
        # PyTorch's variance; in training, ONNX would store the biased one.
        note = "unbiased running variance"
        return self.node("BatchNormalization", name, x, *weights, doc_string=note)

    def dropout(self, name, x, ratio):
        ratio = self.constant(f"{name}/ratio", np.float32(ratio))
        return self.node("Dropout", name, x, ratio)

    def relu6(self, name, x):
        low = self.constant(f"{name}/min", np.float32(0))
        high = self.constant(f"{name}/max", np.float32(6))
        return self.node("Clip", name, x, low, high)

    def model(self, name):
        graph = helper.make_graph(
            self.nodes, name, self.inputs, self.outputs, self.weights
        )
        opsets = [helper.make_opsetid("", 20)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def conv_norm_activation(
    g, name, x, in_channels, out_channels, kernel, stride=1, pads=0, group=1
):
    x = g.conv(
        f"{name}.0",
        x,
        in_channels,
        out_channels,
        kernel,
        stride=stride,
        pads=pads,
        group=group,
    )
    x = g.batch_norm(f"{name}.1", x, out_channels)
    return g.relu6(f"{name}.2", x)


def inverted_residual(g, name, x, in_channels):
    y = conv_norm_activation(g, f"{name}.conv.0", x, in_channels, 6 * in_channels, 1)
    y = conv_norm_activation(
        g,
        f"{name}.conv.1",
        y,
        6 * in_channels,
        6 * in_channels,
        3,
        pads=1,
        group=6 * in_channels,
    )
    y = g.conv(f"{name}.conv.2", y, 6 * in_channels, in_channels, 1)
    y = g.batch_norm(f"{name}.conv.3", y, in_channels)
    return g.node("Add", f"{name}.add", x, y)


def inverted_residual2(g, name, x, in_channels, out_channels):
    x = conv_norm_activation(g, f"{name}.conv.0", x, in_channels, 6 * in_channels, 1)
    x = conv_norm_activation(
        g,
        f"{name}.conv.1",
        x,
        6 * in_channels,
        6 * in_channels,
        3,
        stride=2,
        pads=1,
        group=6 * in_channels,
    )
    x = g.conv(f"{name}.conv.2", x, 6 * in_channels, out_channels, 1)
    return g.batch_norm(f"{name}.conv.3", x, out_channels)


def mobilenet() -> onnx.ModelProto:
    g = Graph()
    x = g.input("input", 3, 32, 32)
    x = conv_norm_activation(g, "features.0", x, 3, 8, 3, stride=2, pads=1)
    x = inverted_residual(g, "features.1", x, 8)
    x = inverted_residual2(g, "features.2", x, 8, 12)
    for i in range(3, 6):
        x = inverted_residual(g, f"features.{i}", x, 12)
    x = inverted_residual2(g, "features.6", x, 12, 16)
    x = inverted_residual(g, "features.7", x, 16)
    x = g.node("GlobalAveragePool", "pool1", x)  # 16x1x1
    x = g.node("Flatten", "flatten1", x)  # 16
    x = g.dropout("classifier.0", x, 0.2)
    x = g.linear("classifier.1", x, 16, 10)  # 10
    g.output(x, 10)
    return g.model("mobilenet")


def load_weights(net, path):
    """Fill the weights from a safetensors file in which they have the same names."""
    arrays = load_file(path)
    for weight in net.graph.initializer:
        array = arrays[weight.name].astype(np.float32).reshape(weight.dims)
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    return net

"""SqueezeNet10 as a graph of ONNX, operators of opset 20.

With its weights, it is saved by:

    net = load_weights(squeezenet1_0(), "weights.safetensors")
    onnx.save(net, "squeezenet1_0.onnx")
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

    def conv(self, name, x, inputs, outputs, kernel, *, pads=0):
        attributes = window(kernel, 1, pads)
        shape = outputs, inputs, *attributes["kernel_shape"]
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", outputs)
        return self.node("Conv", name, x, weight, bias, **attributes)

    def linear(self, name, x, inputs, outputs):
        weight = self.weight(f"{name}.weight", outputs, inputs)
        bias = self.weight(f"{name}.bias", outputs)
        return self.node("Gemm", name, x, weight, bias, transB=1)

    def model(self, name):
        graph = helper.make_graph(
            self.nodes, name, self.inputs, self.outputs, self.weights
        )
        opsets = [helper.make_opsetid("", 20)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def block(g, name, x, in_channels, out_channels, kernel, pads=0):
    x = g.conv(f"{name}.0", x, in_channels, out_channels, kernel, pads=pads)
    return g.node("Relu", f"{name}.1", x)


def concurrent(g, name, x, in_channels):
    y = block(g, f"{name}.0", x, in_channels, 2 * in_channels, 1)
    x = block(g, f"{name}.1", x, in_channels, 2 * in_channels, 3, pads=1)
    return g.node("Concat", f"{name}.concat", y, x, axis=1)


def block2(g, name, x, in_channels, out_channels):
    x = block(g, f"{name}.0", x, in_channels, out_channels, 1)
    return concurrent(g, f"{name}.1", x, out_channels)


def squeezenet1_0() -> onnx.ModelProto:
    g = Graph()
    x = g.input("input", 3, 16, 16)
    x = block2(g, "features.0", x, 3, 4)
    x = block2(g, "features.1", x, 16, 6)
    x = block2(g, "features.2", x, 24, 8)
    x = g.node("GlobalAveragePool", "avgpool", x)  # 32x1x1
    x = g.node("Flatten", "flatten1", x)  # 32
    x = g.linear("fc", x, 32, 10)
    g.output(x, 10)
    return g.model("squeezenet1.0")


def load_weights(net, path):
    """Fill the weights from a safetensors file in which they have the same names."""
    arrays = load_file(path)
    for weight in net.graph.initializer:
        array = arrays[weight.name].astype(np.float32).reshape(weight.dims)
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    return net

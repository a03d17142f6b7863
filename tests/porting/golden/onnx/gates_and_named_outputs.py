"""SENet as a graph of ONNX, operators of opset 20.

With its weights, it is saved by:

    net = load_weights(se_net(), "weights.safetensors")
    onnx.save(net, "se_net.onnx")
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

    def output(self, value, *shape, name):
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(tensor(name, shape))

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

    def model(self, name):
        graph = helper.make_graph(
            self.nodes, name, self.inputs, self.outputs, self.weights
        )
        opsets = [helper.make_opsetid("", 20)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def se(g, name, x, in_channels):
    y = g.node("GlobalAveragePool", f"{name}.pool", x)
    y = g.conv(f"{name}.fc1", y, in_channels, in_channels // 4, 1)
    y = g.node("Relu", f"{name}.relu", y)
    y = g.conv(f"{name}.fc2", y, in_channels // 4, in_channels, 1)
    y = g.node("HardSigmoid", f"{name}.hardsigmoid", y, alpha=1 / 6)
    return g.node("Mul", f"{name}.mul", x, y)


def block(g, name, x, in_channels, out_channels):
    x = g.conv(f"{name}.conv", x, in_channels, out_channels, 3, pads=1)
    x = se(g, f"{name}.se", x, out_channels)
    return g.node("HardSwish", f"{name}.hardswish", x)


def se_net() -> onnx.ModelProto:
    g = Graph()
    x = g.input("input", 8, 16, 16)
    x = block(g, "block1", x, 8, 8)  # 8x16x16
    x = block(g, "block2", x, 8, 16)  # 16x16x16
    x = block(g, "block3", x, 16, 24)  # 24x16x16
    output2 = g.node("Flatten", "flatten1", x)
    g.output(x, 24, 16, 16, name="map")
    g.output(output2, 6144, name="vector")
    return g.model("se-net")


def load_weights(net, path):
    """Fill the weights from a safetensors file in which they have the same names."""
    arrays = load_file(path)
    for weight in net.graph.initializer:
        array = arrays[weight.name].astype(np.float32).reshape(weight.dims)
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    return net

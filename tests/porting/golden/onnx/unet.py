"""UNet as a graph of ONNX, operators of opset 20.

With its weights, it is saved by:

    net = load_weights(unet(), "weights.safetensors")
    onnx.save(net, "unet.onnx")
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

    def conv_transpose(self, name, x, inputs, outputs, kernel, *, stride=1):
        attributes = window(kernel, stride, 0)
        shape = inputs, outputs, *attributes["kernel_shape"]
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", outputs)
        return self.node("ConvTranspose", name, x, weight, bias, **attributes)

    def max_pool(self, name, x, kernel, *, stride=1):
        attributes = window(kernel, stride, 0)
        return self.node("MaxPool", name, x, **attributes)

    def model(self, name):
        graph = helper.make_graph(
            self.nodes, name, self.inputs, self.outputs, self.weights
        )
        opsets = [helper.make_opsetid("", 20)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def down(g, name, x, in_channels, out_channels):
    x = g.conv(f"{name}.conv1", x, in_channels, out_channels, 3, pads=1)
    x = g.node("Relu", f"{name}.relu1", x)
    x = g.conv(f"{name}.conv2", x, out_channels, out_channels, 3, pads=1)
    return g.node("Relu", f"{name}.relu2", x)


def up(g, name, x, y, in_channels):
    x = g.conv_transpose(
        f"{name}.upconv", x, in_channels, in_channels // 2, 2, stride=2
    )
    y = g.node("Concat", f"{name}.concat", y, x, axis=1)
    y = g.conv(f"{name}.double.conv1", y, in_channels, in_channels // 2, 3, pads=1)
    y = g.node("Relu", f"{name}.double.relu1", y)
    y = g.conv(f"{name}.double.conv2", y, in_channels // 2, in_channels // 2, 3, pads=1)
    return g.node("Relu", f"{name}.double.relu2", y)


def unet() -> onnx.ModelProto:
    g = Graph()
    x = g.input("input", 1, 16, 16)
    x = down(g, "down1", x, 1, 4)  # 4x16x16
    y = g.max_pool("pool1", x, 2, stride=2)  # 4x8x8
    y = down(g, "down2", y, 4, 8)  # 8x8x8
    z = g.max_pool("pool2", y, 2, stride=2)  # 8x4x4
    z = g.conv("middle.conv1", z, 8, 16, 3, pads=1)  # 16x4x4
    z = g.node("Relu", "middle.relu1", z)
    z = g.conv("middle.conv2", z, 16, 16, 3, pads=1)
    z = g.node("Relu", "middle.relu2", z)
    z = up(g, "up1", z, y, 16)  # 8x8x8
    z = up(g, "up2", z, x, 8)  # 4x16x16
    x = g.conv("out", z, 4, 2, 1)
    g.output(x, 2, 16, 16)
    return g.model("unet")


def load_weights(net, path):
    """Fill the weights from a safetensors file in which they have the same names."""
    arrays = load_file(path)
    for weight in net.graph.initializer:
        array = arrays[weight.name].astype(np.float32).reshape(weight.dims)
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    return net

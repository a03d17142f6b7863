"""DenseNet as a graph of ONNX, operators of opset 20.

With its weights, it is saved by:

    net = load_weights(densenet(), "weights.safetensors")
    onnx.save(net, "densenet.onnx")
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

    def conv(self, name, x, inputs, outputs, kernel, *, pads=0, bias=True):
        attributes = window(kernel, 1, pads)
        shape = outputs, inputs, *attributes["kernel_shape"]
        weights = [self.weight(f"{name}.weight", *shape)]
        if bias:
            weights.append(self.weight(f"{name}.bias", outputs))
        return self.node("Conv", name, x, *weights, **attributes)

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

    def average_pool(self, name, x, kernel, *, stride=1):
        attributes = window(kernel, stride, 0)
        return self.node("AveragePool", name, x, **attributes)

    def model(self, name):
        graph = helper.make_graph(
            self.nodes, name, self.inputs, self.outputs, self.weights
        )
        opsets = [helper.make_opsetid("", 20)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def layer(g, name, x, y, in_channels):
    x = g.node("Concat", f"{name}.concat", x, y, axis=1)
    x = g.batch_norm(f"{name}.norm1", x, in_channels)
    x = g.node("Relu", f"{name}.relu1", x)
    x = g.conv(f"{name}.conv1", x, in_channels, 16, 1, bias=False)
    x = g.batch_norm(f"{name}.norm2", x, 16)
    x = g.node("Relu", f"{name}.relu2", x)
    return g.conv(f"{name}.conv2", x, 16, 4, 3, pads=1, bias=False)


def layer2_block(g, name, x, y, z, in_channels):
    x = g.node("Concat", f"{name}.concat", x, y, z, axis=1)
    x = g.batch_norm(f"{name}.norm1", x, in_channels)
    x = g.node("Relu", f"{name}.relu1", x)
    x = g.conv(f"{name}.conv1", x, in_channels, 16, 1, bias=False)
    x = g.batch_norm(f"{name}.norm2", x, 16)
    x = g.node("Relu", f"{name}.relu2", x)
    return g.conv(f"{name}.conv2", x, 16, 4, 3, pads=1, bias=False)


def denseblock(g, name, x, in_channels, layer2_channels, layer3_channels):
    layer1 = g.batch_norm(f"{name}.layer1.norm1", x, in_channels)
    layer1 = g.node("Relu", f"{name}.layer1.relu1", layer1)
    layer1 = g.conv(f"{name}.layer1.conv1", layer1, in_channels, 16, 1, bias=False)
    layer1 = g.batch_norm(f"{name}.layer1.norm2", layer1, 16)
    layer1 = g.node("Relu", f"{name}.layer1.relu2", layer1)
    layer1 = g.conv(f"{name}.layer1.conv2", layer1, 16, 4, 3, pads=1, bias=False)
    layer2 = layer(g, f"{name}.layer2", x, layer1, layer2_channels)
    layer3 = layer2_block(g, f"{name}.layer3", x, layer1, layer2, layer3_channels)
    return g.node("Concat", f"{name}.concat", x, layer1, layer2, layer3, axis=1)


def densenet() -> onnx.ModelProto:
    g = Graph()
    x = g.input("input", 3, 16, 16)
    x = g.conv("conv0", x, 3, 8, 3, pads=1, bias=False)  # 8x16x16
    x = denseblock(g, "denseblock1", x, 8, 12, 16)  # 20x16x16
    x = g.batch_norm("transition.norm", x, 20)
    x = g.node("Relu", "transition.relu", x)
    x = g.conv("transition.conv", x, 20, 10, 1)  # 10x16x16
    x = g.average_pool("transition.pool", x, 2, stride=2)  # 10x8x8
    x = denseblock(g, "denseblock2", x, 10, 14, 18)  # 22x8x8
    x = g.node("GlobalAveragePool", "avgpool", x)  # 22x1x1
    x = g.node("Flatten", "flatten1", x)  # 22
    x = g.linear("fc", x, 22, 10)
    g.output(x, 10)
    return g.model("densenet")


def load_weights(net, path):
    """Fill the weights from a safetensors file in which they have the same names."""
    arrays = load_file(path)
    for weight in net.graph.initializer:
        array = arrays[weight.name].astype(np.float32).reshape(weight.dims)
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    return net

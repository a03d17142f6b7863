"""ResNet29 as a graph of ONNX, operators of opset 20.

With its weights, it is saved by:

    net = load_weights(resnet29(), "weights.safetensors")
    onnx.save(net, "resnet29.onnx")
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

    def conv(self, name, x, inputs, outputs, kernel, *, stride=1, pads=0):
        attributes = window(kernel, stride, pads)
        shape = outputs, inputs, *attributes["kernel_shape"]
        weight = self.weight(f"{name}.weight", *shape)
        return self.node("Conv", name, x, weight, **attributes)

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

    def model(self, name):
        graph = helper.make_graph(
            self.nodes, name, self.inputs, self.outputs, self.weights
        )
        opsets = [helper.make_opsetid("", 20)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def bottleneck(g, name, x, in_channels, out_channels, stride=1, downsample=False):
    y = g.conv(f"{name}.conv1", x, in_channels, out_channels, 1)
    y = g.batch_norm(f"{name}.bn1", y, out_channels)
    y = g.node("Relu", f"{name}.relu1", y)
    y = g.conv(f"{name}.conv2", y, out_channels, out_channels, 3, stride=stride, pads=1)
    y = g.batch_norm(f"{name}.bn2", y, out_channels)
    y = g.node("Relu", f"{name}.relu2", y)
    y = g.conv(f"{name}.conv3", y, out_channels, 4 * out_channels, 1)
    y = g.batch_norm(f"{name}.bn3", y, 4 * out_channels)
    if downsample:
        x = g.conv(
            f"{name}.downsample.0", x, in_channels, 4 * out_channels, 1, stride=stride
        )
        x = g.batch_norm(f"{name}.downsample.1", x, 4 * out_channels)
    y = g.node("Add", f"{name}.add", y, x)
    return g.node("Relu", f"{name}.relu3", y)


def resnet29() -> onnx.ModelProto:
    g = Graph()
    x = g.input("input", 3, 32, 32)
    x = g.conv("conv1", x, 3, 8, 3, pads=1)  # 8x32x32
    x = g.batch_norm("bn1", x, 8)
    x = g.node("Relu", "relu", x)
    x = bottleneck(g, "layer1.0", x, 8, 8, downsample=True)
    x = bottleneck(g, "layer1.1", x, 32, 8)
    x = bottleneck(g, "layer2.0", x, 32, 12, stride=2, downsample=True)
    x = bottleneck(g, "layer2.1", x, 48, 12)
    x = bottleneck(g, "layer2.2", x, 48, 12)
    x = bottleneck(g, "layer3.0", x, 48, 16, stride=2, downsample=True)
    for i in range(1, 4):
        x = bottleneck(g, f"layer3.{i}", x, 64, 16)
    x = g.node("GlobalAveragePool", "avgpool", x)  # 64x1x1
    x = g.node("Flatten", "flatten1", x)  # 64
    x = g.linear("fc", x, 64, 10)
    g.output(x, 10)
    return g.model("resnet29")


def load_weights(net, path):
    """Fill the weights from a safetensors file in which they have the same names."""
    arrays = load_file(path)
    for weight in net.graph.initializer:
        array = arrays[weight.name].astype(np.float32).reshape(weight.dims)
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    return net

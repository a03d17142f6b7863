"""ResNet18 as a graph of ONNX, operators of opset 20.

With its weights, it is saved by:

    net = load_weights(resnet18(), "weights.safetensors")
    onnx.save(net, "resnet18.onnx")
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
        bias = self.weight(f"{name}.bias", outputs)
        return self.node("Conv", name, x, weight, bias, **attributes)

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
        return self.node("BatchNormalization", name, x, *weights)

    def max_pool(self, name, x, kernel, *, stride=1, pads=0):
        attributes = window(kernel, stride, pads)
        return self.node("MaxPool", name, x, **attributes)

    def model(self, name):
        graph = helper.make_graph(
            self.nodes, name, self.inputs, self.outputs, self.weights
        )
        opsets = [helper.make_opsetid("", 20)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def block(g, name, x, in_channels, out_channels, stride=1, project=False):
    y = g.conv(f"{name}.conv1", x, in_channels, out_channels, 3, stride=stride, pads=1)
    y = g.batch_norm(f"{name}.norm1", y, out_channels)
    y = g.node("Relu", f"{name}.relu1", y)
    y = g.conv(f"{name}.conv2", y, out_channels, out_channels, 3, pads=1)
    y = g.batch_norm(f"{name}.norm2", y, out_channels)
    if project:
        x = g.conv(f"{name}.conv3", x, in_channels, out_channels, 1, stride=stride)
    y = g.node("Add", f"{name}.add", y, x)
    return g.node("Relu", f"{name}.relu2", y)


def stage(g, name, x, in_channels, out_channels, stride=1, project=False):
    x = block(
        g,
        f"{name}.block1",
        x,
        in_channels,
        out_channels,
        stride=stride,
        project=project,
    )
    return block(g, f"{name}.block2", x, out_channels, out_channels)


def resnet18() -> onnx.ModelProto:
    g = Graph()
    x = g.input("input", 1, 224, 224)
    x = g.conv("conv1", x, 1, 64, 7, stride=2, pads=3)  # 64x112x112
    x = g.batch_norm("norm1", x, 64)
    x = g.node("Relu", "relu1", x)
    x = g.max_pool("pool1", x, 3, stride=2, pads=1)  # 64x56x56
    x = stage(g, "stage1", x, 64, 64)  # 64x56x56
    x = stage(g, "stage2", x, 64, 128, stride=2, project=True)  # 128x28x28
    x = stage(g, "stage3", x, 128, 256, stride=2, project=True)  # 256x14x14
    x = stage(g, "stage4", x, 256, 512, stride=2, project=True)  # 512x7x7
    x = g.node("GlobalAveragePool", "pool2", x)  # 512x1x1
    x = g.node("Flatten", "flatten", x)  # 512
    x = g.linear("linear", x, 512, 10)
    g.output(x, 10)
    return g.model("resnet18")


def load_weights(net, path):
    """Fill the weights from a safetensors file in which they have the same names."""
    arrays = load_file(path)
    for weight in net.graph.initializer:
        array = arrays[weight.name].astype(np.float32).reshape(weight.dims)
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    return net

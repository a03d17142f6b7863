"""InceptionBlock as a graph of ONNX, operators of opset 20.

With its weights, it is saved by:

    net = load_weights(inception_block(), "weights.safetensors")
    onnx.save(net, "inception_block.onnx")
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

    def max_pool(self, name, x, kernel, *, pads=0):
        attributes = window(kernel, 1, pads)
        return self.node("MaxPool", name, x, **attributes)

    def model(self, name):
        graph = helper.make_graph(
            self.nodes, name, self.inputs, self.outputs, self.weights
        )
        opsets = [helper.make_opsetid("", 20)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def inception_block() -> onnx.ModelProto:
    g = Graph()
    x = g.input("input", 192, 28, 28)
    branch1 = g.conv("branch1.conv1", x, 192, 64, 1)  # 64x28x28
    branch1 = g.node("Relu", "branch1.relu1", branch1)
    branch2 = g.conv("branch2.conv1", x, 192, 96, 1)  # 96x28x28
    branch2 = g.node("Relu", "branch2.relu1", branch2)
    branch2 = g.conv("branch2.conv2", branch2, 96, 128, 3, pads=1)  # 128x28x28
    branch2 = g.node("Relu", "branch2.relu2", branch2)
    branch3 = g.conv("branch3.conv1", x, 192, 16, 1)  # 16x28x28
    branch3 = g.node("Relu", "branch3.relu1", branch3)
    branch3 = g.conv("branch3.conv2", branch3, 16, 32, 5, pads=2)  # 32x28x28
    branch3 = g.node("Relu", "branch3.relu2", branch3)
    x = g.max_pool("branch4.pool", x, 3, pads=1)
    x = g.conv("branch4.conv1", x, 192, 32, 1)  # 32x28x28
    x = g.node("Relu", "branch4.relu1", x)
    x = g.node("Concat", "concat1", branch1, branch2, branch3, x, axis=1)
    g.output(x, 256, 28, 28)
    return g.model("inception-block")


def load_weights(net, path):
    """Fill the weights from a safetensors file in which they have the same names."""
    arrays = load_file(path)
    for weight in net.graph.initializer:
        array = arrays[weight.name].astype(np.float32).reshape(weight.dims)
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    return net

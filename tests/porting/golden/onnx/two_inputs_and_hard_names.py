"""Siamese as a graph of ONNX, operators of opset 20.

With its weights, it is saved by:

    net = load_weights(siamese(), "weights.safetensors")
    onnx.save(net, "siamese.onnx")
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

    def conv(self, name, x, inputs, outputs, kernel):
        attributes = window(kernel, 1, 0)
        shape = outputs, inputs, *attributes["kernel_shape"]
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", outputs)
        return self.node("Conv", name, x, weight, bias, **attributes)

    def linear(self, name, x, inputs, outputs):
        weight = self.weight(f"{name}.weight", outputs, inputs)
        bias = self.weight(f"{name}.bias", outputs)
        return self.node("Gemm", name, x, weight, bias, transB=1)

    def product(self, name, x, *factors):
        for i, factor in enumerate(factors, 1):
            last = i == len(factors)
            x = self.node("Mul", name if last else f"{name}/{i}", x, factor)
        return x

    def model(self, name):
        graph = helper.make_graph(
            self.nodes, name, self.inputs, self.outputs, self.weights
        )
        opsets = [helper.make_opsetid("", 20)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def siamese() -> onnx.ModelProto:
    g = Graph()
    left = g.input("left", 2, 8, 8)
    right = g.input("right", 2, 8, 8)
    left = g.conv("left-arm.conv", left, 2, 4, 3)  # 4x6x6
    right = g.conv("right-arm.conv", right, 2, 4, 3)  # 4x6x6
    left = g.node("Tanh", "left-arm.0", left)
    right = g.node("Sigmoid", "right-arm.type", right)
    right = g.product("fused", left, right, left)
    right = g.node("Add", "train.sum", right, left)
    x = g.node("Flatten", "train.class", right)  # 144
    x = g.linear("train.1", x, 144, 3)  # 3
    output1 = g.node("Softmax", "softmax", x, axis=1)
    g.output(output1, 3)
    g.output(right, 4, 6, 6)
    return g.model("siamese")


def load_weights(net, path):
    """Fill the weights from a safetensors file in which they have the same names."""
    arrays = load_file(path)
    for weight in net.graph.initializer:
        array = arrays[weight.name].astype(np.float32).reshape(weight.dims)
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    return net

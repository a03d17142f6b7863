"""Growth as a graph of ONNX, operators of opset 20.

With its weights, it is saved by:

    net = load_weights(growth(), "weights.safetensors")
    onnx.save(net, "growth.onnx")
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


def dense_layer(g, name, x, in_channels):
    y = g.node("Relu", f"{name}.1.0", x)
    y = g.conv(f"{name}.1.1", y, in_channels, 2, 3, pads=1)
    return g.node("Concat", f"{name}.concat", x, y, axis=1)


def growth() -> onnx.ModelProto:
    g = Graph()
    x = g.input("input", 4, 8, 8)
    x = dense_layer(g, "dense.0", x, 4)
    x = dense_layer(g, "dense.1", x, 6)
    x = dense_layer(g, "dense.2", x, 8)
    x = dense_layer(g, "dense.3", x, 10)
    x = dense_layer(g, "dense.4", x, 12)
    x = g.node("GlobalAveragePool", "avgpool", x)  # 14x1x1
    x = g.node("Flatten", "flatten1", x)  # 14
    x = g.linear("fc", x, 14, 10)
    g.output(x, 10)
    return g.model("growth")


def load_weights(net, path):
    """Fill the weights from a safetensors file in which they have the same names."""
    arrays = load_file(path)
    for weight in net.graph.initializer:
        array = arrays[weight.name].astype(np.float32).reshape(weight.dims)
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    return net

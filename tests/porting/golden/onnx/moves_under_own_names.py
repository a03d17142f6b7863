"""Moves as a graph of ONNX, operators of opset 20.

With its weights, it is saved by:

    net = load_weights(moves(), "weights.safetensors")
    onnx.save(net, "moves.onnx")
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

    def conv(self, name, x, inputs, outputs, kernel, *, stride=1, pads=0):
        attributes = window(kernel, stride, pads)
        shape = outputs, inputs, *attributes["kernel_shape"]
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", outputs)
        return self.node("Conv", name, x, weight, bias, **attributes)

    def conv_transpose(self, name, x, inputs, outputs, kernel, *, stride=1, pads=0):
        attributes = window(kernel, stride, pads)
        shape = inputs, outputs, *attributes["kernel_shape"]
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", outputs)
        return self.node("ConvTranspose", name, x, weight, bias, **attributes)

    def linear(self, name, x, inputs, outputs):
        weight = self.weight(f"{name}.weight", outputs, inputs)
        bias = self.weight(f"{name}.bias", outputs)
        return self.node("Gemm", name, x, weight, bias, transB=1)

    def batch_norm(self, name, x, channels, *, scale=True):
        weights = [
            self.weight(f"{name}.scale", channels, fill=1)
            if scale
            else self.constant(f"{name}/ones", np.ones(channels, np.float32)),
            self.weight(f"{name}.shift", channels),
            self.weight(f"{name}.mean", channels),
            self.weight(f"{name}.var", channels, fill=1),
        ]
        return self.node("BatchNormalization", name, x, *weights)

    def layer_norm_over(self, name, x, axes, *shape, scale=True, shift=True):
        """Normalise over axes that are not the last, for which there is no operator."""
        axes = self.constant(f"{name}/axes", axes)
        mean = self.node("ReduceMean", f"{name}/mean", x, axes)
        centred = self.node("Sub", f"{name}/centred", x, mean)
        square = self.node("Mul", f"{name}/square", centred, centred)
        var = self.node("ReduceMean", f"{name}/var", square, axes)
        small = self.constant(f"{name}/epsilon", np.float32(1e-5))
        var = self.node("Add", f"{name}/var_epsilon", var, small)
        deviation = self.node("Sqrt", f"{name}/deviation", var)
        steps = [("Div", deviation)]
        if scale:
            steps.append(("Mul", self.weight(f"{name}.scale", *shape, fill=1)))
        if shift:
            steps.append(("Add", self.weight(f"{name}.shift", *shape)))
        y = centred
        for i, (op, operand) in enumerate(steps, 1):
            y = self.node(op, name if i == len(steps) else f"{name}/{op}", y, operand)
        return y

    def max_pool(self, name, x, kernel, *, pads=0):
        attributes = window(kernel, 1, pads)
        return self.node("MaxPool", name, x, **attributes)

    def average_pool(self, name, x, kernel, *, stride=1, pads=0):
        attributes = window(kernel, stride, pads)
        return self.node("AveragePool", name, x, **attributes)

    def pad(self, name, x, pads, value=0.0):
        pads = self.constant(f"{name}/pads", pads)
        value = self.constant(f"{name}/value", np.float32(value))
        axes = self.constant(f"{name}/axes", (2, 3))
        return self.node("Pad", name, x, pads, value, axes)

    def reshape(self, name, x, *shape):
        shape = self.constant(f"{name}/shape", (-1, *shape))
        return self.node("Reshape", name, x, shape)

    def model(self, name):
        graph = helper.make_graph(
            self.nodes, name, self.inputs, self.outputs, self.weights
        )
        opsets = [helper.make_opsetid("", 20)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def moves() -> onnx.ModelProto:
    g = Graph()
    x = g.input("input", 4, 6, 5)
    x = g.pad("border", x, (1, 0, 0, 2), value=0.5)  # 4x7x7
    x = g.node("Transpose", "last", x, perm=(0, 2, 3, 1))  # 7x7x4
    x = g.reshape("shaped", x, 7, 4, 7)  # 7x4x7
    x = g.node("HardSigmoid", "hard", x)
    x = g.average_pool("mean", x, 3, stride=2, pads=(1, 0, 0, 1))  # 7x2x3
    x = g.max_pool("most", x, 2, pads=(1, 1, 1, 0))  # 7x3x3
    x = g.conv_transpose("wide", x, 7, 3, 3, stride=2, pads=(0, 1, 2, 0))  # 3x5x6
    x = g.conv("same", x, 3, 6, 3, stride=2, pads=(1, 0, 1, 1))  # 6x3x3
    x = g.layer_norm_over("layernorm", x, (1, 3), 6, 1, 3, shift=False)
    x = g.batch_norm("batchnorm", x, 6, scale=False)
    y = g.node("Sum", "thrice", x, x, x)
    x = g.node("Concat", "joined", x, y, axis=2)  # 6x6x3
    x = g.node("Flatten", "flat", x)  # 108
    x = g.linear("scores", x, 108, 4)  # 4
    x = g.node("LogSoftmax", "logs", x, axis=1)
    g.output(x, 4)
    return g.model("moves")


def load_weights(net, path):
    """Fill the weights from a safetensors file in which they have the same names."""
    arrays = load_file(path)
    for weight in net.graph.initializer:
        array = arrays[weight.name].astype(np.float32).reshape(weight.dims)
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    return net

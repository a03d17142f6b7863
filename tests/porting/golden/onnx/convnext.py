"""ConvNeXt as a graph of ONNX, operators of opset 20.

With its weights, it is saved by:

    net = load_weights(convnext(), "weights.safetensors")
    onnx.save(net, "convnext.onnx")
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

    def conv(self, name, x, inputs, outputs, kernel, *, stride=1, pads=0, group=1):
        attributes = window(kernel, stride, pads)
        shape = outputs, inputs // group, *attributes["kernel_shape"]
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", outputs)
        return self.node("Conv", name, x, weight, bias, group=group, **attributes)

    def linear(self, name, x, inputs, outputs):
        weight = self.weight(f"{name}.weight", outputs, inputs)
        bias = self.weight(f"{name}.bias", outputs)
        return self.node("Gemm", name, x, weight, bias, transB=1)

    def layer_norm_over(self, name, x, axes, *shape, epsilon=1e-5):
        """Normalise over axes that are not the last, for which there is no operator."""
        axes = self.constant(f"{name}/axes", axes)
        mean = self.node("ReduceMean", f"{name}/mean", x, axes)
        centred = self.node("Sub", f"{name}/centred", x, mean)
        square = self.node("Mul", f"{name}/square", centred, centred)
        var = self.node("ReduceMean", f"{name}/var", square, axes)
        small = self.constant(f"{name}/epsilon", np.float32(epsilon))
        var = self.node("Add", f"{name}/var_epsilon", var, small)
        deviation = self.node("Sqrt", f"{name}/deviation", var)
        y = self.node("Div", f"{name}/normal", centred, deviation)
        scale = self.weight(f"{name}.scale", *shape, fill=1)
        y = self.node("Mul", f"{name}/scaled", y, scale)
        return self.node("Add", name, y, self.weight(f"{name}.shift", *shape))

    def model(self, name):
        graph = helper.make_graph(
            self.nodes, name, self.inputs, self.outputs, self.weights
        )
        opsets = [helper.make_opsetid("", 20)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def block(g, name, x):
    y = g.conv(f"{name}.dwconv", x, 8, 8, 5, pads=2, group=8)
    y = g.layer_norm_over(f"{name}.norm", y, (1,), 8, 1, 1, epsilon=1e-6)
    y = g.conv(f"{name}.pwconv1", y, 8, 32, 1)  # 32x8x8
    y = g.node("Gelu", f"{name}.gelu", y)
    y = g.conv(f"{name}.pwconv2", y, 32, 8, 1)  # 8x8x8
    return g.node("Add", f"{name}.add", x, y)


def convnext() -> onnx.ModelProto:
    g = Graph()
    x = g.input("input", 3, 16, 16)
    x = g.conv("stem.conv", x, 3, 8, 2, stride=2)  # 8x8x8
    x = g.layer_norm_over("stem.norm", x, (1,), 8, 1, 1, epsilon=1e-6)
    for i in range(5):
        x = block(g, f"blocks.{i}", x)
    x = g.node("GlobalAveragePool", "avgpool", x)  # 8x1x1
    x = g.node("Flatten", "flatten1", x)  # 8
    x = g.linear("fc", x, 8, 10)
    g.output(x, 10)
    return g.model("convnext")


def load_weights(net, path):
    """Fill the weights from a safetensors file in which they have the same names."""
    arrays = load_file(path)
    for weight in net.graph.initializer:
        array = arrays[weight.name].astype(np.float32).reshape(weight.dims)
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    return net

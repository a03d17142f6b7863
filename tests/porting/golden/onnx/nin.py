"""NiN as a graph of ONNX, operators of opset 20.

With its weights, it is saved by:

    net = load_weights(nin(), "weights.safetensors")
    onnx.save(net, "nin.onnx")
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

    def max_pool(self, name, x, kernel, *, stride=1):
        attributes = window(kernel, stride, 0)
        return self.node("MaxPool", name, x, **attributes)

    def dropout(self, name, x, ratio):
        ratio = self.constant(f"{name}/ratio", np.float32(ratio))
        return self.node("Dropout", name, x, ratio)

    def model(self, name):
        graph = helper.make_graph(
            self.nodes, name, self.inputs, self.outputs, self.weights
        )
        opsets = [helper.make_opsetid("", 20)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def block(g, name, x, in_channels, out_channels, kernel, stride=1, pads=0):
    x = g.conv(
        f"{name}.conv1", x, in_channels, out_channels, kernel, stride=stride, pads=pads
    )
    x = g.node("Relu", f"{name}.relu1", x)
    x = g.conv(f"{name}.conv2", x, out_channels, out_channels, 1)
    x = g.node("Relu", f"{name}.relu2", x)
    x = g.conv(f"{name}.conv3", x, out_channels, out_channels, 1)
    return g.node("Relu", f"{name}.relu3", x)


def nin() -> onnx.ModelProto:
    g = Graph()
    x = g.input("input", 1, 224, 224)
    x = block(g, "block1", x, 1, 96, 11, stride=4)  # 96x54x54
    x = g.max_pool("pool1", x, 3, stride=2)  # 96x26x26
    x = block(g, "block2", x, 96, 256, 5, pads=2)  # 256x26x26
    x = g.max_pool("pool2", x, 3, stride=2)  # 256x12x12
    x = block(g, "block3", x, 256, 384, 3, pads=1)  # 384x12x12
    x = g.max_pool("pool3", x, 3, stride=2)  # 384x5x5
    x = g.dropout("dropout", x, 0.5)
    x = block(g, "block4", x, 384, 10, 3, pads=1)  # 10x5x5
    x = g.node("GlobalAveragePool", "pool4", x)  # 10x1x1
    x = g.node("Flatten", "flatten", x)
    g.output(x, 10)
    return g.model("nin")


def load_weights(net, path):
    """Fill the weights from a safetensors file in which they have the same names."""
    arrays = load_file(path)
    for weight in net.graph.initializer:
        array = arrays[weight.name].astype(np.float32).reshape(weight.dims)
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    return net

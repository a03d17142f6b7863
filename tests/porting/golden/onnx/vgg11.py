"""VGG11 as a graph of ONNX, operators of opset 20.

With its weights, it is saved by:

    net = load_weights(vgg11(), "weights.safetensors")
    onnx.save(net, "vgg11.onnx")
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


def block(g, name, x, in_channels, out_channels, convs):
    for i in range(1, convs + 1):
        x = g.conv(f"{name}.conv{i}", x, in_channels, out_channels, 3, pads=1)
        x = g.node("Relu", f"{name}.relu{i}", x)
        in_channels = out_channels
    return g.max_pool(f"{name}.pool", x, 2, stride=2)


def vgg11() -> onnx.ModelProto:
    g = Graph()
    x = g.input("input", 1, 224, 224)
    x = block(g, "block1", x, 1, 64, convs=1)  # 64x112x112
    x = block(g, "block2", x, 64, 128, convs=1)  # 128x56x56
    x = block(g, "block3", x, 128, 256, convs=2)  # 256x28x28
    x = block(g, "block4", x, 256, 512, convs=2)  # 512x14x14
    x = block(g, "block5", x, 512, 512, convs=2)  # 512x7x7
    x = g.node("Flatten", "flatten", x)  # 25088
    x = g.linear("linear1", x, 25088, 4096)  # 4096
    x = g.node("Relu", "relu1", x)
    x = g.dropout("dropout1", x, 0.5)
    x = g.linear("linear2", x, 4096, 4096)
    x = g.node("Relu", "relu2", x)
    x = g.dropout("dropout2", x, 0.5)
    x = g.linear("linear3", x, 4096, 10)
    g.output(x, 10)
    return g.model("vgg11")


def load_weights(net, path):
    """Fill the weights from a safetensors file in which they have the same names."""
    arrays = load_file(path)
    for weight in net.graph.initializer:
        array = arrays[weight.name].astype(np.float32).reshape(weight.dims)
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    return net

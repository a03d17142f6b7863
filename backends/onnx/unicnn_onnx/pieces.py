"""The parts of a file that do not depend on the network: the class that collects nodes, and what it needs."""

from __future__ import annotations

from collections.abc import Mapping

from unicnn_onnx.methods import METHODS

GRAPH = '''
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
'''
KEYED = """
    def output(self, value, *shape, name):
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(tensor(name, shape))
"""
UNKEYED = """
    def output(self, value, *shape):
        self.outputs.append(tensor(value, shape))
"""
MODEL = """
    def model(self, name):
        graph = helper.make_graph(
            self.nodes, name, self.inputs, self.outputs, self.weights
        )
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR)
"""

TENSOR = """
def tensor(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])
"""

WINDOW = '''
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
'''

CELLS = '''
def cells(n, o):
    """Return which of n pixels lie in each of o windows of an adaptive pooling."""
    i, pixels = np.arange(o)[:, None], np.arange(n)
    inside = (pixels >= i * n // o) & (pixels < -(-(i + 1) * n // o))
    return inside.astype(np.float32)
'''

LOADING = '''
def load_weights(net, path):
    """Fill the weights from a safetensors file in which they have the same names."""
    arrays = load_file(path)
    for weight in net.graph.initializer:
        array = arrays[weight.name].astype(np.float32).reshape(weight.dims)
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    return net
'''


def graph_class(methods: Mapping[str, str], *, keyed: bool, opset: int) -> str:
    """Return the source of the class with these methods, and with what they need."""
    model = MODEL.replace("OPSET", str(opset)).replace("IR", str({20: 9, 22: 10}[opset]))
    if any("self.constant(" in text for text in methods.values()):
        methods = {"constant": METHODS["constant"], **methods}
    head = GRAPH.replace(UNKEYED, KEYED) if keyed else GRAPH
    return "\n".join(text.strip("\n") + "\n" for text in (head, *methods.values(), model))

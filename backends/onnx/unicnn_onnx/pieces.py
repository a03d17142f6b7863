"""The parts of a file that do not depend on the network: the class that collects nodes, of which only what is used is written."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

GRAPH = '''
class Graph:
    """Collect nodes and weights; a node, its output and its weights share a name."""

    def __init__(self):
        self.nodes, self.weights, self.inputs, self.outputs = [], [], [], []

    def input(self, name, *shape):
        self.inputs.append(tensor_info(name, shape))
        return name

    def output(self, value, *shape, name=None):
        if name is not None:
            self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(tensor_info(name or value, shape))

    def node(self, op, name, *inputs, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def weight(self, name, *shape, fill=0):
        array = np.full(shape, fill, np.float32)
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def model(self, name):
        graph = helper.make_graph(
            self.nodes, name, self.inputs, self.outputs, self.weights
        )
        opsets = [helper.make_opsetid("", 20)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)
'''

METHODS: Mapping[str, str] = {
    "constant": '''
    def constant(self, name, value):
        """Add a value that is no weight: load_weights leaves it alone."""
        tensor = numpy_helper.from_array(np.asarray(value))
        self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        return name
''',
    "conv": """
    def conv(
        self, name, x, inputs, outputs, kernel_shape, *, group=1, bias=True, **attributes
    ):
        weights = [
            self.weight(f"{name}.weight", outputs, inputs // group, *kernel_shape)
        ]
        if bias:
            weights.append(self.weight(f"{name}.bias", outputs))
        return self.node("Conv", name, x, *weights, group=group, **attributes)
""",
    "conv_transpose": """
    def conv_transpose(
        self, name, x, inputs, outputs, kernel_shape, *, group=1, bias=True, **attributes
    ):
        weights = [
            self.weight(f"{name}.weight", inputs, outputs // group, *kernel_shape)
        ]
        if bias:
            weights.append(self.weight(f"{name}.bias", outputs))
        return self.node("ConvTranspose", name, x, *weights, group=group, **attributes)
""",
    "linear": """
    def linear(self, name, x, inputs, outputs, *, bias=True):
        weights = [self.weight(f"{name}.weight", outputs, inputs)]
        if bias:
            weights.append(self.weight(f"{name}.bias", outputs))
        return self.node("Gemm", name, x, *weights, transB=1)
""",
    "layer_norm": """
    def layer_norm(self, name, x, shape, *, scale=True, shift=True, **attributes):
        weights = [
            self.weight(f"{name}.scale", *shape, fill=1)
            if scale
            else self.constant(f"{name}/ones", np.ones(shape, np.float32))
        ]
        if shift:
            weights.append(self.weight(f"{name}.shift", *shape))
        attributes["axis"] = -len(shape)
        return self.node("LayerNormalization", name, x, *weights, **attributes)
""",
    "layer_norm_over": '''
    def layer_norm_over(
        self, name, x, shape, axes, *, epsilon=1e-5, scale=True, shift=True
    ):
        """Normalise over axes that are not the last, for which there is no operator."""
        axes = self.constant(f"{name}/axes", axes)
        mean = self.node("ReduceMean", f"{name}/mean", x, axes)
        centred = self.node("Sub", f"{name}/centred", x, mean)
        square = self.node("Mul", f"{name}/square", centred, centred)
        var = self.node("ReduceMean", f"{name}/var", square, axes)
        epsilon = self.constant(f"{name}/epsilon", np.float32(epsilon))
        var = self.node("Add", f"{name}/var_epsilon", var, epsilon)
        deviation = self.node("Sqrt", f"{name}/deviation", var)
        steps = [("Div", deviation)]
        if scale:
            steps.append(("Mul", self.weight(f"{name}.scale", *shape, fill=1)))
        if shift:
            steps.append(("Add", self.weight(f"{name}.shift", *shape)))
        x = centred
        for i, (op, operand) in enumerate(steps, 1):
            x = self.node(op, name if i == len(steps) else f"{name}/{op}", x, operand)
        return x
''',
    "adaptive_pool": '''
    def adaptive_pool(self, name, x, size, output_size):
        """Average windows that differ in size or overlap: products with zeros and ones."""
        rows, columns = map(windows, size, output_size)
        counts = np.outer(rows.sum(1), columns.sum(1))
        rows = self.constant(f"{name}/rows", rows)
        columns = self.constant(f"{name}/columns", columns.T)
        counts = self.constant(f"{name}/counts", counts)
        x = self.node("MatMul", f"{name}/row_sums", rows, x)
        x = self.node("MatMul", f"{name}/sums", x, columns)
        return self.node("Div", name, x, counts)
''',
    "pad": """
    def pad(self, name, x, pads, value=0.0):
        pads = self.constant(f"{name}/pads", pads)
        value = self.constant(f"{name}/value", np.float32(value))
        axes = self.constant(f"{name}/axes", (2, 3))
        return self.node("Pad", name, x, pads, value, axes)
""",
    "dropout": """
    def dropout(self, name, x, ratio):
        ratio = self.constant(f"{name}/ratio", np.float32(ratio))
        return self.node("Dropout", name, x, ratio)
""",
    "relu6": """
    def relu6(self, name, x):
        low = self.constant(f"{name}/min", np.float32(0))
        high = self.constant(f"{name}/max", np.float32(6))
        return self.node("Clip", name, x, low, high)
""",
    "silu": """
    def silu(self, name, x):
        return self.node("Mul", name, x, self.node("Sigmoid", f"{name}/sigmoid", x))
""",
    "reshape": """
    def reshape(self, name, x, shape):
        shape = self.constant(f"{name}/shape", (-1, *shape))
        return self.node("Reshape", name, x, shape)
""",
    "product": """
    def product(self, name, x, *factors):
        for i, factor in enumerate(factors, 1):
            last = i == len(factors)
            x = self.node("Mul", name if last else f"{name}/{i}", x, factor)
        return x
""",
}
"""The methods by what calls them."""

WINDOWS = '''
def windows(n, o):
    """Return which of n pixels lie in each of o windows of an adaptive pooling."""
    i, pixels = np.arange(o)[:, None], np.arange(n)
    inside = (pixels >= i * n // o) & (pixels < -(-(i + 1) * n // o))
    return inside.astype(np.float32)
'''

INFO = """
def tensor_info(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])
"""

LOADING = '''
def load_weights(net, path):
    """Fill the weights from a safetensors file in which they have the same names."""
    arrays = load_file(path)
    for tensor in net.graph.initializer:
        array = arrays[tensor.name].astype(np.float32).reshape(tensor.dims)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return net
'''


BIASED = """
    def batch_norm(self, name, x, channels, ARGUMENTS**attributes):
        weights = [
            SCALE,
            SHIFT,
            self.weight(f"{name}.mean", channels),
            self.weight(f"{name}.var", channels, fill=1),
        ]
UNBIASED        return self.node("BatchNormalization", name, x, *weights, **attributes)
"""
_NOTE = """attributes["doc_string"] = "unbiased running variance"
"""


def batch_norm(affine: bool, unbiased: str) -> str:
    """Return the method for batch normalisation.

    `affine` says that all have a scale and a shift, `unbiased` whether the statistics of "none", "some" or "all" are such as
    PyTorch collects: then the nodes say so, because ONNX has no attribute for it.
    """
    scale, shift = 'self.weight(f"{name}.scale", channels, fill=1)', 'self.weight(f"{name}.shift", channels)'
    arguments = "" if affine else "scale=True, shift=True, "
    if not affine:
        scale = f'{scale} if scale else self.constant(f"{{name}}/ones", np.ones(channels, np.float32))'
        shift = f'{shift} if shift else self.constant(f"{{name}}/zeros", np.zeros(channels, np.float32))'
    note = {"none": "", "all": f"        {_NOTE}", "some": f"        if unbiased:\n            {_NOTE}"}[unbiased]
    if note:
        note = "        # As PyTorch collects it; in training, ONNX would store the biased variance.\n" + note
    arguments += "unbiased=False, " if unbiased == "some" else ""
    text = BIASED.replace("ARGUMENTS", f"*, {arguments}" if arguments else "").replace("UNBIASED", note)
    return text.replace("SCALE", scale).replace("SHIFT", shift)


def graph_class(methods: Mapping[str, str]) -> str:
    """Return the source of the class with these methods, and with what they need."""
    if any("self.constant(" in text for text in methods.values()):
        methods = {"constant": METHODS["constant"], **methods}
    head, model = GRAPH.strip("\n").split("    def model(", 1)
    return "\n".join([head.rstrip("\n") + "\n", *(text.strip("\n") + "\n" for text in methods.values()), f"    def model({model}"])

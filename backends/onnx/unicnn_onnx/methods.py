"""The methods of the class that collects nodes, one for each layer that is more than a node without weights."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

METHODS: Mapping[str, str] = {
    "constant": '''
    def constant(self, name, value):
        """Add a value that is no weight, and that load_weights leaves alone."""
        array = numpy_helper.from_array(np.asarray(value))
        self.nodes.append(helper.make_node("Constant", [], [name], value=array))
        return name
''',
    "conv": """
    def conv(self, name, x, inputs, outputs, kernelOPTIONS):
        attributes = window(kernel, STRIDE, PADS)
?group|        shape = outputs, inputs // group, *attributes["kernel_shape"]
!group|        shape = outputs, inputs, *attributes["kernel_shape"]
?bias|        weights = [self.weight(f"{name}.weight", *shape)]
?bias|        if bias:
?bias|            weights.append(self.weight(f"{name}.bias", outputs))
!bias|        weight = self.weight(f"{name}.weight", *shape)
!bias|        bias = self.weight(f"{name}.bias", outputs)
?bias|        return self.node("Conv", name, x, *weightsEXTRA, **attributes)
!bias|        return self.node("Conv", name, x, weight, biasEXTRA, **attributes)
?always_bare|        weight = self.weight(f"{name}.weight", *shape)
?always_bare|        return self.node("Conv", name, x, weightEXTRA, **attributes)
""",
    "conv_transpose": """
    def conv_transpose(self, name, x, inputs, outputs, kernelOPTIONS):
        attributes = window(kernel, STRIDE, PADS)
?group|        shape = inputs, outputs // group, *attributes["kernel_shape"]
!group|        shape = inputs, outputs, *attributes["kernel_shape"]
?bias|        weights = [self.weight(f"{name}.weight", *shape)]
?bias|        if bias:
?bias|            weights.append(self.weight(f"{name}.bias", outputs))
!bias|        weight = self.weight(f"{name}.weight", *shape)
!bias|        bias = self.weight(f"{name}.bias", outputs)
?bias|        return self.node("ConvTranspose", name, x, *weightsEXTRA, **attributes)
!bias|        return self.node("ConvTranspose", name, x, weight, biasEXTRA, **attributes)
?always_bare|        weight = self.weight(f"{name}.weight", *shape)
?always_bare|        return self.node("ConvTranspose", name, x, weightEXTRA, **attributes)
""",
    "linear": """
    def linear(self, name, x, inputs, outputsOPTIONS):
?bias|        weights = [self.weight(f"{name}.weight", outputs, inputs)]
?bias|        if bias:
?bias|            weights.append(self.weight(f"{name}.bias", outputs))
?bias|        return self.node("Gemm", name, x, *weights, transB=1)
!bias|        weight = self.weight(f"{name}.weight", outputs, inputs)
!bias|        bias = self.weight(f"{name}.bias", outputs)
!bias|        return self.node("Gemm", name, x, weight, bias, transB=1)
""",
    "batch_norm": """
    def batch_norm(self, name, x, channelsOPTIONS):
        weights = [
?scale|            self.weight(f"{name}.scale", channels, fill=1)
?scale|            if scale
?scale|            else self.constant(f"{name}/ones", np.ones(channels, np.float32)),
!scale|            self.weight(f"{name}.scale", channels, fill=1),
?shift|            self.weight(f"{name}.shift", channels)
?shift|            if shift
?shift|            else self.constant(f"{name}/zeros", np.zeros(channels, np.float32)),
!shift|            self.weight(f"{name}.shift", channels),
            self.weight(f"{name}.mean", channels),
            self.weight(f"{name}.var", channels, fill=1),
        ]
?pytorch|        # PyTorch's variance; in training, ONNX would store the biased one.
?unbiased|        note = "unbiased running variance" if unbiased else ""
?always_unbiased|        note = "unbiased running variance"
        return self.node("BatchNormalization", name, x, *weightsEXTRA)
""",
    "layer_norm": """
    def layer_norm(self, name, x, *shapeOPTIONS):
        weights = [
?scale|            self.weight(f"{name}.scale", *shape, fill=1)
?scale|            if scale
?scale|            else self.constant(f"{name}/ones", np.ones(shape, np.float32))
!scale|            self.weight(f"{name}.scale", *shape, fill=1)
        ]
?shift|        if shift:
?shift|            weights.append(self.weight(f"{name}.shift", *shape))
!shift|        weights.append(self.weight(f"{name}.shift", *shape))
        axis = -len(shape)
        return self.node("LayerNormalization", name, x, *weights, axis=axisEXTRA)
""",
    "layer_norm_over": '''
    def layer_norm_over(self, name, x, axes, *shapeOPTIONS):
        """Normalise over axes that are not the last, for which there is no operator."""
        axes = self.constant(f"{name}/axes", axes)
        mean = self.node("ReduceMean", f"{name}/mean", x, axes)
        centred = self.node("Sub", f"{name}/centred", x, mean)
        square = self.node("Mul", f"{name}/square", centred, centred)
        var = self.node("ReduceMean", f"{name}/var", square, axes)
        small = self.constant(f"{name}/epsilon", np.float32(EPSILON))
        var = self.node("Add", f"{name}/var_epsilon", var, small)
        deviation = self.node("Sqrt", f"{name}/deviation", var)
?affine|        y = self.node("Div", f"{name}/normal", centred, deviation)
?affine|        scale = self.weight(f"{name}.scale", *shape, fill=1)
?affine|        y = self.node("Mul", f"{name}/scaled", y, scale)
?affine|        return self.node("Add", name, y, self.weight(f"{name}.shift", *shape))
!affine|        steps = [("Div", deviation)]
!affine|        if scale:
!affine|            steps.append(("Mul", self.weight(f"{name}.scale", *shape, fill=1)))
!affine|        if shift:
!affine|            steps.append(("Add", self.weight(f"{name}.shift", *shape)))
!affine|        y = centred
!affine|        for i, (op, operand) in enumerate(steps, 1):
!affine|            y = self.node(op, name if i == len(steps) else f"{name}/{op}", y, operand)
!affine|        return y
''',
    "max_pool": """
    def max_pool(self, name, x, kernelOPTIONS):
        attributes = window(kernel, STRIDE, PADS)
        return self.node("MaxPool", name, xEXTRA, **attributes)
""",
    "average_pool": """
    def average_pool(self, name, x, kernelOPTIONS):
        attributes = window(kernel, STRIDE, PADS)
        return self.node("AveragePool", name, xEXTRA, **attributes)
""",
    "adaptive_pool": '''
    def adaptive_pool(self, name, x, size, output_size):
        """Average windows that differ in size or overlap: sums of chosen cells."""
        rows, columns = map(cells, size, output_size)
        counts = np.outer(rows.sum(1), columns.sum(1))
        rows = self.constant(f"{name}/rows", rows)
        columns = self.constant(f"{name}/columns", columns.T)
        counts = self.constant(f"{name}/counts", counts)
        y = self.node("MatMul", f"{name}/row_sums", rows, x)
        y = self.node("MatMul", f"{name}/sums", y, columns)
        return self.node("Div", name, y, counts)
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
        gate = self.node("Sigmoid", f"{name}/sigmoid", x)
        return self.node("Mul", name, x, gate)
""",
    "reshape": """
    def reshape(self, name, x, *shape):
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
"""The methods by what calls them.

OPTIONS are the optional arguments that some call writes and EXTRA those among them that are passed on; STRIDE, PADS and EPSILON
are such an argument or its default. A line after "?bias|" is there if some call writes `bias`, after "!bias|" if none does.
"""

_DEFAULTS = {
    "stride": "1", "pads": "0", "dilation": "1", "group": "1", "output_padding": "0", "bias": "True", "scale": "True", "shift": "True",
    "epsilon": "1e-5", "momentum": "0.9", "unbiased": "False", "ceil_mode": "0", "count_include_pad": "0",
}  # fmt: skip
_PASSED = {
    "dilation": "dilations=spread(dilation, 2)",
    "output_padding": "output_padding=spread(output_padding, 2)",
    **{name: f"{name}={name}" for name in ("group", "epsilon", "momentum", "ceil_mode", "count_include_pad")},
}


def method(name: str, options: Collection[str]) -> str:
    """Return a method with the optional arguments that some call writes.

    Of these, some are no arguments: "always_unbiased" says that all batch normalisation has statistics such as PyTorch collects,
    "always_bare" that no convolution has a bias.
    """
    text = "\n".join(line for line in (_chosen(line, _facts(name, options)) for line in METHODS[name].split("\n")) if line is not None)
    written = [item for item in _DEFAULTS if item in options]
    if name == "layer_norm_over" and {"scale", "shift"} & {*written}:
        written = [item for item in _DEFAULTS if item in {*written, "scale", "shift"}]
    for item in ("stride", "pads", "epsilon"):
        text = text.replace(item.upper(), item if item in written else _DEFAULTS[item])
    extra = [_PASSED[item] for item in written if item in _PASSED] + (
        ["doc_string=note"] if "doc_string" not in text and "note =" in text else []
    )
    text = text.replace("EXTRA", "".join(f", {item}" for item in extra))
    star = ", *" if "*shape" not in text.partition(")")[0] and written else ""
    return text.replace("OPTIONS", star + "".join(f", {item}={_DEFAULTS[item]}" for item in written))


def _facts(name: str, options: Collection[str]) -> set[str]:
    """Return the words after which lines are chosen."""
    facts = set(options)
    if {"unbiased", "always_unbiased"} & facts:
        facts.add("pytorch")
    if not {"scale", "shift"} & facts:
        facts.add("affine")
    return facts


def _chosen(line: str, facts: Collection[str]) -> str | None:
    """Return a line without its condition, or None if that is not met."""
    match = re.fullmatch(r"([?!])(\w+)\|(.*)", line)
    if match is None:
        return line
    if match[2] == "bias" and "always_bare" in facts:
        return None
    return match[3] if (match[2] in facts) == (match[1] == "?") else None

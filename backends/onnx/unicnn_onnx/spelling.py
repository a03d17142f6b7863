"""How single layers are spelt: as calls of methods of the graph being built, whose arguments are the attributes of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unicnn import ops
from unicnn.errors import UnsupportedError
from unicnn.graph import Node
from unicnn.ops.fields import Sides
from unicnn.ops.pool import resolve_padding
from unicnn.porting.outline import Argument, Make, Template

CALL = Template("{self}({all})")
PLAIN: Mapping[type[Any], str] = {
    ops.ReLU: "Relu",
    ops.LeakyReLU: "LeakyRelu",
    ops.ELU: "Elu",
    ops.Sigmoid: "Sigmoid",
    ops.Tanh: "Tanh",
    ops.GELU: "Gelu",
    ops.Hardswish: "HardSwish",
    ops.Hardsigmoid: "HardSigmoid",
    ops.Softmax: "Softmax",
    ops.LogSoftmax: "LogSoftmax",
    ops.Identity: "Identity",
    ops.Flatten: "Flatten",
    ops.Transpose: "Transpose",
    ops.MaxPool2d: "MaxPool",
    ops.AvgPool2d: "AveragePool",
    ops.Concat: "Concat",
    ops.Add: "Add",
    ops.Mul: "Mul",
}
"""The layers that are one node without weights and constants, and its operator."""


class Spelling:
    """Spell every layer as a node of its own, in a statement of its own; `callee` is an operator, or a method in lower case."""

    sequences = frozenset[str]()
    nested = False
    reserved = frozenset({"g", "i", "name", "np", "onnx", "helper", "numpy_helper", "load_file", "Graph", "TensorProto", "load_weights"})

    def layer(self, node: Node) -> Make:
        spell = _LAYERS.get(type(node.op))
        return Make(*_plain(node)) if spell is None else spell(node)

    def function(self, node: Node) -> Template | None:
        return None

    def call(self, node: Node) -> Template:
        return CALL


def pads(sides: Sides) -> tuple[int, int, int, int]:
    """Return sides as ONNX lists them: what is before the axes, then what is after."""
    (top, bottom), (left, right) = sides
    return top, left, bottom, right


def optional(name: str, given: Any, default: Any) -> Argument:
    """Return an argument that is written by name if it is not the default."""
    return Argument(name, given, default, keyword=True)


def _channels(node: Node, outputs: int) -> tuple[Argument, Argument]:
    inputs = Argument("in_channels", node.input_shapes[0][0], kind="channels")
    return inputs, Argument("out_channels", outputs, kind="channels")


def _plain(node: Node) -> tuple[str, tuple[Argument, ...]]:
    op: Any = node.op
    if isinstance(op, (ops.Add, ops.Mul)) and len(node.inputs) > 2:
        return ("Sum" if isinstance(op, ops.Add) else "product"), ()
    return PLAIN[type(op)], tuple(_attributes(node))


def _attributes(node: Node) -> list[Argument]:
    """Return the attributes of a node of one operator; ONNX's own defaults are left out."""
    op: Any = node.op
    if isinstance(op, (ops.MaxPool2d, ops.AvgPool2d)):
        return _pool(node)
    if isinstance(op, ops.LeakyReLU):
        return [optional("alpha", op.negative_slope, 0.01)]
    if isinstance(op, ops.ELU):
        return [optional("alpha", op.alpha, 1.0)]
    if isinstance(op, ops.Hardsigmoid):
        return [optional("alpha", op.slope, 0.2), optional("beta", op.offset, 0.5)]
    if isinstance(op, ops.GELU):
        return [optional("approximate", op.approximate, "none")]
    if isinstance(op, (ops.Softmax, ops.LogSoftmax, ops.Concat)):
        return [Argument("axis", node.attributes["axis"], keyword=True)]
    return [Argument("perm", op.axes, keyword=True)] if isinstance(op, ops.Transpose) else []


def _pool(node: Node) -> list[Argument]:
    op: Any = node.op
    sides = resolve_padding(op.padding, node.input_shapes[0][1:], op.kernel_size, op.stride)  # type: ignore[arg-type]
    counts = isinstance(op, ops.AvgPool2d) and op.count_include_pad and any(map(any, sides))
    return [
        Argument("kernel_shape", op.kernel_size, keyword=True),
        optional("strides", op.stride, (1, 1)),
        optional("pads", pads(sides), (0, 0, 0, 0)),
        optional("ceil_mode", int(op.ceil_mode), 0),
        optional("count_include_pad", int(counts), 0),
    ]


def _conv(node: Node) -> Make:
    op, a = node.op, node.attributes
    assert isinstance(op, ops.Conv2d)
    return Make(
        "conv",
        (
            *_channels(node, op.out_channels),
            Argument("kernel_shape", op.kernel_size),
            optional("strides", a["stride"], (1, 1)),
            optional("pads", pads(a["padding"]), (0, 0, 0, 0)),
            optional("dilations", a["dilation"], (1, 1)),
            Argument("group", a["groups"], 1, "channels", keyword=True),
            optional("bias", op.bias, True),
        ),
    )


def _conv_transpose(node: Node) -> Make:
    op, a = node.op, node.attributes
    assert isinstance(op, ops.ConvTranspose2d)
    return Make(
        "conv_transpose",
        (
            *_channels(node, op.out_channels),
            Argument("kernel_shape", op.kernel_size),
            optional("strides", a["stride"], (1, 1)),
            optional("pads", pads(op.padding), (0, 0, 0, 0)),
            optional("output_padding", op.output_padding, (0, 0)),
            optional("dilations", a["dilation"], (1, 1)),
            Argument("group", a["groups"], 1, "channels", keyword=True),
            optional("bias", op.bias, True),
        ),
    )


def _linear(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.Linear)
    inputs = Argument("in_features", node.input_shapes[0][0], kind="channels")
    return Make("linear", (inputs, Argument("out_features", op.out_features, kind="channels"), optional("bias", op.bias, True)))


def _batch_norm(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.BatchNorm2d)
    return Make(
        "batch_norm",
        (
            Argument("channels", node.shape[0], kind="channels"),
            optional("epsilon", op.eps, 1e-5),
            optional("momentum", op.keep, 0.9),
            optional("scale", op.scale, True),
            optional("shift", op.shift, True),
            optional("unbiased", op.running_var == "unbiased", False),
        ),
    )


def _layer_norm(node: Node) -> Make:
    op, axes, rank = node.op, node.attributes["axes"], len(node.shape) + 1
    assert isinstance(op, ops.LayerNorm)
    sizes = tuple(node.shape[axis - 1] for axis in axes)
    common = optional("epsilon", op.eps, 1e-5), optional("scale", op.scale, True), optional("shift", op.shift, True)
    if axes == tuple(range(axes[0], rank)):
        return Make("layer_norm", (Argument("shape", sizes), *common))
    shape = tuple(node.shape[axis - 1] if axis in axes else 1 for axis in range(1, rank))
    return Make("layer_norm_over", (Argument("shape", shape), Argument("axes", axes, keyword=True), *common))


def _adaptive(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.AdaptiveAvgPool2d)
    if op.output_size == (1, 1):
        return Make("GlobalAveragePool")
    return Make("adaptive_pool", (Argument("size", node.input_shapes[0][1:]), Argument("output_size", op.output_size)))


def _pad(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.Pad)
    return Make("pad", (Argument("pads", pads(op.padding)), optional("value", _finite(op.value), 0.0)))


def _finite(value: float) -> Any:
    return value if abs(value) != float("inf") else _Infinity(value)


class _Infinity(float):
    """Be an infinity that is written as Python reads it."""

    def __repr__(self) -> str:
        return f'float("{float(self)}")'


_LAYERS: Mapping[type[Any], Callable[[Node], Make]] = {
    ops.Conv2d: _conv,
    ops.ConvTranspose2d: _conv_transpose,
    ops.Linear: _linear,
    ops.BatchNorm2d: _batch_norm,
    ops.LayerNorm: _layer_norm,
    ops.AdaptiveAvgPool2d: _adaptive,
    ops.Pad: _pad,
    ops.Dropout: lambda node: Make("dropout", (Argument("ratio", node.op.fields()["p"]),)),
    ops.ReLU6: lambda _: Make("relu6"),
    ops.SiLU: lambda _: Make("silu"),
    ops.Reshape: lambda node: Make("reshape", (Argument("shape", node.shape),)),
}


def check_outputs(node_names: list[str]) -> None:
    """Raise UnsupportedError if one value is two outputs without keys, which a graph can tell apart by name only."""
    if len(set(node_names)) < len(node_names):
        raise UnsupportedError(
            "A graph of ONNX knows its outputs by their names, and one value is given twice here. Give each output a key."
        )

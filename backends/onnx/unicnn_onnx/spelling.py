"""How single layers are spelt: as calls of methods of the graph being built, whose arguments are the attributes of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unicnn import ops
from unicnn.errors import UnsupportedError
from unicnn.graph import Graph, Node
from unicnn.ops.fields import Sides, shortest
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
    ops.Concat: "Concat",
    ops.Add: "Add",
    ops.Mul: "Mul",
}
"""The layers that are one node without weights and constants, and its operator."""


class Spelling:
    """Spell every layer as a node of its own, in a statement of its own; `callee` is an operator, or a method of the graph g."""

    sequences = frozenset[str]()
    nested = False
    reserved = frozenset(
        {"g", "i", "name", "np", "onnx", "helper", "numpy_helper", "load_file", "Graph", "TensorProto"}
        | {"load_weights", "tensor", "window", "spread", "cells"}
    )

    def __init__(self, graph: Graph) -> None:
        norms = [node.op for node in graph.nodes if isinstance(node.op, ops.BatchNorm2d)]
        self.unbiased = bool(norms) and all(norm.running_var == "unbiased" for norm in norms)
        """Whether all batch normalisation has the statistics that PyTorch collects; then no call needs to say so."""
        biased = {type(node.op) for node in graph.nodes if node.op.fields().get("bias")}
        self.bare = {ops.Conv2d, ops.ConvTranspose2d} - biased
        """Convolutions that never have a bias; then no call needs to say that, either."""

    def layer(self, node: Node) -> Make:
        if isinstance(node.op, ops.BatchNorm2d):
            return _batch_norm(node.op, node.shape[0], told=not self.unbiased)
        if isinstance(node.op, (ops.Conv2d, ops.ConvTranspose2d)):
            return _conv(node, told=type(node.op) not in self.bare)
        spell = _LAYERS.get(type(node.op))
        return Make(*_plain(node)) if spell is None else spell(node)

    def function(self, node: Node) -> Template | None:
        return None

    def call(self, node: Node) -> Template:
        return CALL


def border(sides: Sides) -> Any:
    """Return sides as ONNX lists them, what is before the axes and then what is after; one number if all are alike."""
    (top, bottom), (left, right) = sides
    return top if top == bottom == left == right else (top, left, bottom, right)


def optional(name: str, given: Any, default: Any) -> Argument:
    """Return an argument that is written by name if it is not the default."""
    return Argument(name, given, default, keyword=True)


def _channels(node: Node, outputs: int) -> tuple[Argument, Argument]:
    inputs = Argument("in_channels", node.input_shapes[0][0], kind="channels")
    return inputs, Argument("out_channels", outputs, kind="channels")


def _plain(node: Node) -> tuple[str, tuple[Argument, ...]]:
    op: Any = node.op
    if isinstance(op, (ops.Add, ops.Mul)) and len(node.inputs) > 2:
        return ("Sum" if isinstance(op, ops.Add) else "g.product"), ()
    return PLAIN[type(op)], tuple(_attributes(node))


def _attributes(node: Node) -> list[Argument]:
    """Return the attributes of a node of one operator; ONNX's own defaults are left out."""
    op: Any = node.op
    if isinstance(op, ops.LeakyReLU):
        return [optional("alpha", op.negative_slope, 0.01)]
    if isinstance(op, ops.ELU):
        return [optional("alpha", op.alpha, 1.0)]
    if isinstance(op, ops.Hardsigmoid):
        return [optional("alpha", _sixth(op.slope), 0.2), optional("beta", op.offset, 0.5)]
    if isinstance(op, ops.GELU):
        return [optional("approximate", op.approximate, "none")]
    if isinstance(op, (ops.Softmax, ops.LogSoftmax, ops.Concat)):
        return [Argument("axis", node.attributes["axis"], keyword=True)]
    return [Argument("perm", op.axes, keyword=True)] if isinstance(op, ops.Transpose) else []


def _pool(node: Node) -> Make:
    op: Any = node.op
    sides = resolve_padding(op.padding, node.input_shapes[0][1:], op.kernel_size, op.stride)
    common = (
        Argument("kernel", shortest(op.kernel_size)),
        optional("stride", shortest(op.stride), 1),
        optional("pads", border(sides), 0),
        optional("ceil_mode", int(op.ceil_mode), 0),
    )
    if not isinstance(op, ops.AvgPool2d):
        return Make("g.max_pool", common)
    counts = op.count_include_pad and any(map(any, sides))
    return Make("g.average_pool", (*common, optional("count_include_pad", int(counts), 0)))


def _conv(node: Node, *, told: bool) -> Make:
    op: Any = node.op
    transposed = isinstance(op, ops.ConvTranspose2d)
    extra = (optional("output_padding", shortest(op.output_padding), 0),) if transposed else ()
    return Make(
        "g.conv_transpose" if transposed else "g.conv",
        (
            *_channels(node, op.out_channels),
            Argument("kernel", shortest(op.kernel_size)),
            optional("stride", shortest(op.stride), 1),
            optional("pads", border(op.padding if transposed else node.attributes["padding"]), 0),
            *extra,
            optional("dilation", shortest(op.dilation), 1),
            Argument("group", op.groups, 1, "channels", keyword=True),
            optional("bias", op.bias or not told, True),
        ),
    )


def _linear(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.Linear)
    inputs = Argument("in_features", node.input_shapes[0][0], kind="channels")
    return Make("g.linear", (inputs, Argument("out_features", op.out_features, kind="channels"), optional("bias", op.bias, True)))


def _batch_norm(op: ops.BatchNorm2d, channels: int, *, told: bool) -> Make:
    return Make(
        "g.batch_norm",
        (
            Argument("channels", channels, kind="channels"),
            optional("epsilon", op.eps, 1e-5),
            optional("momentum", op.keep, 0.9),
            optional("scale", op.scale, True),
            optional("shift", op.shift, True),
            optional("unbiased", told and op.running_var == "unbiased", False),
        ),
    )


def _layer_norm(node: Node) -> Make:
    op, axes, rank = node.op, node.attributes["axes"], len(node.shape) + 1
    assert isinstance(op, ops.LayerNorm)
    sizes = tuple(node.shape[axis - 1] for axis in axes)
    common = optional("epsilon", op.eps, 1e-5), optional("scale", op.scale, True), optional("shift", op.shift, True)
    if axes == tuple(range(axes[0], rank)):
        return Make("g.layer_norm", (*_sizes(sizes), *common))
    shape = tuple(node.shape[axis - 1] if axis in axes else 1 for axis in range(1, rank))
    return Make("g.layer_norm_over", (Argument("axes", axes), *_sizes(shape), *common))


def _sizes(shape: tuple[int, ...]) -> tuple[Argument, ...]:
    return tuple(Argument(f"size{i}", size, kind="channels") for i, size in enumerate(shape, 1))


def _adaptive(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.AdaptiveAvgPool2d)
    if op.output_size == (1, 1):
        return Make("GlobalAveragePool")
    return Make("g.adaptive_pool", (Argument("size", node.input_shapes[0][1:]), Argument("output_size", op.output_size)))


def _pad(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.Pad)
    return Make("g.pad", (Argument("pads", _listed(op.padding)), optional("value", _finite(op.value), 0.0)))


def _listed(sides: Sides) -> tuple[int, ...]:
    (top, bottom), (left, right) = sides
    return top, left, bottom, right


class _Written(float):
    """Be a number with a spelling of its own."""

    text = ""

    def __repr__(self) -> str:
        return self.text


def _spelt(value: float, text: str) -> float:
    number = _Written(value)
    number.text = text
    return number


def _finite(value: float) -> float:
    return value if abs(value) != float("inf") else _spelt(value, f'float("{value}")')


def _sixth(value: float) -> float:
    return _spelt(value, "1 / 6") if value == 1 / 6 else value


_LAYERS: Mapping[type[Any], Callable[[Node], Make]] = {
    ops.MaxPool2d: _pool,
    ops.AvgPool2d: _pool,
    ops.Linear: _linear,
    ops.LayerNorm: _layer_norm,
    ops.AdaptiveAvgPool2d: _adaptive,
    ops.Pad: _pad,
    ops.Dropout: lambda node: Make("g.dropout", (Argument("ratio", node.op.fields()["p"]),)),
    ops.ReLU6: lambda _: Make("g.relu6"),
    ops.SiLU: lambda _: Make("g.silu"),
    ops.Reshape: lambda node: Make("g.reshape", _sizes(node.shape)),
}


def check_outputs(outputs: Sequence[tuple[str | None, str]]) -> None:
    """Raise UnsupportedError for outputs that a graph, which knows them by their names only, cannot tell apart."""
    unkeyed = [name for key, name in outputs if key is None]
    if len(set(unkeyed)) < len(unkeyed) or 0 < len(unkeyed) < len(outputs):
        raise UnsupportedError(
            "A graph of ONNX knows its outputs by their names, and here one value is given twice, or some outputs have a key and others none. "
            "Give each output a key."
        )

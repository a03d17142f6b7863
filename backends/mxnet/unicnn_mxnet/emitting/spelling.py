"""How Gluon spells single layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unicnn import ops
from unicnn.graph import Node
from unicnn.porting.outline import Argument, Code, Make, Template
from unicnn.porting.outline.text import arguments
from unicnn_mxnet.emitting import activations, windows
from unicnn_mxnet.emitting.words import named, optional, sizes

PLAIN = Template("{self}({all})")

RESERVED = frozenset({
    "Blocks", "LayerNorm", "UnevenAvgPool2D", "load_file", "load_weights", "train",
    "F", "add", "apply", "cast", "collect_params", "export", "forward", "hybrid_forward", "hybridize", "infer_shape", "infer_type",
    "initialize", "load", "load_parameters", "load_params", "mx", "name", "name_scope", "nn", "optimize_for", "params", "prefix",
    "register_child", "register_forward_hook", "register_forward_pre_hook", "register_op_hook", "save", "save_parameters", "save_params",
    "self", "sequential", "summary",
})  # fmt: skip
"""What HybridBlock has already, and what a file brings along or uses itself."""


class Spelling:
    """Spell layers as blocks of gluon.nn, or as operators of F; what has no block becomes an nn.HybridLambda of its operator."""

    reserved = RESERVED
    flags = True
    sequences = frozenset({"HybridSequential", "Sequential"})

    def layer(self, node: Node) -> Make:
        spell = _LAYERS.get(type(node.op))
        made = None if spell is None else spell(node)
        return made or _lambda(self._operator(node), len(node.inputs))

    def function(self, node: Node) -> Template | None:
        # Pools are blocks wherever they stand: as operators, every argument must be spelt out.
        return None if isinstance(node.op, (ops.Dropout, ops.Identity)) else _OPERATORS.get(type(node.op), lambda _: None)(node)

    def call(self, node: Node) -> Template:
        return windows.around(node) or PLAIN

    def _operator(self, node: Node) -> Template:
        if isinstance(node.op, ops.Identity):
            return Template("F.identity({0})")
        found = _OPERATORS[type(node.op)](node)
        return found or windows.border(node.op)


def _lambda(template: Template, count: int) -> Make:
    names = ["x"] if count == 1 else ["x", "y", "z"][:count] if count < 4 else [f"x{i}" for i in range(1, count + 1)]
    text, given = template.text, ", ".join(names)
    if "{all}" in text:
        text, given = text.replace("{all}", "*values"), "*values"
    for i, name in enumerate(names):
        text = text.replace(f"{{{i}}}", name)
    return Make("nn.HybridLambda", (Argument("function", Code(f"lambda F, {given}: {text}")),))


def _linear(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.Linear)
    return Make("nn.Dense", (Argument("units", op.out_features, kind="channels"), optional("use_bias", op.bias, True)))


def _batch_norm(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.BatchNorm2d)
    given = (
        optional("momentum", op.keep, 0.9),
        optional("epsilon", op.eps, 1e-5),
        optional("center", op.shift, True),
        optional("scale", op.scale, True),
    )
    return Make("nn.BatchNorm", given)


def _layer_norm(node: Node) -> Make:
    op, axes, rank = node.op, node.attributes["axes"], len(node.shape) + 1
    assert isinstance(op, ops.LayerNorm)
    common = (optional("epsilon", op.eps, 1e-5), optional("center", op.shift, True), optional("scale", op.scale, True))
    if len(axes) == 1:
        return Make("nn.LayerNorm", (optional("axis", axes[0] if axes[0] + 1 < rank else -1, -1), *common))
    shape = tuple(size if axis in axes else 1 for axis, size in enumerate((1, *node.shape)))
    return Make("LayerNorm", (Argument("shape", shape), Argument("axes", axes), *common))


def _reshape(node: Node) -> Template:
    return Template(f"F.reshape({{0}}, shape=(0, {', '.join(map(str, node.shape))}))")  # 0 keeps the batch's size


def _transpose(node: Node) -> Template:
    assert isinstance(node.op, ops.Transpose)
    return Template(f"F.transpose({{0}}, axes={node.op.axes})")


def _pad(node: Node) -> Template | None:
    assert isinstance(node.op, ops.Pad)
    # Zeros put around by an operator right before a convolution would be read as the convolution's own padding.
    return None if node.op.value == 0 else windows.border(node.op)


def _joined(sign: str, kind: str, broadcast: str) -> Callable[[Node], Template]:
    def spell(node: Node) -> Template:
        places = [f"{{{i}}}" for i in range(len(node.inputs))]
        if len(set(node.input_shapes)) == 1:
            return Template(f" {sign} ".join(places), kind)
        text = places[0]
        for place in places[1:]:
            text = f"{broadcast}({text}, {place})"
        return Template(text)

    return spell


def _concat(node: Node) -> Template:
    axis = node.attributes["axis"]
    return Template("F.concat({all})" if axis == 1 else f"F.concat({{all}}, dim={axis})")


def _pooled(node: Node) -> Template | None:
    op = node.op
    assert isinstance(op, ops.AdaptiveAvgPool2d)
    if sizes(op.output_size) == 1:
        return None
    return Template(f"F.contrib.AdaptiveAvgPooling2D({{0}}, output_size={op.output_size})")


def _global(node: Node) -> Make | None:
    op = node.op
    assert isinstance(op, ops.AdaptiveAvgPool2d)
    return Make("nn.GlobalAvgPool2D") if sizes(op.output_size) == 1 else None


def _along(name: str) -> Callable[[Node], Template]:
    return lambda node: Template(f"F.{name}({{0}}, {', '.join(arguments(Make('', (named('axis', node.attributes['axis']),))))})")


_LAYERS: Mapping[type[Any], Callable[[Node], Make | None]] = {
    ops.Conv2d: windows.conv,
    ops.ConvTranspose2d: windows.conv_transpose,
    ops.Linear: _linear,
    ops.BatchNorm2d: _batch_norm,
    ops.LayerNorm: _layer_norm,
    ops.Dropout: lambda node: Make("nn.Dropout", (Argument("rate", node.op.fields()["p"]),)),
    ops.MaxPool2d: windows.pool,
    ops.AvgPool2d: windows.pool,
    ops.AdaptiveAvgPool2d: _global,
    ops.Flatten: lambda node: Make("nn.Flatten"),
    **activations.LAYERS,
}

_OPERATORS: Mapping[type[Any], Callable[[Node], Template | None]] = {
    ops.AdaptiveAvgPool2d: _pooled,
    ops.Softmax: _along("softmax"),
    ops.LogSoftmax: _along("log_softmax"),
    ops.Flatten: lambda node: Template("F.flatten({0})"),
    ops.Reshape: _reshape,
    ops.Transpose: _transpose,
    ops.Pad: _pad,
    ops.Add: _joined("+", "sum", "F.broadcast_add"),
    ops.Mul: _joined("*", "product", "F.broadcast_mul"),
    ops.Concat: _concat,
    **activations.OPERATORS,
}

"""How Keras spells single layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from unicnn import ops
from unicnn.graph import Graph, Node
from unicnn.ops.base import Shape
from unicnn.porting.outline import Argument, Make, Template
from unicnn.porting.outline.layouts import flattened, moved, native, order, position
from unicnn_tensorflow.emitting import convolutions, pooling
from unicnn_tensorflow.emitting.folding import WORDS, GlobalAverage, activation
from unicnn_tensorflow.emitting.steps import Extra, Steps, option, short


class Spelling:
    """Spell the layers of one network as keras.layers."""

    nested = False
    reserved = frozenset({"keras", "layers", "ops", "load_file", "load_weights", "name", "inputs", "outputs", "train", "initialize", "tf"})
    sequences = frozenset({"Sequential"})

    def __init__(self, graph: Graph, unnamed: frozenset[str] = frozenset()) -> None:
        self.graph, self.unnamed = graph, unnamed

    def label(self, name: str, suffix: str = "") -> str:
        """Return the name that a layer, or one beside it, must be given, or nothing."""
        return "" if name in self.unnamed else f"{name}_{suffix}" if suffix else name

    def plain(self, node: Node) -> bool:
        """Tell whether a layer is one of Keras' own, and nothing stands around it."""
        steps = self.steps(node)
        return steps.make.callee.startswith("layers.") and not steps.before and not steps.after

    def whole(self, node: Node) -> bool:
        """Tell whether nothing stands behind a layer that belongs to it."""
        return not self.steps(node).after

    def layer(self, node: Node) -> Make:
        """Return the layer itself; what stands around it is compared through its `before` and its `reason`."""
        steps = self.steps(node)
        around = Make(repr((steps.before, steps.after)))
        make = steps.make
        return Make(make.callee, make.arguments, True, ("", around) if steps.before or steps.after else None, steps.reason)

    def function(self, node: Node) -> Template | None:
        """Return nothing: whatever has a name is a layer."""
        return None

    def call(self, node: Node) -> Template:
        """Return how a layer is called."""
        return Template("{self}([{all}])") if node.op.inputs is None else Template("{self}({all})")

    def steps(self, node: Node) -> Steps:
        """Return everything that a layer becomes."""
        if isinstance(node.op, ops.Conv2d):
            return convolutions.conv(node, self.padded)
        if isinstance(node.op, ops.MaxPool2d):
            return pooling.max_pool(node, self.not_negative)
        if isinstance(node.op, ops.Flatten):
            return self._flatten(node)
        if node.op in WORDS and type(node.op) not in _LAYERS:
            return _activation(node)
        return _LAYERS[type(node.op)](node)

    @cached_property
    def padded(self) -> Mapping[str, str]:
        """Return the convolutions that do not pad themselves."""
        return convolutions.explicit_padding(self.graph)

    @cached_property
    def not_negative(self) -> frozenset[str]:
        """Return the layers that give no negative values."""
        return pooling.not_negative(self.graph)

    @cached_property
    def flattened(self) -> Any:
        """Return what becomes of flattened images."""
        return flattened(self.graph)

    def _flatten(self, node: Node) -> Steps:
        before = _first("The values are needed in the order C, H, W.") if node.name in self.flattened.permuted else ()
        return Steps(Make("layers.Flatten"), before)


def _first(reason: str) -> tuple[Extra, ...]:
    return (Extra("permute", Make("layers.Permute", (Argument("dims", (3, 1, 2)),)), reason),)


def _activation(node: Node) -> Steps:
    return Steps(Make("layers.Activation", (Argument("activation", WORDS[node.op]),)))


def _linear(node: Node) -> Steps:
    op = node.op
    assert isinstance(op, ops.Linear)
    options = (option("activation", activation(op), None), option("use_bias", op.bias, True))
    return Steps(Make("layers.Dense", (Argument("units", op.out_features), *options)))


def _batch_norm(node: Node) -> Steps:
    op = node.op
    assert isinstance(op, ops.BatchNorm2d)
    name = "UnbiasedBatchNormalization" if op.running_var == "unbiased" else "layers.BatchNormalization"
    given = (
        option("momentum", op.keep, 0.99),
        option("epsilon", op.eps, 1e-3),
        option("center", op.shift, True),
        option("scale", op.scale, True),
    )
    return Steps(Make(name, given))


def _layer_norm(node: Node) -> Steps:
    op, rank = node.op, len(node.shape) + 1
    assert isinstance(op, ops.LayerNorm)
    places = sorted(order(rank).index(axis) for axis in node.attributes["axes"])
    axes: Any = tuple(places) if len(places) > 1 else position(order(rank)[places[0]], rank)
    given = (
        option("axis", axes, -1),
        option("epsilon", op.eps, 1e-3),
        option("center", op.shift, True),
        option("scale", op.scale, True),
    )
    return Steps(Make("layers.LayerNormalization", given))


def _softmax(node: Node) -> Steps:
    return Steps(Make("layers.Softmax", (option("axis", position(node.attributes["axis"], len(node.shape) + 1), -1),)))


def _log_softmax(node: Node) -> Steps:
    axis = position(node.attributes["axis"], len(node.shape) + 1)
    if axis == -1:
        return Steps(Make("layers.Activation", (Argument("activation", "log_softmax"),)))
    return Steps(Make("LogSoftmax", (Argument("axis", axis, keyword=True),)))


def _gelu(node: Node) -> Steps:
    assert isinstance(node.op, ops.GELU)
    return _activation(node) if node.op.approximate == "none" else Steps(Make("TanhGELU"))


def _hard_sigmoid(node: Node) -> Steps:
    op = node.op
    assert isinstance(op, ops.Hardsigmoid)
    if op in WORDS:
        return _activation(node)
    return Steps(Make("HardSigmoid", (Argument("slope", op.slope), Argument("offset", op.offset))))


def _concat(node: Node) -> Steps:
    axis = position(node.attributes["axis"], len(node.shape) + 1)
    return Steps(Make("layers.Concatenate", (option("axis", axis, -1),)))


def _reshape(node: Node) -> Steps:
    source, target = node.input_shapes[0], node.shape
    before = _first("The values are laid out anew in the order C, H, W.") if moved(source) else ()
    if not moved(target):
        return Steps(_shaped(native(target)), before)
    back = Extra(
        "permuted", Make("layers.Permute", (Argument("dims", (2, 3, 1)),)), "" if before else "The values come in the order C, H, W."
    )
    return Steps(_shaped(target), before, (back,))


def _shaped(shape: Shape) -> Make:
    return Make("layers.Reshape", (Argument("target_shape", shape),))


def _transpose(node: Node) -> Steps:
    op, rank = node.op, len(node.shape) + 1
    assert isinstance(op, ops.Transpose)
    dims = tuple(order(rank).index(op.axes[axis]) for axis in order(rank)[1:])
    reason = f"Channels first, this is the order {op.axes}." if rank == 4 else ""
    return Steps(Make("layers.Permute", (Argument("dims", dims),)), reason=reason)


def _pad(node: Node) -> Steps:
    op = node.op
    assert isinstance(op, ops.Pad)
    sides = Argument("padding", short(op.padding))
    if op.value == 0:
        return Steps(Make("layers.ZeroPadding2D", (sides,)))
    return Steps(Make("ConstantPadding2D", (sides, Argument("value", op.value))))


def _plain(name: str, *arguments: tuple[str, str, Any]) -> Callable[[Node], Steps]:
    """Return the spelling of a layer with arguments (Keras' name, ours, Keras' default)."""
    return lambda node: Steps(Make(name, tuple(Argument(key, getattr(node.op, own), default) for key, own, default in arguments)))


_LAYERS: Mapping[type[Any], Callable[[Node], Steps]] = {
    ops.ConvTranspose2d: convolutions.conv_transpose,
    ops.Linear: _linear,
    ops.BatchNorm2d: _batch_norm,
    ops.LayerNorm: _layer_norm,
    ops.Dropout: _plain("layers.Dropout", ("rate", "p", None)),
    ops.AvgPool2d: pooling.avg_pool,
    ops.AdaptiveAvgPool2d: pooling.adaptive,
    GlobalAverage: _plain("layers.GlobalAveragePooling2D"),
    ops.ReLU: _plain("layers.ReLU"),
    ops.ReLU6: lambda node: Steps(Make("layers.ReLU", (option("max_value", 6, None),))),
    ops.LeakyReLU: _plain("layers.LeakyReLU", ("negative_slope", "negative_slope", 0.3)),
    ops.ELU: _plain("layers.ELU", ("alpha", "alpha", 1.0)),
    ops.GELU: _gelu,
    ops.Hardsigmoid: _hard_sigmoid,
    ops.Softmax: _softmax,
    ops.LogSoftmax: _log_softmax,
    ops.Identity: _plain("layers.Identity"),
    ops.Add: _plain("layers.Add"),
    ops.Mul: _plain("layers.Multiply"),
    ops.Concat: _concat,
    ops.Reshape: _reshape,
    ops.Transpose: _transpose,
    ops.Pad: _pad,
}

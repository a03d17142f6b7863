"""Pooling in Keras: which padding "same" is, and what stands before the layer otherwise."""

from __future__ import annotations

from typing import Any

from unicnn.graph import Graph, Node
from unicnn.ops import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d, ReLU, ReLU6, Sigmoid
from unicnn.ops.conv import same_upper
from unicnn.ops.fields import Pair
from unicnn.porting.outline import Argument, Make
from unicnn_tensorflow.emitting.steps import (
    NO_PADDING,
    Extra,
    Sides,
    Steps,
    option,
    padding_reason,
    short,
    zero_padding,
)

_NOT_NEGATIVE = (ReLU, ReLU6, Sigmoid)


def not_negative(graph: Graph) -> frozenset[str]:
    """Return the layers that give no negative values."""
    words = {cls.lowering() for cls in _NOT_NEGATIVE}
    return frozenset(
        node.name for node in graph.nodes if isinstance(node.op, _NOT_NEGATIVE) or getattr(node.op, "activation", None) in words
    )


def max_pool(node: Node, not_negative: frozenset[str]) -> Steps:
    """Spell a maximum; a border must not win, so it is zeros only where all values are known not to be negative."""
    sides = node.attributes["padding"]
    if sides in (NO_PADDING, _same(node, sides)):
        return Steps(_pool(node, "valid" if sides == NO_PADDING else "same"))
    reason = _reason(node, sides)
    if node.inputs[0] in not_negative:
        return Steps(_pool(node, "valid"), (Extra("pad", zero_padding(sides), f"{reason} Zeros are safe: no value is below 0.".strip()),))
    lowest = Make("LowestPadding2D", (Argument("padding", short(sides)),))
    return Steps(_pool(node, "valid"), (Extra("pad", lowest, reason),))


def avg_pool(node: Node) -> Steps:
    """Spell an average: in Keras "same" leaves out the border, and zeros put there by another layer count."""
    sides, counted = node.attributes["padding"], node.attributes["counted"]
    if sides == NO_PADDING:
        return Steps(_pool(node, "valid"))
    if counted == NO_PADDING and sides == _same(node, sides):
        return Steps(_pool(node, "same"))
    if counted == sides:
        return Steps(_pool(node, "valid"), (Extra("pad", zero_padding(sides), 'The zeros count here; with "same" they would not.'),))
    rest: Any = tuple((side - own, other - its) for (side, other), (own, its) in zip(sides, counted, strict=True))
    if counted != NO_PADDING and rest == _same(node, rest, counted):
        reason = 'The zeros count; what "same" adds at the end does not.'
        return Steps(_pool(node, "same"), (Extra("pad", zero_padding(counted), reason),))
    given = {"pool_size": node.attributes["kernel_size"], "strides": node.attributes["stride"], "padding": sides, "counted": counted}
    return Steps(Make("BorderedAveragePooling2D", tuple(Argument(key, item, keyword=key != "pool_size") for key, item in given.items())))


def adaptive(node: Node) -> Steps:
    """Spell an average over a given number of windows."""
    assert isinstance(node.op, AdaptiveAvgPool2d)
    if node.op.output_size == (1, 1):
        return Steps(Make("layers.GlobalAveragePooling2D", (option("keepdims", True, False),)))
    return Steps(_windows(node, node.op.output_size))


def _windows(node: Node, output_size: Pair) -> Make:
    """Return the layer of Keras, unless it cannot be compiled: it always pools by windows of two sizes, of which one may be too large."""
    size = node.input_shapes[0][1:]
    if all(-(-n // o) + 1 <= n for n, o in zip(size, output_size, strict=True)):
        return Make("layers.AdaptiveAveragePooling2D", (Argument("output_size", short(output_size)),))
    if all(n % o == 0 for n, o in zip(size, output_size, strict=True)):
        window = tuple(n // o for n, o in zip(size, output_size, strict=True))
        return Make("layers.AveragePooling2D", (Argument("pool_size", short(window)),))
    return Make("AdaptivePooling2D", (Argument("output_size", output_size),))


def _pool(node: Node, padding: str) -> Make:
    name = "MaxPooling2D" if isinstance(node.op, MaxPool2d) else "AveragePooling2D"
    size, stride = short(node.attributes["kernel_size"]), short(node.attributes["stride"])
    return Make(f"layers.{name}", (Argument("pool_size", size), option("strides", stride, size), option("padding", padding, "valid")))


def _same(node: Node, sides: Sides, around: Sides = NO_PADDING) -> Sides | None:
    """Return what "same" would pad, if it would give as many windows as there are; `around` has been put there already."""
    assert isinstance(node.op, (MaxPool2d, AvgPool2d))
    size = tuple(n + sum(pair) for n, pair in zip(node.input_shapes[0][1:], around, strict=True))
    return same_upper(size, node.attributes["kernel_size"], node.attributes["stride"], (1, 1))  # type: ignore[arg-type]


def _reason(node: Node, sides: Sides) -> str:
    size = tuple(-(-n // s) for n, s in zip(node.input_shapes[0][1:], node.attributes["stride"], strict=True))
    same = _same(node, sides)
    return padding_reason(sides, same) if node.shape[1:] == size and same is not None else ""

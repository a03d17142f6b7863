"""Convolutions in Keras: padding that it cannot do itself, depthwise kernels, transposed ones."""

from __future__ import annotations

from collections.abc import Mapping

from unicnn.graph import Graph, Node
from unicnn.ops import Conv2d, ConvTranspose2d
from unicnn.ops.conv import same_upper
from unicnn.porting.outline import Argument, Make
from unicnn_tensorflow.emitting.folding import activation
from unicnn_tensorflow.emitting.steps import (
    NO_PADDING,
    Extra,
    Sides,
    Steps,
    cropping,
    option,
    padding_reason,
    short,
    zero_padding,
)


def depthwise(node: Node) -> bool:
    """Tell whether a convolution is one of Keras' DepthwiseConv2D, which wants equal strides and no dilation beside them."""
    op = node.op
    assert isinstance(op, Conv2d)
    grouped = op.groups > 1 and op.groups == node.input_shapes[0][0]
    return grouped and op.stride[0] == op.stride[1] and (op.stride == (1, 1) or op.dilation == (1, 1))


def same_sides(node: Node) -> Sides:
    """Return what "same" would pad at a convolution."""
    op = node.op
    assert isinstance(op, Conv2d)
    _, height, width = node.input_shapes[0]
    return same_upper((height, width), op.kernel_size, _stride(op), op.dilation)


def _stride(op: Conv2d) -> tuple[int, int]:
    """Return the stride that the layer itself can do: none beside a dilation."""
    return op.stride if op.dilation == (1, 1) else (1, 1)


def explicit_padding(graph: Graph) -> Mapping[str, str]:
    """Return the convolutions before which zeros must be put, with the reason.

    Those in blocks that are alike are treated alike, so that they can be one function: where one of them needs it, all have it.
    """
    reasons: dict[tuple[object, ...], str] = {}
    keys = {}
    for node in graph.nodes:
        if isinstance(node.op, Conv2d) and (sides := node.attributes["padding"]) != NO_PADDING:
            keys[node.name] = (_place(node.name), node.op.kernel_size, sides)
            if sides != same_sides(node):
                reasons.setdefault(keys[node.name], _reason(node))
    return {name: reasons[key] for name, key in keys.items() if key in reasons}


def _place(name: str) -> str:
    """Return a layer's place up to the numbers of the blocks around it."""
    scope, _, tail = name.rpartition(".")
    return ".".join([*(part.rstrip("0123456789") for part in scope.split(".")), tail])


def _reason(node: Node) -> str:
    op = node.op
    assert isinstance(op, Conv2d)
    size = tuple(-(-n // s) for n, s in zip(node.input_shapes[0][1:], _stride(op), strict=True))
    surprising = node.shape[1:] == size and op.stride == _stride(op)
    return padding_reason(node.attributes["padding"], same_sides(node)) if surprising else ""


def conv(node: Node, padded: Mapping[str, str]) -> Steps:
    """Spell a convolution."""
    op = node.op
    assert isinstance(op, Conv2d)
    before: tuple[Extra, ...] = ()
    padding = "valid" if node.attributes["padding"] == NO_PADDING else "same"
    if node.name in padded:
        before = (Extra("pad", zero_padding(node.attributes["padding"]), padded[node.name]),)
        padding = "valid"
    after: tuple[Extra, ...] = ()
    if op.stride != _stride(op):
        pick = Make("layers.MaxPooling2D", (Argument("pool_size", 1), Argument("strides", short(op.stride), 1, keyword=True)))
        after = (Extra("stride", pick, "Keras has no strides beside a dilation, so the rest is left out here."),)
    common = (
        option("strides", short(_stride(op)), 1),
        option("padding", padding, "valid"),
        option("dilation_rate", short(op.dilation), 1),
    )
    size = Argument("kernel_size", short(op.kernel_size))
    tail = (option("activation", activation(op), None), option("use_bias", op.bias, True))
    if depthwise(node):
        multiplier = option("depth_multiplier", op.out_channels // op.groups, 1)
        return Steps(Make("layers.DepthwiseConv2D", (size, *common, multiplier, *tail)), before, after)
    filters = Argument("filters", op.out_channels, kind="channels")
    return Steps(Make("layers.Conv2D", (filters, size, *common, option("groups", op.groups, 1), *tail)), before, after)


def conv_transpose(node: Node) -> Steps:
    """Spell a transposed convolution; Keras' own has neither groups nor dilation, so a class of the file's own does those."""
    op = node.op
    assert isinstance(op, ConvTranspose2d)
    filters = (Argument("filters", op.out_channels, kind="channels"), Argument("kernel_size", short(op.kernel_size)))
    tail = (option("activation", activation(op), None), option("use_bias", op.bias, True))
    if general(node):
        return _general(node, filters, tail)
    strides = option("strides", short(op.stride), 1)
    if _is_same(node):
        return Steps(Make("layers.Conv2DTranspose", (*filters, strides, option("padding", "same", "valid"), *tail)))
    extra = tuple(max(-after, 0) for _, after in node.attributes["crop"])
    crop = tuple((before, max(after, 0)) for before, after in node.attributes["crop"])
    # Unless it is told, Keras makes the output at least as large as input times stride.
    told = extra != (0, 0) or any(k < s for k, s in zip(op.kernel_size, op.stride, strict=True))
    make = Make("layers.Conv2DTranspose", (*filters, strides, option("output_padding", short(extra) if told else None, None), *tail))
    return Steps(make, (), () if crop == NO_PADDING else (Extra("crop", cropping(crop)),))  # type: ignore[arg-type]


def general(node: Node) -> bool:
    """Tell whether a transposed convolution is beyond Keras' own layer."""
    op = node.op
    assert isinstance(op, ConvTranspose2d)
    return op.groups > 1 or op.dilation != (1, 1)


def _is_same(node: Node) -> bool:
    op = node.op
    assert isinstance(op, ConvTranspose2d)
    if any(k < s for k, s in zip(op.kernel_size, op.stride, strict=True)) or op.stride == (1, 1) == op.kernel_size:
        return False
    totals = [k - s for k, s in zip(op.kernel_size, op.stride, strict=True)]
    return totals != [0, 0] and node.attributes["crop"] == tuple((total // 2, total - total // 2) for total in totals)


def _general(node: Node, filters: tuple[Argument, ...], tail: tuple[Argument, ...]) -> Steps:
    op = node.op
    assert isinstance(op, ConvTranspose2d)
    sides, crop = [], []
    for k, s, d, (before, after) in zip(op.kernel_size, op.stride, op.dilation, node.attributes["crop"], strict=True):
        border = (d * (k - 1) - before, d * (k - 1) - (s - 1) - after)
        sides.append((max(border[0], 0), max(border[1], 0)))
        crop.append((max(-border[0], 0), max(-border[1], 0)))
    arguments = (
        filters[0],
        Argument("kernel_size", op.kernel_size),
        Argument("strides", op.stride, keyword=True),
        Argument("padding", tuple(sides), keyword=True),
        option("dilation_rate", short(op.dilation), 1),
        option("groups", op.groups, 1),
        *tail,
    )
    after = () if tuple(crop) == NO_PADDING else (Extra("crop", cropping(tuple(crop))),)  # type: ignore[arg-type]
    return Steps(Make("GeneralConv2DTranspose", arguments), (), after)

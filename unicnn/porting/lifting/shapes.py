"""Lifting what moves, joins or reduces values."""

from __future__ import annotations

import dataclasses
import math

from unicnn.ops import AdaptiveAvgPool2d, AvgPool2d, Concat, Flatten, MaxPool2d, Op, Pad, Reshape, Transpose
from unicnn.porting.lifting.contractions import image_of, value_of
from unicnn.porting.lifting.cropping import cropped
from unicnn.porting.lifting.draft import Drafts, Lifted, Operand, natural, refuse
from unicnn.porting.lifting.merging import LOWEST
from unicnn.porting.tape import Call


def pool(drafts: Drafts, call: Call, operands: list[Operand]) -> Lifted:
    """Lift max and average pooling."""
    x, a = image_of(drafts, call, operands[0]), call.attributes
    if call.op == "adaptive_avg_pool":
        return drafts.add(call, AdaptiveAvgPool2d(a["output_size"]), x)
    op: Op = MaxPool2d(a["kernel_size"], stride=a["stride"], padding=a["padding"], ceil_mode=a["ceil_mode"])
    if call.op == "avg_pool":
        op = AvgPool2d(
            a["kernel_size"], stride=a["stride"], padding=a["padding"], ceil_mode=a["ceil_mode"], count_include_pad=a["count_include_pad"]
        )
    return drafts.add(call, op, x)


def reduce(drafts: Drafts, call: Call, operands: list[Operand]) -> Lifted:
    """Lift a mean or a maximum over height and width: global pooling."""
    x = value_of(call, operands[0])
    axes = {x.order[axis % x.rank] for axis in call.attributes["axes"]}
    if x.rank != 4 or axes != {2, 3} or call.op not in ("mean", "max"):
        raise refuse(
            call,
            f"it reduces the axes {tuple(call.attributes['axes'])} of a value with {x.rank} axes.",
            "Only a mean or a maximum over height and width, global pooling, can be described.",
        )
    op: Op = AdaptiveAvgPool2d(1) if call.op == "mean" else MaxPool2d(x.shape[1:])
    y = drafts.add(call, op, x)
    return y if call.attributes["keepdims"] else flattened(drafts, call, y)


def flattened(drafts: Drafts, call: Call, x: Lifted) -> Lifted:
    """Return an image laid out as a vector; in another order than ours, it is noted so that the next weight is permuted."""
    if x.natural or math.prod(x.shape) == max(x.shape):
        return drafts.add(call, Flatten(), x, order=natural(2))
    return drafts.add(call, Flatten(), x, order=x.order, image=x.shape)


def reshape(drafts: Drafts, call: Call, operands: list[Operand]) -> Lifted:
    """Lift a reshape, of which flattening is one."""
    x = value_of(call, operands[0])
    before = (call.attributes["batch"], *(x.shape if x.image else (x.shape[axis - 1] for axis in x.order[1:])))
    if call.shape[:1] != before[:1]:
        raise refuse(
            call,
            f"it makes {call.shape} of {before}, so the samples of a batch no longer stand along the first axis.",
            "Keep the batch in front, as in x.reshape(len(x), -1).",
        )
    if call.shape == before:
        return drafts.add(call, Flatten(), x, order=x.order, image=x.image) if call.own and x.rank == 2 else x
    if len(call.shape) == 2:
        return flattened(drafts, call, x if x.image is None else drafts.settled(call, x))
    x = drafts.settled(call, x)
    wide = [axis for axis, size in enumerate(call.shape) if axis > 0 and size > 1]
    if x.rank == 2 and len(call.shape) == 4 and wide in ([2], [3]) and not drafts.channels_first:
        # A vector that becomes an image of one pixel is an image of as many channels, wherever the original keeps them.
        return drafts.add(call, Reshape((x.shape[0], 1, 1)), x, order=(0, 2, 3, 1) if wide == [3] else (0, 2, 1, 3))
    return drafts.add(call, Reshape(call.shape[1:]), x, order=natural(len(call.shape)))


def transpose(drafts: Drafts, call: Call, operands: list[Operand]) -> Lifted:
    """Lift a transposition: a layer of its own, or, where `absorb` says so, another order of the same value."""
    x, axes = value_of(call, operands[0]), tuple(call.attributes["axes"])
    if axes[0] != 0:
        raise refuse(call, f"its axes {axes} move the batch.", "Keep axis 0 in front.")
    x = drafts.settled(call, x) if x.image is not None else x
    if call.attributes.get("absorb"):
        return dataclasses.replace(x, order=tuple(x.order[axis] for axis in axes))
    turned = tuple(x.order[axes[x.order.index(axis)]] for axis in range(x.rank))
    return x if turned == natural(x.rank) else drafts.add(call, Transpose(turned), x, order=x.order)


def pad(drafts: Drafts, call: Call, operands: list[Operand]) -> Lifted:
    """Lift a border around an image."""
    x = value_of(call, operands[0])
    widths = {x.order[axis]: tuple(pair) for axis, pair in enumerate(call.attributes["widths"])}
    if x.rank == 4 and widths[1] == (0, 0) and call.attributes["value"] == 0:
        (top, bottom), (left, right) = widths[2], widths[3]
        done = cropped(drafts, call, x, ((-top, -bottom), (-left, -right)))
        if done is not None:
            return done
    if x.rank != 4 or any(pair != (0, 0) for axis, pair in widths.items() if axis < 2) or min(map(min, widths.values())) < 0:
        raise refuse(
            call,
            f"it pads by {tuple(call.attributes['widths'])}.",
            "Only height and width of an image can be padded, and not by less than 0.",
        )
    if all(pair == (0, 0) for pair in widths.values()):
        return x
    value = call.attributes["value"]
    return drafts.add(call, Pad((widths[2], widths[3]), value=LOWEST if value == -math.inf else value), x)


def concat(drafts: Drafts, call: Call, operands: list[Operand]) -> Lifted:
    """Lift a concatenation."""
    values = aligned(drafts, call, [value_of(call, operand) for operand in operands])
    if len(values) == 1:
        return values[0]
    axis = values[0].order[call.attributes["axis"] % values[0].rank]
    if axis == 0:
        raise refuse(call, "it joins along the batch.", "Join along channels or another axis of the samples.")
    return drafts.add(call, Concat(axis), *values)


def split(drafts: Drafts, call: Call, operands: list[Operand]) -> Lifted:
    """Refuse to take a part of a value, unless the part is the whole."""
    x, a = value_of(call, operands[0]), call.attributes
    axis = x.order[a["axis"] % x.rank]
    if x.image is None and axis > 0 and a["start"] == 0 and a["size"] == x.shape[axis - 1]:
        return x
    if axis in (2, 3):
        border = (a["start"], x.shape[axis - 1] - a["start"] - a["size"])
        done = cropped(drafts, call, x, (border, (0, 0)) if axis == 2 else ((0, 0), border))
        if done is not None:
            return done
    raise refuse(
        call,
        f"it takes {a['size']} of the {x.shape[axis - 1] if axis else 'batch'} along axis {a['axis']}, and no op of the vocabulary takes a part of a value.",
        "A 1x1 convolution whose weights select channels says the same.",
    )


def aligned(drafts: Drafts, call: Call, values: list[Lifted]) -> list[Lifted]:
    """Return values that meet in one layer in one order; vectors that were flattened differently are put in ours."""
    if (any(value.image is not None for value in values) and len({(value.order, value.image) for value in values}) > 1) or (
        call.op == "concat" and any(value.image is not None for value in values)
    ):
        return [drafts.settled(call, value) for value in values]
    if len({value.rank for value in values}) > 1:
        raise refuse(
            call,
            f"it joins values of {' and '.join(str(value.rank) for value in values)} axes.",
            "Give all the same number of axes, some of size 1.",
        )
    return [
        values[0],
        *(value if value.order == values[0].order else drafts.reordered(call, value, values[0].order) for value in values[1:]),
    ]

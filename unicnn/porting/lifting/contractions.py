"""Lifting layers with weights: convolution, fully connected, normalisation."""

from __future__ import annotations

import dataclasses
from typing import Any

from unicnn.ops import BatchNorm2d, Conv2d, ConvTranspose2d, Flatten, LayerNorm, Linear, Reshape
from unicnn.porting.lifting.draft import Drafts, Lifted, Operand, natural, permuted_columns, refuse
from unicnn.porting.lifting.known import Known
from unicnn.porting.tape import Call

CHANNELS_FIRST, CHANNELS_LAST = (0, 1, 2, 3), (0, 2, 3, 1)
ORDERS = {"NCHW": CHANNELS_FIRST, "NHWC": CHANNELS_LAST}
_CANONICAL = {"OIHW": (0, 1, 2, 3), "HWIO": (3, 2, 0, 1), "HWCM": (2, 3, 0, 1), "IOHW": (0, 1, 2, 3), "HWOI": (3, 2, 0, 1)}
"""The axes of a kernel in the order in which ours has them."""


def value_of(call: Call, operand: Operand) -> Lifted:
    """Return an operand that must depend on the input."""
    if not isinstance(operand, Lifted):
        raise refuse(call, "it takes a constant where a layer takes the value that flows through the network.", "Feed it the input.")
    return operand


def constant_of(call: Call, operand: Operand, what: str) -> Known:
    """Return an operand that must be constant: a weight that depends on the input belongs to no layer."""
    if not isinstance(operand, Known):
        raise refuse(call, f"its {what} depends on the input, as no layer's does.", "Make it a parameter.")
    return operand


def vector(known: Known) -> Known:
    """Return a constant with one axis, dropping those of size 1."""
    return known if len(known.shape) == 1 else known.reshaped(max(known.shape, default=1))


def image_of(drafts: Drafts, call: Call, operand: Operand) -> Lifted:
    """Return an operand as an image in the order that the call's `data` says."""
    value = value_of(call, operand)
    if value.rank != 4:
        raise refuse(
            call, f"it takes a value of {value.rank} axes, and an image has 4.", "Only networks over images (N, C, H, W) can be described."
        )
    return drafts.reordered(call, value, ORDERS[call.attributes["data"]])


def _kernel(call: Call, known: Known) -> Known:
    layout = call.attributes["kernel"]
    turned = known.transposed(_CANONICAL[layout])
    return turned.reshaped(turned.shape[0] * turned.shape[1], 1, *turned.shape[2:]) if layout == "HWCM" else turned


def conv(drafts: Drafts, call: Call, operands: list[Operand]) -> Lifted:
    """Lift a convolution."""
    x, weight = image_of(drafts, call, operands[0]), _kernel(call, constant_of(call, operands[1], "kernel"))
    bias = None if operands[2] is None else vector(constant_of(call, operands[2], "bias"))
    a = call.attributes
    groups = x.shape[0] if a["kernel"] == "HWCM" else a["groups"]
    op = Conv2d(
        weight.shape[0], weight.shape[2:], stride=a["stride"], padding=a["padding"], dilation=a["dilation"], groups=groups, bias=bias is not None
    )  # fmt: skip
    return drafts.add(call, op, x, weights={"weight": weight, "bias": bias})


def conv_transpose(drafts: Drafts, call: Call, operands: list[Operand]) -> Lifted:
    """Lift a transposed convolution."""
    x, weight = image_of(drafts, call, operands[0]), _kernel(call, constant_of(call, operands[1], "kernel"))
    bias = None if operands[2] is None else vector(constant_of(call, operands[2], "bias"))
    a = call.attributes
    padding, extra = [], []
    for before, after in a["crop"]:
        extra.append(max(-after, 0))
        padding.append((before, max(after, 0)))
    op = ConvTranspose2d(
        weight.shape[1] * a["groups"],
        weight.shape[2:],
        stride=a["stride"],
        padding=tuple(padding),
        output_padding=tuple(extra),
        dilation=a["dilation"],
        groups=a["groups"],
        bias=bias is not None,
    )
    return drafts.add(call, op, x, weights={"weight": weight, "bias": bias})


def linear(drafts: Drafts, call: Call, operands: list[Operand]) -> Lifted:
    """Lift a fully connected layer; on an image it acts on the last axis, which is a 1x1 convolution of the channels."""
    x, weight = value_of(call, operands[0]), constant_of(call, operands[1], "weight")
    if len(weight.shape) != 2:
        raise refuse(call, f"its weight has {len(weight.shape)} axes.", "A fully connected layer multiplies by one matrix.")
    weight = weight.transposed((1, 0)) if call.attributes["kernel"] == "IO" else weight
    bias = None if operands[2] is None else vector(constant_of(call, operands[2], "bias"))
    if x.rank == 2:
        plain = dataclasses.replace(x, order=natural(2), image=None)
        op: Any = Linear(weight.shape[0], bias=bias is not None)
        return drafts.add(call, op, plain, weights={"weight": permuted_columns(weight, x), "bias": bias})
    if x.rank != 4:
        raise refuse(
            call,
            f"it acts on a value of {x.rank} axes.",
            "A fully connected layer takes vectors (N, features), or the channels of an image.",
        )
    x = x if x.order[-1] == 1 else drafts.reordered(call, x, CHANNELS_LAST)
    op = Conv2d(weight.shape[0], 1, bias=bias is not None)
    return drafts.add(call, op, x, weights={"weight": weight.reshaped(*weight.shape, 1, 1), "bias": bias})


def batch_norm(drafts: Drafts, call: Call, operands: list[Operand]) -> Lifted:
    """Lift batch normalisation; of vectors, it is that of images of one pixel."""
    x = value_of(call, operands[0])
    names = ("scale", "shift", "mean", "var")
    held = {
        name: None if known is None else vector(constant_of(call, known, name)) for name, known in zip(names, operands[1:], strict=True)
    }
    a = call.attributes
    op = BatchNorm2d(
        eps=a["eps"],
        keep=a["keep"],
        scale=held["scale"] is not None,
        shift=held["shift"] is not None,
        running_var="unbiased" if a["unbiased"] else "biased",
    )
    if x.rank == 2:
        x = drafts.settled(call, x)
        pixel = drafts.add(call, Reshape((x.shape[0], 1, 1)), x)
        return drafts.add(call, Flatten(), drafts.add(call, op, pixel, weights=held))
    if x.rank != 4:
        raise refuse(call, f"it acts on a value of {x.rank} axes.", "Batch normalisation takes images, or vectors.")
    axis = a["axis"] % 4
    if x.order[axis] != 1:
        x = drafts.reordered(call, x, CHANNELS_LAST if axis == 3 else tuple({axis: 1, 1: axis}.get(i, i) for i in range(4)))
    return drafts.add(call, op, x, weights=held)


def layer_norm(drafts: Drafts, call: Call, operands: list[Operand]) -> Lifted:
    """Lift layer normalisation over any axes of a sample."""
    x = value_of(call, operands[0])
    x = drafts.settled(call, x) if x.image is not None else x
    axes = [x.order[axis % x.rank] for axis in call.attributes["axes"]]
    back = sorted(range(len(axes)), key=lambda place: axes[place])

    def turned(operand: Operand, what: str) -> Known | None:
        return None if operand is None else constant_of(call, operand, what).transposed(back)

    scale, shift = turned(operands[1], "scale"), turned(operands[2], "shift")
    op = LayerNorm(tuple(sorted(axes)), eps=call.attributes["eps"], scale=scale is not None, shift=shift is not None)
    return drafts.add(call, op, x, weights={"scale": scale, "shift": shift})

"""Lifting activations and arithmetic: a bias joins its layer, an affine map of channels is a depthwise 1x1 convolution."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from unicnn.ops import (
    ELU,
    GELU,
    Add,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    Hardsigmoid,
    Hardswish,
    Identity,
    LeakyReLU,
    Linear,
    LogSoftmax,
    Mul,
    Op,
    ReLU,
    ReLU6,
    Reshape,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from unicnn.porting.lifting.contractions import value_of
from unicnn.porting.lifting.draft import Draft, Drafts, Lifted, Operand, natural, refuse
from unicnn.porting.lifting.known import Known, combined
from unicnn.porting.lifting.shapes import aligned
from unicnn.porting.tape import Call

ACTIVATIONS: dict[str, Callable[..., Op]] = {
    "relu": ReLU,
    "relu6": ReLU6,
    "leaky_relu": LeakyReLU,
    "elu": ELU,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "silu": SiLU,
    "gelu": GELU,
    "hardswish": Hardswish,
    "hardsigmoid": Hardsigmoid,
    "dropout": Dropout,
}
_ALONG: dict[str, Callable[..., Op]] = {"softmax": Softmax, "log_softmax": LogSoftmax}


def activation(drafts: Drafts, call: Call, operands: list[Operand]) -> Lifted:
    """Lift a function of single values."""
    return drafts.add(call, ACTIVATIONS[call.op](**call.attributes), value_of(call, operands[0]))


def along(drafts: Drafts, call: Call, operands: list[Operand]) -> Lifted:
    """Lift a softmax; along the classes of a vector it does not matter how the vector lies."""
    x = value_of(call, operands[0])
    axis = x.order[call.attributes["axis"] % x.rank] if x.image is None else 1
    return drafts.add(call, _ALONG[call.op](axis=axis), x)


def identity(drafts: Drafts, call: Call, operands: list[Operand]) -> Lifted:
    """Lift a layer that does nothing; in glue it is nothing."""
    x = value_of(call, operands[0])
    return drafts.add(call, Identity(), x) if call.own else x


def arithmetic(drafts: Drafts, call: Call, operands: list[Operand]) -> Lifted:
    """Lift +, -, * and / of values or of a value and a constant; a layer may add or multiply more than two values."""
    if len(operands) > 2:
        values = aligned(drafts, call, [value_of(call, operand) for operand in operands])
        return drafts.add(call, Mul() if call.op == "mul" else Add(), *values)
    first, second = operands
    if isinstance(first, Lifted) and isinstance(second, Lifted):
        if call.op == "div":
            raise refuse(call, "a value is divided by another.", "Only +, - and * of two values can be described.")
        if call.op == "sub":
            second = _scaled(drafts, call, second, Known.number(-1.0))
        left, right = aligned(drafts, call, [first, second])
        op = Mul() if call.op == "mul" else Add()
        if left is first and right is second and _continues(drafts, call, left, type(op)):
            return drafts.joined(call, left, right)
        return drafts.add(call, op, left, right)
    x, known = (first, second) if isinstance(first, Lifted) else (second, first)
    if not isinstance(x, Lifted) or not isinstance(known, Known) or (call.op == "div" and x is second):
        raise refuse(call, "a constant is divided by a value.", "Only + and * can be described.")
    if call.op == "sub" and x is second:
        vector = _per_channel(call, x, known)
        return _affine(drafts, call, x, Known.number(-1.0), known if vector is None else vector)
    if call.op == "sub":
        return _added(drafts, call, x, known.computed(known.shape, np.negative))
    if call.op == "add":
        return _added(drafts, call, x, known)
    return _scaled(drafts, call, x, known.computed(known.shape, np.reciprocal) if call.op == "div" else known)


def _continues(drafts: Drafts, call: Call, x: Lifted, kind: type[Op]) -> bool:
    """Tell whether a sum or a product goes on in one and the same expression, as in a + b + c."""
    draft = drafts.drafts.get(x.draft)
    if draft is None or not isinstance(draft.op, kind) or not drafts.alone(x) or drafts.called[x.draft] != [drafts.previous]:
        return False
    return call.where is not None and (draft.call.where, draft.call.path) == (call.where, call.path)


def negated(drafts: Drafts, call: Call, operands: list[Operand]) -> Lifted:
    """Lift -x, which is x scaled by -1."""
    return _scaled(drafts, call, value_of(call, operands[0]), Known.number(-1.0))


def squared(drafts: Drafts, call: Call, operands: list[Operand]) -> Lifted:
    """Lift a square, which is a value times itself."""
    x, exponent = value_of(call, operands[0]), operands[1] if call.op == "power" else Known.number(2.0)
    if not isinstance(exponent, Known) or exponent.shape or exponent.read() != 2:
        raise refuse(call, "only the square of a value is known.", "Write powers as products.")
    return drafts.add(call, Mul(), x, x)


def _per_channel(call: Call, x: Lifted, known: Known) -> Known | None:
    """Return a constant with one number for each channel of `x`, or None if it is one number for all."""
    sizes = (1,) * (x.rank - len(known.shape)) + known.shape
    wide = [axis for axis, size in enumerate(sizes) if size > 1]
    if not wide:
        return None
    channels = x.image is None and x.order[wide[0]] == 1
    if len(wide) > 1 or len(sizes) > x.rank or not channels:
        raise refuse(
            call,
            f"a constant of {'x'.join(map(str, known.shape))} meets a value of {'x'.join(map(str, x.shape))}.",
            "A constant can have one number for each channel, or be a single number.",
        )
    return known.reshaped(x.shape[0])


def _added(drafts: Drafts, call: Call, x: Lifted, known: Known) -> Lifted:
    vector = _per_channel(call, x, known)
    draft = drafts.drafts.get(x.draft)
    plain = draft is not None and isinstance(draft.op, (Conv2d, ConvTranspose2d, Linear)) and not draft.op.bias and not draft.affine
    if draft is not None and plain and vector is not None and drafts.alone(x):
        return drafts.amend(x, call, op=_biased(draft.op), weights={"bias": vector})
    return _affine(drafts, call, x, None, known if vector is None else vector)


def _scaled(drafts: Drafts, call: Call, x: Lifted, known: Known) -> Lifted:
    if not known.shape and known.read() == 1:
        return x
    vector = _per_channel(call, x, known)
    return _affine(drafts, call, x, known if vector is None else vector, None)


def _affine(drafts: Drafts, call: Call, x: Lifted, scale: Known | None, shift: Known | None) -> Lifted:
    """Return x * scale + shift, constants of the channels: a depthwise convolution with 1x1 kernels."""
    draft = drafts.drafts.get(x.draft)
    if draft is not None and draft.affine and drafts.alone(x):
        return _continued(drafts, call, draft, x, scale, shift)
    if x.rank == 2:
        x = drafts.settled(call, x)
        pixel = drafts.add(call, Reshape((x.shape[0], 1, 1)), x)
        y = drafts.add(call, Flatten(), _affine(drafts, call, pixel, scale, shift), order=natural(2))
        drafts.drafts[y.draft].affine = True
        return y
    if x.rank != 4:
        raise refuse(
            call, f"it computes with constants on a value of {x.rank} axes.", "Constants can scale and shift the channels of an image."
        )
    channels = x.shape[0]
    ones = Known((), lambda: np.ones(()), trainable=False)
    weight = _filled(scale or ones, x).reshaped(channels, 1, 1, 1)
    op: Any = Conv2d(channels, 1, groups=channels, bias=shift is not None)
    y = drafts.add(call, op, x, weights={"weight": weight, "bias": None if shift is None else _filled(shift, x)})
    drafts.drafts[y.draft].affine = True
    return y


def _continued(drafts: Drafts, call: Call, draft: Draft, x: Lifted, scale: Known | None, shift: Known | None) -> Lifted:
    """Return an affine map that follows another one, as one map: (x*a + b)*c + d is x*(a*c) + (b*c + d)."""
    if isinstance(draft.op, Flatten):  # of a vector, which was made an image of one pixel
        draft.place = x.place(call.name)
        draft = drafts.drafts[draft.inputs[0]]
        _extend(draft, x, scale, shift)
        return x
    _extend(draft, x, scale, shift)
    draft.place = x.place(call.name)
    return x


def _extend(draft: Draft, x: Lifted, scale: Known | None, shift: Known | None) -> None:
    weights, channels = dict(draft.weights), x.shape[0]
    if scale is not None:
        factor = _filled(scale, x)
        weights["weight"] = combined((channels, 1, 1, 1), lambda a, b: a * b.reshape(-1, 1, 1, 1), weights["weight"], factor)
        if "bias" in weights:
            weights["bias"] = combined((channels,), np.multiply, weights["bias"], factor)
    if shift is not None:
        term = _filled(shift, x)
        weights["bias"] = combined((channels,), np.add, weights["bias"], term) if "bias" in weights else term
    draft.op, draft.weights = (_biased(draft.op) if "bias" in weights else draft.op), weights


def _biased(op: Any) -> Any:
    return dataclasses.replace(op, bias=True)


def _filled(known: Known, x: Lifted) -> Known:
    channels = x.shape[0]
    return (
        known if math.prod(known.shape) == channels and known.shape else known.computed((channels,), lambda array: np.full(channels, array))
    )

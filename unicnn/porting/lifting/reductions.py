"""Reductions written in other ways: axis after axis, over axes joined by a reshape, or as a sum divided by a number."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TypeAlias

from unicnn.porting.tape import Call

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""The shapes of the inputs and of what calls give, by name."""


def reduced(call: Call, calls: Mapping[str, Call], shapes: Shapes) -> Call:
    """Return a call as one reduction of what the calls before it reduce or reshape, if that is what it is."""
    source = calls.get(call.inputs[0]) if call.inputs and isinstance(call.inputs[0], str) else None
    if source is None:
        return call
    if call.op == "div" and source.op == "sum":
        return _mean_of_sum(call, source, shapes)
    if call.op not in ("mean", "max"):
        return call
    if source.op == call.op:
        return _after_another(call, source, shapes)
    return _over_joined_axes(call, source, shapes) if source.op == "reshape" else call


def _mean_of_sum(call: Call, total: Call, shapes: Shapes) -> Call:
    shape, number = shapes.get(str(total.inputs[0])), call.inputs[1]
    if shape is None or not isinstance(number, (int, float)) or number != math.prod(shape[axis] for axis in total.attributes["axes"]):
        return call
    return dataclasses.replace(call, op="mean", inputs=total.inputs, attributes=total.attributes)


def _after_another(call: Call, inner: Call, shapes: Shapes) -> Call:
    """Join two means or maxima: both keep their axes, or neither does."""
    shape, keep = shapes.get(str(inner.inputs[0])), call.attributes["keepdims"]
    if shape is None or keep != inner.attributes["keepdims"]:
        return call
    gone = {axis % len(shape) for axis in inner.attributes["axes"]}
    left = list(range(len(shape))) if keep else [axis for axis in range(len(shape)) if axis not in gone]
    axes = gone | {left[axis] for axis in call.attributes["axes"]}
    return dataclasses.replace(call, inputs=inner.inputs, attributes={"axes": tuple(sorted(axes)), "keepdims": keep})


def _over_joined_axes(call: Call, joined: Call, shapes: Shapes) -> Call:
    """Undo a reshape that made one axis of two, if the reduction is over that axis and leaves none of it."""
    shape, axes = shapes.get(str(joined.inputs[0])), call.attributes["axes"]
    if shape is None or len(axes) != 1 or call.attributes["keepdims"] or len(joined.shape) != len(shape) - 1:
        return call
    axis = axes[0] % len(joined.shape)
    if joined.shape != (*shape[:axis], math.prod(shape[axis : axis + 2]), *shape[axis + 2 :]):
        return call
    return dataclasses.replace(call, inputs=joined.inputs, attributes={"axes": (axis, axis + 1), "keepdims": False})

"""Convolutions and products with a kernel, in whatever order its numbers stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from unicnn_jax.importing import windows
from unicnn_jax.importing.flattening import Operand, Step

if TYPE_CHECKING:
    from unicnn_jax.importing.meaning import Made, Meaning


def convolved(of: Meaning, step: Step) -> Made | None:
    """Return a convolution over images, or the transposed one that it is."""
    settings = windows.convolution(step.params, len(step.shapes[0]))
    if settings is None:
        return None
    spread = settings.pop("spread")
    x, weight = of.inputs(step)
    if spread != (1, 1) or _turned(of, step.inputs[1]) is not None:
        return _conv_transpose(of, step, settings, spread)
    return "conv", (x, weight, None), settings


def _conv_transpose(of: Meaning, step: Step, settings: dict[str, Any], spread: tuple[int, int]) -> Made | None:
    """Return a convolution of a spread input with a kernel that was turned round as what it is: a transposed one."""
    found = _turned(of, step.inputs[1])
    if found is None or settings["stride"] != (1, 1) or settings["data"] != "NHWC" or settings["kernel"] != "HWIO":
        return None
    name, index = found
    rows, columns, inner, outer = of.shape(step.inputs[1])
    groups = settings["groups"]
    held = np.arange(index.size).reshape(rows, columns, outer // groups, inner * groups)
    turned = held[::-1, ::-1].reshape(rows, columns, outer // groups, groups, inner).transpose(0, 1, 4, 3, 2)
    if of.shape(name) != held.shape or not np.array_equal(turned.reshape(rows, columns, inner, outer), index):
        return None
    sizes = [d * (k - 1) + 1 for d, k in zip(settings["dilation"], (rows, columns), strict=True)]
    crop = tuple((k - 1 - before, k - 1 - after) for k, (before, after) in zip(sizes, settings["padding"], strict=True))
    attributes = {"stride": spread, "crop": crop, "dilation": settings["dilation"], "groups": groups, "data": "NHWC", "kernel": "HWOI"}
    return "conv_transpose", (of.given(step.inputs[0], ""), name, None), attributes


def _turned(of: Meaning, operand: Operand) -> tuple[str, np.ndarray[Any, Any]] | None:
    """Return the array whose numbers in another order an operand holds, at least one axis turned round, and that order."""
    steps = []
    while (step := of.source(operand, "rev", "reshape", "transpose")) is not None:
        steps.append(step)
        operand = step.inputs[0]
    if not isinstance(operand, str) or operand not in of.arrays or not any(step.op == "rev" for step in steps):
        return None
    shape = of.shape(operand)
    index = np.arange(int(np.prod(shape))).reshape(shape)
    for step in reversed(steps):
        if step.op == "rev":
            index = np.flip(index, step.params["dimensions"])
        elif step.op == "transpose":
            index = index.transpose(step.params["permutation"])
        else:
            index = index.reshape(step.params["new_sizes"])
    return operand, index


def multiplied(of: Meaning, step: Step) -> Made | None:
    """Return a product with a matrix along the last axis of a value."""
    ((left, right), (batch, _)) = step.params["dimension_numbers"]
    x, matrix = step.inputs
    if batch or len(left) != 1 or len(of.shape(matrix)) != 2 or left[0] != len(of.shape(x)) - 1:
        return None
    return "linear", (*of.inputs(step), None), {"kernel": "IO" if right[0] == 0 else "OI"}

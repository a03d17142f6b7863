"""Pooling, convolutions and products as JAX computes them, in the words of the tape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unicnn.ops import AdaptiveAvgPool2d, AvgPool2d
from unicnn.ops.base import Misfit
from unicnn.ops.fields import NO_PADDING, Sides
from unicnn.ops.pool import window_counts

Word = tuple[str, Mapping[str, Any]]


def image_window(params: Mapping[str, Any], shape: tuple[int, ...]) -> dict[str, Any] | None:
    """Return the settings of a window over the rows and columns of images with their channels last, or None if it is another."""
    size, stride, pads = params["window_dimensions"], params["window_strides"], params["padding"]
    spread = set(params["base_dilation"]) | set(params["window_dilation"])
    if len(shape) != 4 or spread != {1} or {size[0], size[3], stride[0], stride[3]} != {1} or any(sum(pads[axis]) for axis in (0, 3)):
        return None
    sides = tuple((int(before), int(after)) for before, after in pads[1:3])
    return {"kernel_size": tuple(map(int, size[1:3])), "stride": tuple(map(int, stride[1:3])), "padding": sides}


def counted_mean(window: Mapping[str, Any], shape: tuple[int, ...], divisor: np.ndarray[Any, Any]) -> dict[str, Any] | None:
    """Return an average as a word's attributes, given what the sums over windows are divided by; None if it is none."""
    size, kernel, stride, sides = shape[1:3], window["kernel_size"], window["stride"], window["padding"]
    if divisor.shape == () and divisor == kernel[0] * kernel[1]:
        return {**window, "ceil_mode": False, "count_include_pad": True, "data": "NHWC"}
    rows, columns = window_counts(size, kernel, stride, sides, NO_PADDING)
    if divisor.ndim == 4 and np.array_equal(np.broadcast_to(divisor, (1, len(rows), len(columns), 1))[0, :, :, 0], np.outer(rows, columns)):
        return {**window, "ceil_mode": False, "count_include_pad": False, "data": "NHWC"}
    return None


def ceiled(attributes: Mapping[str, Any], border: Sides, shape: tuple[int, ...]) -> dict[str, Any] | None:
    """Return an average that does not count its own padding, over an image with zeros around it, as the one that rounds up."""
    kernel, stride = attributes["kernel_size"], attributes["stride"]
    whole: Any = tuple((a + c, b + d) for (a, b), (c, d) in zip(border, attributes["padding"], strict=True))
    try:
        found = AvgPool2d(kernel, stride, border, ceil_mode=True).attributes((shape[3], *shape[1:3]))
    except Misfit:
        return None
    if (found["padding"], found["counted"]) != (whole, border):
        return None
    return {**attributes, "padding": border, "ceil_mode": True, "count_include_pad": True}


def adaptive_spans(size: int, count: int) -> tuple[tuple[int, int], ...]:
    """Return the windows that an adaptive average takes of an axis."""
    return AdaptiveAvgPool2d((count, 1)).attributes((1, size, 1))["rows"]  # type: ignore[no-any-return]


def convolution(params: Mapping[str, Any], rank: int) -> dict[str, Any] | None:
    """Return the settings of a convolution over images with their channels last, and how its kernel lies; None if it is another."""
    numbers = params["dimension_numbers"]
    layouts = (tuple(numbers.lhs_spec), tuple(numbers.rhs_spec), tuple(numbers.out_spec))
    data = {((0, 3, 1, 2), (0, 3, 1, 2)): "NHWC", ((0, 1, 2, 3), (0, 1, 2, 3)): "NCHW"}.get((layouts[0], layouts[2]))
    kernel = {(3, 2, 0, 1): "HWIO", (0, 1, 2, 3): "OIHW"}.get(layouts[1])
    if rank != 4 or data is None or kernel is None or params["batch_group_count"] != 1:
        return None
    return {
        "stride": tuple(params["window_strides"]), "padding": tuple((int(a), int(b)) for a, b in params["padding"]),
        "dilation": tuple(params["rhs_dilation"]), "groups": int(params["feature_group_count"]), "data": data, "kernel": kernel,
        "spread": tuple(params["lhs_dilation"]),
    }  # fmt: skip

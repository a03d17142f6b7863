"""Convolution in plain NumPy, for saboteurs that take it apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .saboteur import Array, Function


def windows(size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> tuple[int, ...]:
    """Return how many windows there are along each axis."""
    axes = zip(size, kernel, stride, padding, dilation, strict=True)
    return tuple((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes)


def fitted(y: Array, size: Any) -> Array:
    """Return images cut, or continued with zeros, to a size."""
    y = y[:, :, : size[0], : size[1]]
    return np.pad(y, ((0, 0), (0, 0), (0, size[0] - y.shape[2]), (0, size[1] - y.shape[3])))


def by_taps(x: Array, weight: Array, bias: Array | None, *, stride: Any, padding: Any, dilation: Any, groups: int,
            add: Function = np.add, order: Function = list) -> Array:  # fmt: skip
    """Return a convolution as a sum over the cells of the kernel, one after the other in an order, added as `add` does."""
    height, width = windows(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    x = np.pad(x, ((0, 0), (0, 0), *padding))
    parts = x.reshape(len(x), groups, -1, *x.shape[2:])
    kernels = weight.reshape(groups, -1, *weight.shape[1:])
    y = np.zeros((len(x), groups, kernels.shape[1], height, width), x.dtype)
    for channel, i, j in order(list(np.ndindex(*weight.shape[1:]))):
        top, left = i * dilation[0], j * dilation[1]
        seen = parts[
            :, :, channel, top : top + (height - 1) * stride[0] + 1 : stride[0], left : left + (width - 1) * stride[1] + 1 : stride[1]
        ]
        y = add(y, seen[:, :, None] * kernels[:, :, channel, i, j][None, :, :, None, None])
    y = y.reshape(len(x), math.prod(kernels.shape[:2]), height, width)
    return y if bias is None else y + bias[:, None, None]

"""Convolution and its gradients by columns and one matrix product, for a backend whose own are not exact in float64, or are missing.

Only the matrix product of the backend is trusted. Functions have the names and signatures of a backend's, behind the namespace `t`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

from unicnn.ops.fields import NO_PADDING, Pair, Sides

Tensor: TypeAlias = Any
ALL = slice(None)


def conv2d(t: Any, x: Tensor, weight: Tensor, bias: None, *, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> Tensor:
    """Return the cross-correlation: the columns of each group times its weights."""
    kernels = t.unpack(weight, "conv")
    kernel = t.shape(kernels)[2:]
    size = _windows(t.shape(x)[2:], kernel, stride, padding, dilation)
    padded = t.ops.pad(x, padding=padding, value=0.0)
    taps = list(itertools.product(range(kernel[0]), range(kernel[1])))
    parts = []
    for group in range(groups):
        columns = _columns(t, _group(t, padded, 1, group, groups), taps, size, stride, dilation)
        matrix = t.transpose(_group(t, kernels, 0, group, groups), (0, 2, 3, 1))
        parts.append(_multiplied(t, columns, matrix, (t.shape(x)[0], *size)))
    return _joined(t, parts)


def conv2d_input_gradient(
    t: Any, dy: Tensor, weight: Tensor, *, input_size: Pair, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Tensor:
    """Return the correlation of dy, with its stride written out as zeros, with the kernel turned round."""
    kernels = t.unpack(weight, "conv")
    kernel = t.shape(kernels)[2:]
    spread = dy
    for axis in (0, 1):
        spread = _with_zeros(t, spread, axis + 2, stride[axis])
    for axis in (0, 1):
        reach = dilation[axis] * (kernel[axis] - 1)
        before = reach - padding[axis][0]
        after = input_size[axis] + reach - t.shape(spread)[axis + 2] - before
        spread = _fitted(t, spread, axis, before, after)
    taps = list(itertools.product(range(kernel[0] - 1, -1, -1), range(kernel[1] - 1, -1, -1)))
    parts = []
    for group in range(groups):
        columns = _columns(t, _group(t, spread, 1, group, groups), taps, input_size, (1, 1), dilation)
        matrix = t.transpose(_group(t, kernels, 0, group, groups), (1, 2, 3, 0))
        parts.append(_multiplied(t, columns, matrix, (t.shape(dy)[0], *input_size)))
    return _joined(t, parts)


def conv2d_weight_gradient(
    t: Any, dy: Tensor, x: Tensor, *, kernel_size: Pair, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Tensor:
    """Return the product of dy with the columns of x."""
    size = t.shape(dy)[2:]
    padded = t.ops.pad(x, padding=padding, value=0.0)
    taps = list(itertools.product(range(kernel_size[0]), range(kernel_size[1])))
    parts = []
    for group in range(groups):
        columns = _columns(t, _group(t, padded, 1, group, groups), taps, size, stride, dilation)
        rows = t.transpose(_group(t, dy, 1, group, groups), (0, 2, 3, 1))
        outputs = t.shape(rows)[3]
        matrix = t.unpack(t.ops.linear_weight_gradient(t.reshape(rows, (-1, outputs)), columns), "linear")
        parts.append(t.transpose(t.reshape(matrix, (outputs, *kernel_size, -1)), (0, 3, 1, 2)))
    return t.pack(_joined(t, parts, 0), "conv")


def conv_transpose2d(t: Any, x: Tensor, weight: Tensor, bias: None, *, stride: Pair, crop: Sides, dilation: Pair, groups: int) -> Tensor:
    """Return the adjoint of the convolution with the same weight."""
    kernels = t.unpack(weight, "conv_transpose")
    full = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(t.shape(x)[2:], stride, dilation, t.shape(kernels)[2:], strict=True)]
    size = (full[0] - sum(crop[0]), full[1] - sum(crop[1]))
    packed = t.pack(kernels, "conv")
    return conv2d_input_gradient(t, x, packed, input_size=size, stride=stride, padding=crop, dilation=dilation, groups=groups)


def _windows(size: Sequence[int], kernel: Sequence[int], stride: Pair, padding: Sides, dilation: Pair) -> Pair:
    height, width = ((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True))
    return height, width


def _columns(t: Any, x: Tensor, taps: Sequence[Pair], size: Sequence[int], stride: Pair, dilation: Pair) -> Tensor:
    """Return (N * rows * columns, taps * C): what each output pixel sees."""

    def along(axis: int, place: int) -> slice:
        start = place * dilation[axis]
        return slice(start, start + (size[axis] - 1) * stride[axis] + 1, stride[axis])

    seen = _joined(t, [t.part(x, (ALL, ALL, along(0, i), along(1, j))) for i, j in taps])
    return t.reshape(t.transpose(seen, (0, 2, 3, 1)), (-1, t.shape(seen)[1]))


def _multiplied(t: Any, columns: Tensor, matrix: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Return the images that columns give with a matrix (outputs, kh, kw, inputs)."""
    outputs, *inner = t.shape(matrix)
    y = t.ops.linear(columns, t.pack(t.reshape(matrix, (outputs, math.prod(inner))), "linear"), None)
    return t.transpose(t.reshape(y, (*shape, outputs)), (0, 3, 1, 2))


def _group(t: Any, x: Tensor, axis: int, group: int, groups: int) -> Tensor:
    if groups == 1:
        return x
    size = t.shape(x)[axis] // groups
    return t.part(x, (*[ALL] * axis, slice(group * size, (group + 1) * size)))


def _joined(t: Any, parts: Sequence[Tensor], axis: int = 1) -> Tensor:
    return parts[0] if len(parts) == 1 else t.ops.concat(*parts, axis=axis)


def _with_zeros(t: Any, x: Tensor, axis: int, stride: int) -> Tensor:
    """Return `x` with stride - 1 zeros between two neighbours along an axis."""
    if stride == 1:
        return x
    shape = t.shape(x)
    apart = t.reshape(x, (*shape[: axis + 1], 1, *shape[axis + 1 :]))
    spread = t.ops.concat(apart, *[apart * 0.0] * (stride - 1), axis=axis + 1)
    longer = t.reshape(spread, (*shape[:axis], shape[axis] * stride, *shape[axis + 1 :]))
    return t.part(longer, (*[ALL] * axis, slice(0, (shape[axis] - 1) * stride + 1)))


def _fitted(t: Any, x: Tensor, axis: int, before: int, after: int) -> Tensor:
    """Return `x` with zeros before and after along rows (0) or columns (1); negative numbers cut."""
    size = t.shape(x)[axis + 2]
    sides = [NO_PADDING[0], NO_PADDING[1]]
    sides[axis] = (max(before, 0), max(after, 0))
    kept = t.part(x, (*[ALL] * (axis + 2), slice(max(-before, 0), size + min(after, 0))))
    return t.ops.pad(kept, padding=tuple(sides), value=0.0)

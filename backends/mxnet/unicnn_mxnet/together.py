"""Convolution on a CPU other than by Convolution, where that computes a product for each image and the images are too small for it.

The columns of several images lie side by side. NumPy copies those of one tile while MXNet multiplies those of the tile before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from unicnn.ops.fields import Pair, Sides
from unicnn_mxnet.compat import mx
from unicnn_mxnet.exactly import Exact, lent, of, piece
from unicnn_mxnet.memory import Array, empty

Tensor: TypeAlias = "mx.nd.NDArray"

_TILE = 1 << 18
"""The values in the columns of a tile: 2 MB of float64."""
_WIDE = 512
"""So many columns a product must have to be fast."""
_NARROW, _LARGE = 64, 1 << 16
"""The outputs of an image, at most, and the values of a weight, at least, where Convolution takes a quarter longer."""


def worthwhile(weight: Tensor, size: Pair) -> bool:
    """Tell whether this is faster than Convolution."""
    return math.prod(size) <= _NARROW and weight.size >= _LARGE


def conv2d(x: Tensor, weight: Tensor, *, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Exact:
    """Return the cross-correlation of one group, of a size."""
    outputs, _, *kernel = weight.shape
    matrix = weight.reshape((outputs, -1))
    y = empty((len(x), outputs, math.prod(size)), x.dtype)
    before: tuple[slice, Exact] | None = None
    for tile, columns in _tiles(x, (kernel[0], kernel[1]), size, stride, padding, dilation):
        product = of(empty((outputs, columns.shape[1]), x.dtype))
        mx.nd.dot(matrix, columns, out=product)
        if before is not None:
            _put(y, *before)
        before = tile, product
    if before is not None:
        _put(y, *before)
    return of(y.reshape(len(x), outputs, *size))


def _put(y: Array, tile: slice, product: Exact) -> None:
    y[tile] = lent(product).reshape(y.shape[1], -1, y.shape[2]).transpose(1, 0, 2)


def _tiles(x: Tensor, kernel: Pair, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Iterator[tuple[slice, Exact]]:
    """Yield which samples belong to a tile, and their columns (inputs, images * width): memory of their own, until no operator reads it."""
    samples, channels, *_ = x.shape
    inputs, width = channels * math.prod(kernel), math.prod(size)
    step = max(_TILE // (inputs * width), -(-_WIDE // width), 1)
    for start in range(0, samples, step):
        part = _padded(piece(x, (slice(start, min(start + step, samples)),)), padding)
        a, b, c, d = part.strides
        seen = np.lib.stride_tricks.as_strided(
            part,
            (channels, *kernel, len(part), *size),
            (b, c * dilation[0], d * dilation[1], a, c * stride[0], d * stride[1]),
        )
        columns = empty(seen.shape, x.dtype)
        columns[...] = seen
        yield slice(start, start + len(part)), of(columns.reshape(inputs, -1))


def _padded(x: Array, padding: Sides) -> Array:
    (top, bottom), (left, right) = padding
    if not (top or bottom or left or right):
        return x
    height, width = x.shape[2:]
    padded = empty((*x.shape[:2], top + height + bottom, left + width + right), x.dtype)
    padded[...] = 0.0
    padded[:, :, top : top + height, left : left + width] = x
    return padded


def window_sums(x: Tensor, *, kernel: Pair, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Exact:
    """Return the convolution of one channel with ones: sums along the columns of each window, and of these along its rows."""
    values = _padded(lent(x), padding)
    for axis in (2, 3):
        k, d, s, n = kernel[axis - 2], dilation[axis - 2], stride[axis - 2], size[axis - 2]
        parts = [values[(slice(None),) * axis + (slice(i * d, i * d + (n - 1) * s + 1, s),)] for i in range(k)]
        total = empty(parts[0].shape, values.dtype)
        total[...] = parts[0]
        for part in parts[1:]:
            total += part
        values = total
    return of(values)

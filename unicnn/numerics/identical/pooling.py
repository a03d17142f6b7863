"""Average pooling and the gradients of pooling, as exact sums.

A mean over windows is two products with matrices of zeros and ones, along the rows and along the columns, and one product with a reciprocal
that was rounded once; its gradient is the same with the matrices transposed.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from unicnn.numerics.identical.grids import snap_to
from unicnn.numerics.identical.rounded import Rounded
from unicnn.ops.fields import Pair, Sides
from unicnn.ops.pool import window_counts

Array: TypeAlias = np.ndarray[Any, Any]
Spans: TypeAlias = tuple[Pair, ...]


def avg_pool2d(x: Rounded, *, kernel_size: Pair, stride: Pair, padding: Sides, counted: Sides) -> Rounded:
    """Return the means of windows over the cells that count."""
    size = (x.shape[2], x.shape[3])
    return _means(x, *_windows(size, kernel_size, stride, padding), window_counts(size, kernel_size, stride, padding, counted))


def avg_pool2d_gradient(dy: Rounded, *, input_size: Pair, kernel_size: Pair, stride: Pair, padding: Sides, counted: Sides) -> Rounded:
    """Spread each window's gradient evenly over what it counted."""
    counts = window_counts(input_size, kernel_size, stride, padding, counted)
    return _shares(dy, input_size, *_windows(input_size, kernel_size, stride, padding), counts)


def adaptive_avg_pool2d(x: Rounded, *, rows: Spans, cols: Spans) -> Rounded:
    """Return the means over every pair of a span of rows and one of columns."""
    return _means(x, rows, cols, (_lengths(rows), _lengths(cols)))


def adaptive_avg_pool2d_gradient(dy: Rounded, *, input_size: Pair, rows: Spans, cols: Spans) -> Rounded:
    """Spread each window's gradient evenly over the window."""
    return _shares(dy, input_size, rows, cols, (_lengths(rows), _lengths(cols)))


def max_pool2d_gradient(dy: Rounded, x: Rounded, y: Rounded, *, kernel_size: Pair, stride: Pair, padding: Sides) -> Rounded:
    """Give each window's gradient to its first maximum; where windows overlap, gradients on a grid add up exactly."""
    t = dy.t
    attributes = {"kernel_size": kernel_size, "stride": stride, "padding": padding}
    meeting = math.prod(-(-k // s) for k, s in zip(kernel_size, stride, strict=True))
    if meeting == 1:
        return Rounded(t, t.ops.max_pool2d_gradient(dy.raw, x.raw, y.raw, **attributes))
    return dy.of(t.ops.max_pool2d_gradient(_gridded(dy, meeting), x.wide(), y.wide(), **attributes))


def _windows(size: Pair, kernel_size: Pair, stride: Pair, padding: Sides) -> tuple[Spans, Spans]:
    """Return the spans of rows and of columns that windows have within the input."""

    def one(n: int, k: int, s: int, p: Pair) -> Spans:
        return tuple((max(start, 0), min(start + k, n)) for start in range(-p[0], n + p[1] - k + 1, s))

    return one(size[0], kernel_size[0], stride[0], padding[0]), one(size[1], kernel_size[1], stride[1], padding[1])


def _lengths(spans: Spans) -> tuple[int, ...]:
    return tuple(stop - start for start, stop in spans)


def _gridded(x: Rounded, terms: int) -> Any:
    """Return `x` as float64 on one grid a sample, so fine that sums of `terms` values are just exact; one value needs no grid."""
    t = x.t
    if terms <= 1:
        return x.wide()
    e = t.exponent(t.widen(t.largest(x.raw, (1, 2, 3))))
    return snap_to(t, x.raw, e - float(min(50, 53 - math.ceil(math.log2(terms)))))


def _means(x: Rounded, rows: Spans, cols: Spans, counts: tuple[tuple[int, ...], tuple[int, ...]]) -> Rounded:
    t = x.t
    height, width = x.shape[2:]
    q = _gridded(x, max(_lengths(rows)) * max(_lengths(cols)))
    if (rows, cols) == (((0, height),), ((0, width),)):
        sums = t.sum(q, (2, 3), keepdims=True)
    else:
        sums = _both_ways(t, q, _matrix(rows, height), _matrix(cols, width))
    return x.of(sums * t.constant(_reciprocals(counts)))


def _shares(dy: Rounded, input_size: Pair, rows: Spans, cols: Spans, counts: tuple[tuple[int, ...], tuple[int, ...]]) -> Rounded:
    t = dy.t
    by_rows, by_cols = _matrix(rows, input_size[0]).T, _matrix(cols, input_size[1]).T
    share = dy.of(dy.wide() * t.constant(_reciprocals(counts)))
    meeting = int(by_rows.sum(1).max() * by_cols.sum(1).max())
    return dy.of(_both_ways(t, _gridded(share, meeting), by_rows, by_cols))


def _matrix(spans: Spans, size: int) -> Array:
    """Return (spans, size) with ones where a span is."""
    places = np.arange(size)
    return np.array([(places >= start) & (places < stop) for start, stop in spans], np.float64)


def _reciprocals(counts: tuple[tuple[int, ...], tuple[int, ...]]) -> Array:
    """Return one over the number of cells of each window, (1, 1, rows, columns)."""
    return 1 / np.outer(*counts)[None, None].astype(np.float64)  # type: ignore[no-any-return]


def _both_ways(t: Any, x: Any, by_rows: Array, by_cols: Array) -> Any:
    """Return by_rows x by_cols^T for each image of `x`, float64 (N, C, H, W)."""
    samples, channels, height, width = t.shape(x)
    images = samples * channels
    across = t.ops.linear(t.reshape(x, (images * height, width)), t.constant(by_cols, "linear"), None)
    turned = t.transpose(t.reshape(across, (images, height, len(by_cols))), (0, 2, 1))
    down = t.ops.linear(t.reshape(turned, (images * len(by_cols), height)), t.constant(by_rows, "linear"), None)
    return t.transpose(t.reshape(down, (samples, channels, len(by_cols), len(by_rows))), (0, 1, 3, 2))

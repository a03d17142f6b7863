"""Two-dimensional max and average pooling and their gradients.

No padded copy is made: every tap of the kernel is a strided view of the cells
it meets, and windows reach into the padding by not meeting any.  Sums and
maxima are taken along rows and columns in turn, a part of the planes at a time,
so that what lies between the two stays in the cache.  Results have their axes
in memory in the order of the input.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

from unicnn.ops.fields import Pair, Sides
from unicnn.ops.pool import window_counts

from .buffers import Array, Module, aligned, array_module, empty_like, set_chosen
from .conv import meeting, window_count

Spans = tuple[Pair, ...]

# How much of the input is worked on at a time.
_CHUNK_BYTES = 1 << 19


def max_pool2d(x: Array, *, kernel_size: Pair, stride: Pair, padding: Sides) -> Array:
    """Return the maxima of the windows of ``x``, NaN where a window has one.

    ``x`` (N, C, H, W) has the float dtype of the result (N, C, OH, OW).
    """
    xp = array_module(x)
    return _reduced(xp.maximum, -xp.inf, x, kernel_size, stride, padding)


def max_pool2d_gradient(dy: Array, x: Array, y: Array, *, kernel_size: Pair, stride: Pair, padding: Sides) -> Array:
    """Return the gradient of ``y = max_pool2d(x)``, all of it at the first maximum.

    ``dy`` and ``y`` (N, C, OH, OW) share a float dtype with ``x`` and the result
    (N, C, H, W).
    """
    dx = empty_like(x)
    dy, y = aligned(dy, x), aligned(y, x)
    origin = (padding[0][0], padding[1][0])
    for part in _parts(x):
        _route(dy[part], x[part], y[part], dx[part], kernel_size, stride, origin)
    return dx


def avg_pool2d(x: Array, *, kernel_size: Pair, stride: Pair, padding: Sides, counted: Sides) -> Array:
    """Return the means of the windows of ``x`` over the cells that count.

    A window's sum is divided by how many of its cells lie in the input extended
    by ``counted``.  ``x`` (N, C, H, W) has the float dtype of the result
    (N, C, OH, OW).
    """
    y = _reduced(array_module(x).add, 0, x, kernel_size, stride, padding)
    y /= _cell_counts(y, x.shape[2:], kernel_size, stride, padding, counted)
    return y


def avg_pool2d_gradient(
    dy: Array,
    *,
    input_size: Pair,
    kernel_size: Pair,
    stride: Pair,
    padding: Sides,
    counted: Sides,
) -> Array:
    """Return the gradient of ``avg_pool2d`` with respect to its input.

    ``dy`` (N, C, OH, OW) has the float dtype of the result (N, C, *input_size).
    """
    share = empty_like(dy)
    counts = _cell_counts(dy, input_size, kernel_size, stride, padding, counted)
    array_module(dy).divide(dy, counts, out=share)
    tall = empty_like(dy, (*dy.shape[:2], input_size[0], dy.shape[3]))
    dx = empty_like(dy, (*dy.shape[:2], *input_size))
    for part in _parts(dx):
        _spread(share[part], tall[part], 2, kernel_size[0], stride[0], padding[0][0])
        _spread(tall[part], dx[part], 3, kernel_size[1], stride[1], padding[1][0])
    return dx


def adaptive_avg_pool2d(x: Array, *, rows: Spans, cols: Spans) -> Array:
    """Return the means of ``x`` over every pair of a span of rows and one of columns.

    ``x`` (N, C, H, W) has the float dtype of the result (N, C, rows, cols); spans
    are (start, stop).
    """
    xp = array_module(x)
    tall = empty_like(x, (*x.shape[:3], len(cols)))
    for j, (start, stop) in enumerate(cols):
        xp.sum(x[:, :, :, start:stop], axis=3, out=tall[:, :, :, j])
    y = empty_like(x, (*x.shape[:2], len(rows), len(cols)))
    for i, (start, stop) in enumerate(rows):
        xp.sum(tall[:, :, start:stop], axis=2, out=y[:, :, i])
    y /= _span_counts(y, rows, cols)
    return y


def adaptive_avg_pool2d_gradient(dy: Array, *, input_size: Pair, rows: Spans, cols: Spans) -> Array:
    """Return the gradient of ``adaptive_avg_pool2d`` with respect to its input.

    ``dy`` (N, C, rows, cols) has the float dtype of the result
    (N, C, *input_size).
    """
    share = dy / _span_counts(dy, rows, cols)
    tall = empty_like(dy, (*dy.shape[:2], input_size[0], dy.shape[3]))
    tall[...] = 0
    for i, (start, stop) in enumerate(rows):
        tall[:, :, start:stop] += share[:, :, i, None]
    dx = empty_like(dy, (*dy.shape[:2], *input_size))
    dx[...] = 0
    for j, (start, stop) in enumerate(cols):
        dx[:, :, :, start:stop] += tall[:, :, :, j, None]
    return dx


def _parts(x: Array) -> Iterator[tuple[slice, ...]]:
    """Yield indices of pieces of ``x`` along the axis that is outermost in memory."""
    axis = 0 if abs(x.strides[0]) >= abs(x.strides[1]) else 1
    length = x.shape[axis]
    step = max(1, _CHUNK_BYTES * length // x.nbytes)
    for start in range(0, length, step):
        yield (slice(None),) * axis + (slice(start, start + step),)


def _reduced(ufunc: Any, initial: float, x: Array, kernel: Pair, stride: Pair, padding: Sides) -> Array:
    """Return ``ufunc`` over the windows of ``x``, whose padding is ``initial``."""
    height, width = map(window_count, x.shape[2:], padding, kernel, stride)
    y = empty_like(x, (*x.shape[:2], height, width))
    wide = None
    for part in _parts(x):
        source = x[part]
        # Recycled between the parts, which are all alike but for the last.
        wide = empty_like(source, (*source.shape[:2], height, source.shape[3]))
        _reduce(ufunc, initial, source, wide, 2, kernel[0], stride[0], padding[0][0])
        _reduce(ufunc, initial, wide, y[part], 3, kernel[1], stride[1], padding[1][0])
    return y


def _taps(size: int, count: int, axis: int, kernel: int, stride: int, before: int) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Yield, per tap along ``axis``, which windows meet a cell and which cells."""
    lead = (slice(None),) * axis
    for i in range(kernel):
        windows, cells = meeting(i - before, stride, size, 0, count)
        yield (*lead, windows), (*lead, cells)


def _reduce(
    ufunc: Any,
    initial: float,
    x: Array,
    y: Array,
    axis: int,
    kernel: int,
    stride: int,
    before: int,
) -> None:
    """Fill ``y`` with ``ufunc`` over the windows of ``x`` along ``axis``."""
    count = y.shape[axis]
    taps = list(_taps(x.shape[axis], count, axis, kernel, stride, before))
    full = [cells for windows, cells in taps[:2] if windows[axis] == slice(0, count)]
    if len(full) == 2:
        ufunc(x[full[0]], x[full[1]], out=y)
        taps = taps[2:]
    else:
        y[...] = initial
    for windows, cells in taps:
        ufunc(y[windows], x[cells], out=y[windows])


def _route(dy: Array, x: Array, y: Array, dx: Array, kernel: Pair, stride: Pair, origin: Pair) -> None:
    """Fill ``dx`` with ``dy``, each at the first cell of its window that equals ``y``."""
    xp = array_module(x)
    overlapping = stride[0] < kernel[0] or stride[1] < kernel[1]
    put = _add_chosen if overlapping else set_chosen
    if (kernel, origin) != (stride, (0, 0)) or x[0, 0].size != y[0, 0].size * math.prod(kernel):
        # Not every cell belongs to exactly one window.
        dx[...] = 0
    nan = xp.isnan(y)
    nan = nan if nan.any() else None
    free = xp.ones_like(y, bool)
    rows = _taps(x.shape[2], y.shape[2], 2, kernel[0], stride[0], origin[0])
    columns = list(_taps(x.shape[3], y.shape[3], 3, kernel[1], stride[1], origin[1]))
    for (windows, cells), (across, along) in product(rows, columns):
        at, tap = windows + across[3:], cells + along[3:]
        hit = x[tap] == y[at]
        if nan is not None:
            hit |= nan[at] & xp.isnan(x[tap])
        hit &= free[at]
        free[at] ^= hit
        put(dx[tap], dy[at], hit)


def _add_chosen(x: Array, y: Array, chosen: Array) -> None:
    """Add ``y`` to ``x`` where ``chosen``."""
    scratch = empty_like(y)
    set_chosen(scratch, y, chosen)
    x += scratch


def _spread(y: Array, x: Array, axis: int, kernel: int, stride: int, before: int) -> None:
    """Fill ``x`` with sums of ``y``, each added to all cells of its window along ``axis``."""
    x[...] = 0
    for windows, cells in _taps(x.shape[axis], y.shape[axis], axis, kernel, stride, before):
        x[cells] += y[windows]


def _cell_counts(y: Array, size: Pair, kernel: Pair, stride: Pair, padding: Sides, counted: Sides) -> Array:
    """Return the divisors (OH, OW) of the windows of ``y``, or the only one."""
    return _outer(array_module(y), *window_counts(size, kernel, stride, padding, counted), y.dtype)


def _span_counts(y: Array, rows: Spans, cols: Spans) -> Array:
    lengths = (tuple(stop - start for start, stop in spans) for spans in (rows, cols))
    return _outer(array_module(y), *lengths, y.dtype)


def _outer(xp: Module, rows: tuple[int, ...], columns: tuple[int, ...], dtype: Any) -> Array:
    """Return all products, or one scalar if they are equal."""
    if len(set(rows)) == len(set(columns)) == 1:
        return dtype.type(rows[0] * columns[0])
    return xp.asarray(rows, dtype)[:, None] * xp.asarray(columns, dtype)

"""Two-dimensional cross-correlation, its transpose and their gradients.

Every function copies windows into the columns of a matrix (or adds columns
back to where they came from) around one large matrix product per tile.

The work is done on slabs, arrays (channels, rows, columns, batch).  Windows are
copied in contiguous runs, which are as long as a row of the output if a slab is
one image, and as long as that row times the batch if it is all of them.  Small
planes in a large batch therefore keep the batch innermost in memory: results
then are NCHW arrays whose strides are those of a CHWN array.  Elementwise
operations that keep the order of the axes pass this on to the next layer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from unicnn.ops.fields import Pair, Sides

from .buffers import Array, array_module, empty

# The column matrix of one tile.  Small enough to stay in the last level cache,
# large enough that waking the threads of the BLAS is paid for.
_TILE_BYTES = 1 << 22
# The column matrix of one output pixel of a whole batch: beyond it, no slab
# holds more than one image.
_PIXEL_BYTES = 1 << 25


# From this many multiplications on, OpenBLAS wakes its threads for a product.
# One of a few times that size is done sooner in pieces by the thread that asks,
# and does not leave the other threads spinning while the next layer runs.
_ONE_THREAD = 1 << 18
_FEW_PIECES = 8

# The part of a plane's channels that is worked on elementwise at a time.
_CHUNK_BYTES = 1 << 18


class _Geometry(NamedTuple):
    """How windows lie on a plane; rows first."""

    kernel: Pair
    stride: Pair
    dilation: Pair
    groups: int


class _Tile(NamedTuple):
    """A rectangle of output pixels: whole rows, or a part of one row."""

    rows: slice
    columns: slice


_WHOLE = _Tile(slice(0, None), slice(0, None))


def window_count(size: int, sides: Pair, kernel: int, stride: int, dilation: int = 1) -> int:
    """Return how many windows fit an axis of ``size`` cells padded by ``sides``."""
    return (size + sides[0] + sides[1] - dilation * (kernel - 1) - 1) // stride + 1


def meeting(offset: int, stride: int, size: int, start: int, stop: int) -> tuple[slice, slice]:
    """Return which of the windows ``start..stop`` one tap meets cells of, and which cells.

    The tap of window ``o`` is the cell ``o * stride + offset``; windows whose tap
    is not one of the ``size`` cells of the axis are left out.
    """
    first = max(start, -(offset // stride))
    last = min(stop, (size - 1 - offset) // stride + 1)
    if last <= first:
        return slice(0, 0), slice(0, 0)
    begin = first * stride + offset
    end = (last - 1) * stride + offset + 1
    return slice(first, last), slice(begin, end, stride)


def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None,
    *,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
    groups: int,
) -> Array:
    """Return the cross-correlation of ``x`` with ``weight``, plus ``bias``.

    ``x`` (N, I, H, W), ``weight`` (O, I / groups, kh, kw) and ``bias`` (O,) share
    a float dtype with the result (N, O, OH, OW).
    """
    geometry = _Geometry(weight.shape[2:], stride, dilation, groups)
    size = tuple(map(window_count, x.shape[2:], padding, geometry.kernel, stride, dilation))
    whole = _batch_innermost(x.shape[0], size[1], weight)
    y = _empty_planes((x.shape[0], weight.shape[0], *size), x, whole)
    correlate = _correlate_channels if _is_depthwise(weight, geometry) else _correlate
    for source, target in zip(_slabs(x, whole), _slabs(y, whole), strict=True):
        correlate(_padded(source, padding), weight, bias, target, geometry)
    return y


def conv_transpose2d(
    x: Array,
    weight: Array,
    bias: Array | None,
    *,
    stride: Pair,
    crop: Sides,
    dilation: Pair,
    groups: int,
) -> Array:
    """Return the transposed convolution of ``x`` with ``weight``, plus ``bias``.

    ``x`` (N, I, H, W), ``weight`` (I, O / groups, kh, kw) and ``bias`` (O,) share
    a float dtype with the result (N, O, OH, OW), which ``crop`` cuts per side; a
    negative ``crop`` after the end adds cells that hold the bias.
    """
    geometry = _Geometry(weight.shape[2:], stride, dilation, groups)
    size = tuple((x.shape[a + 2] - 1) * stride[a] + dilation[a] * (geometry.kernel[a] - 1) + 1 - sum(crop[a]) for a in (0, 1))
    return _scattered(x, weight, bias, size, crop, geometry)


def conv2d_input_gradient(
    dy: Array,
    weight: Array,
    *,
    input_size: Pair,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
    groups: int,
) -> Array:
    """Return the gradient of ``conv2d`` with respect to its input.

    ``dy`` (N, O, OH, OW) and ``weight`` (O, I / groups, kh, kw) share a float
    dtype with the result (N, I, *input_size).
    """
    geometry = _Geometry(weight.shape[2:], stride, dilation, groups)
    return _scattered(dy, weight, None, input_size, padding, geometry)


def conv2d_weight_gradient(
    dy: Array,
    x: Array,
    *,
    kernel_size: Pair,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
    groups: int,
) -> Array:
    """Return the gradient of ``conv2d`` with respect to its weight.

    ``dy`` (N, O, OH, OW) and ``x`` (N, I, H, W) share a float dtype with the
    result (O, I / groups, *kernel_size).
    """
    geometry = _Geometry(kernel_size, stride, dilation, groups)
    shape = (dy.shape[1], x.shape[1] // groups, *kernel_size)
    dw = array_module(x).zeros(shape, x.dtype)
    whole = _batch_innermost(x.shape[0], dy.shape[3], dw)
    for source, gradient in zip(_slabs(x, whole), _slabs(dy, whole), strict=True):
        _accumulate_weight(_padded(source, padding), _rows_contiguous(gradient), dw, geometry)
    return dw


def _is_depthwise(weight: Array, geometry: _Geometry) -> bool:
    return weight.shape[1] == 1 and geometry.groups > 1


def _batch_innermost(batch: int, width: int, weight: Array) -> bool:
    """Return whether all images shall be one slab, given the output's ``width``."""
    pixel = weight[0].size * batch * weight.dtype.itemsize
    return width <= batch and pixel <= _PIXEL_BYTES


def _empty_planes(shape: tuple[int, ...], like: Array, whole: bool) -> Array:
    """Return an uninitialised (N, C, H, W) array, batch innermost if ``whole``."""
    xp = array_module(like)
    if not whole:
        return empty(shape, like.dtype, xp)
    return empty((*shape[1:], shape[0]), like.dtype, xp).transpose(3, 0, 1, 2)


def _slabs(x: Array, whole: bool) -> Iterator[Array]:
    """Yield views (C, H, W, B) of ``x`` (N, C, H, W): all images, or one by one."""
    if whole:
        yield x.transpose(1, 2, 3, 0)
    else:
        for image in x:
            yield image[..., None]


def _rows_contiguous(slab: Array) -> Array:
    """Return ``slab`` (C, H, W, B), copied unless its planes are contiguous."""
    if slab[0].flags.c_contiguous:
        return slab
    return _padded_copy(slab, ((0, 0), (0, 0)))


def _padded(slab: Array, padding: Sides) -> Array:
    """Return ``slab`` (C, H, W, B) within zeros, in contiguous planes."""
    if padding == ((0, 0), (0, 0)):
        return _rows_contiguous(slab)
    return _padded_copy(slab, padding)


def _padded_copy(slab: Array, padding: Sides) -> Array:
    c, h, w, b = slab.shape
    (top, bottom), (left, right) = padding
    y = empty((c, top + h + bottom, left + w + right, b), slab.dtype, array_module(slab))
    y[:, :top] = 0
    y[:, top + h :] = 0
    y[:, top : top + h, :left] = 0
    y[:, top : top + h, left + w :] = 0
    y[:, top : top + h, left : left + w] = slab
    return y


def _tiles(height: int, width: int, pixel_bytes: int) -> Iterator[_Tile]:
    """Yield rectangles of at most about ``_TILE_BYTES`` that cover a plane."""
    pixels = max(1, _TILE_BYTES // pixel_bytes)
    rows, columns = max(1, pixels // width), min(pixels, width)
    for top, left in product(range(0, height, rows), range(0, width, columns)):
        yield _Tile(slice(top, min(top + rows, height)), slice(left, min(left + columns, width)))


def _matrix(slab: Array, tile: _Tile, groups: int) -> Array:
    """Return the pixels of ``tile`` of ``slab`` (C, H, W, B), (groups, C / groups, pixels * B).

    It is a view if the planes of ``slab`` are contiguous.
    """
    part = slab[:, tile.rows, tile.columns]
    return part.reshape(groups, slab.shape[0] // groups, -1)


def _windows(slab: Array, size: Pair, geometry: _Geometry) -> Array:
    """Return the view (C, kh, kw, OH, OW, B) of all windows of ``slab`` (C, H, W, B)."""
    c, h, w, b = slab.strides
    (sh, sw), (dh, dw) = geometry.stride, geometry.dilation
    shape = (slab.shape[0], *geometry.kernel, *size, slab.shape[3])
    return _strided(slab, shape, (c, h * dh, w * dw, h * sh, w * sw, b))


def _strided(x: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    return array_module(x).lib.stride_tricks.as_strided(x, shape, strides)


def _columns(slab: Array, size: Pair, geometry: _Geometry) -> Iterator[tuple[_Tile, Array]]:
    """Yield tiles of the output plane and their windows (groups, K, pixels * B).

    The memory of one tile's columns may be that of the tile before.
    """
    views = _windows(slab, size, geometry)
    c, kh, kw, _, _, b = views.shape
    shape = (geometry.groups, c * kh * kw // geometry.groups, -1)
    if (kh, kw) == geometry.stride == (1, 1):
        yield _WHOLE, slab.reshape(shape)
        return
    scratch = None
    for tile in _tiles(*size, c * kh * kw * b * slab.dtype.itemsize):
        part = views[:, :, :, tile.rows, tile.columns]
        if scratch is None:
            scratch = empty((part.size,), slab.dtype, array_module(slab))
        columns = scratch[: part.size]
        columns.reshape(part.shape)[...] = part
        yield tile, columns.reshape(shape)


def _correlate(slab: Array, weight: Array, bias: Array | None, y: Array, geometry: _Geometry) -> None:
    """Fill ``y`` (O, OH, OW, B) with the cross-correlation of a padded slab."""
    groups = geometry.groups
    w = weight.reshape(groups, weight.shape[0] // groups, -1)
    for tile, columns in _columns(slab, y.shape[1:3], geometry):
        target = _matrix(y, tile, groups)
        _multiply(w, columns, target)
        if bias is not None:
            target += bias.reshape(groups, -1, 1)


def _multiply(a: Array, b: Array, y: Array) -> None:
    """Fill ``y`` (G, M, N) with the products of ``a`` (G, M, K) and ``b`` (G, K, N)."""
    xp = array_module(a)
    width = b.shape[2]
    pieces = -(-a[0].size * width // _ONE_THREAD)
    step = -(-width // pieces) if xp is np and pieces <= _FEW_PIECES else width
    for start in range(0, width, step):
        part = slice(start, start + step)
        xp.matmul(a, b[:, :, part], out=y[:, :, part])


def _correlate_channels(slab: Array, weight: Array, bias: Array | None, y: Array, geometry: _Geometry) -> None:
    """Fill ``y`` (O, OH, OW, B) where every channel is a group of its own."""
    xp = array_module(slab)
    taps = windows = _windows(slab, y.shape[1:3], geometry)
    if geometry.stride == (1, 1):
        taps = _runs(windows, slab)
    weights = _per_channel(weight, slab.shape[0], taps.ndim - 3)
    target = y.reshape(slab.shape[0], -1, *y.shape[1:])
    for c in _chunks(slab.shape[0], math.prod(taps.shape[3:]) * weights.shape[1] * y.itemsize):
        scratch, total = (empty((*weights[c].shape[:2], *taps.shape[3:]), y.dtype, xp) for _ in range(2))
        total[...] = 0
        for i, j in product(*map(range, geometry.kernel)):
            total += xp.multiply(taps[c, None, i, j], weights[c, :, i, j], out=scratch)
        target[c] = total if taps is windows else _unrun(total, slab, y.shape[1:])
    if bias is not None:
        y += bias.reshape(-1, 1, 1, 1)


def _per_channel(weight: Array, channels: int, axes: int) -> Array:
    """Return ``weight`` (O, 1, kh, kw) as (channels, O / channels, kh, kw) and ``axes`` more axes of length 1."""
    return weight.reshape(channels, -1, *weight.shape[2:], *(1,) * axes)


def _runs(windows: Array, slab: Array) -> Array:
    """Return ``windows`` (C, kh, kw, OH, OW, B), of stride 1, as (C, kh, kw, cells).

    The run of a tap goes from its first cell in the planes of ``slab`` to its last
    and has the cells between rows that no window meets: one long loop over some
    needless cells is faster than a short one per row.
    """
    c, kh, kw, oh, ow, b = windows.shape
    cells = ((oh - 1) * slab.shape[2] + ow) * b
    return _strided(windows, (c, kh, kw, cells), (*windows.strides[:3], slab.itemsize))


def _unrun(runs: Array, slab: Array, shape: tuple[int, ...]) -> Array:
    """Return what ``runs`` (C, M, cells) have at the cells that count, (C, M, *shape), where ``shape`` is (OH, OW, B)."""
    return _strided(runs, (*runs.shape[:2], *shape), (*runs.strides[:2], *slab.strides[1:]))


def _chunks(count: int, nbytes: int) -> Iterator[slice]:
    """Yield slices of ``count`` items of ``nbytes`` each that stay in the cache of a core."""
    step = max(1, _CHUNK_BYTES // nbytes)
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def _accumulate_weight(slab: Array, dy: Array, dw: Array, geometry: _Geometry) -> None:
    """Add to ``dw`` (O, I / groups, kh, kw) what a padded slab contributes."""
    xp = array_module(slab)
    total = dw.reshape(geometry.groups, dw.shape[0] // geometry.groups, -1)
    for tile, columns in _columns(slab, dy.shape[1:3], geometry):
        total += xp.matmul(_matrix(dy, tile, geometry.groups), columns.swapaxes(1, 2))


def _scattered(dy: Array, weight: Array, bias: Array | None, size: Pair, cut: Sides, geometry: _Geometry) -> Array:
    """Return (N, I, *size) of windows weighted by ``dy`` (N, O, OH, OW), summed where they overlap."""
    whole = _batch_innermost(dy.shape[0], dy.shape[3], weight)
    channels = geometry.groups * weight.shape[1]
    y = _empty_planes((dy.shape[0], channels, *size), dy, whole)
    y[...] = 0 if bias is None else bias.reshape(-1, 1, 1)
    origin = (cut[0][0], cut[1][0])
    scatter = _scatter_channels if _is_depthwise(weight, geometry) else _scatter
    for source, target in zip(_slabs(dy, whole), _slabs(y, whole), strict=True):
        scatter(_rows_contiguous(source), weight, target, origin, geometry)
    return y


def _scatter(dy: Array, weight: Array, y: Array, origin: Pair, geometry: _Geometry) -> None:
    """Add to ``y`` (I, H, W, B) the windows that ``dy`` (O, OH, OW, B) weighs."""
    groups = geometry.groups
    w = weight.reshape(groups, weight.shape[0] // groups, -1).swapaxes(1, 2)
    height = w.shape[0] * w.shape[1]
    scratch = None
    for tile in _tiles(*dy.shape[1:3], height * y.shape[3] * dy.itemsize):
        source = _matrix(dy, tile, groups)
        if scratch is None:  # no later tile is larger
            scratch = empty((height * source.shape[2],), dy.dtype, array_module(dy))
        columns = scratch[: height * source.shape[2]].reshape(groups, w.shape[1], -1)
        _multiply(w, source, columns)
        windows = columns.reshape(y.shape[0], *geometry.kernel, *dy[0, tile.rows, tile.columns].shape)
        for i, j in product(*map(range, geometry.kernel)):
            _add_tap(windows[:, i, j], (i, j), tile, y, origin, geometry)


def _scatter_channels(dy: Array, weight: Array, y: Array, origin: Pair, geometry: _Geometry) -> None:
    """Add to ``y`` (I, H, W, B) the windows that ``dy`` (O, OH, OW, B) weighs, every channel a group of its own."""
    xp = array_module(dy)
    weights = _per_channel(weight, y.shape[0], 3)
    source = dy.reshape(y.shape[0], -1, *dy.shape[1:])
    for c in _chunks(y.shape[0], y[0].nbytes):
        scratch = empty(source[c, 0].shape, dy.dtype, xp)
        for m, i, j in product(*map(range, weights.shape[1:4])):
            xp.multiply(source[c, m], weights[c, m, i, j], out=scratch)
            _add_tap(scratch, (i, j), _WHOLE, y[c], origin, geometry)


def _add_tap(part: Array, cell: Pair, tile: _Tile, y: Array, origin: Pair, geometry: _Geometry) -> None:
    """Add to ``y`` (I, H, W, B) the ``part`` (I, rows, columns, B) that belongs to one ``cell`` of a tile's windows."""
    first = (tile.rows.start, tile.columns.start)
    (rows, into_rows), (columns, into_columns) = (
        meeting(first[a] * s + cell[a] * geometry.dilation[a] - origin[a], s, y.shape[a + 1], 0, part.shape[a + 1])
        for a, s in enumerate(geometry.stride)
    )
    y[:, into_rows, into_columns] += part[:, rows, columns]

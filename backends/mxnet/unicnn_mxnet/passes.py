"""The primitives of identical numerics on a CPU: passes of NumPy's over the memory of MXNet's arrays, piece by piece.

What lies between two steps of a pass stays in the cache. NumPy's + - * /, square root, comparisons and roundings are IEEE's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from unicnn_mxnet.compat import mx
from unicnn_mxnet.exactly import Exact, computed, later, lent, of, piece
from unicnn_mxnet.looks import tiny_among
from unicnn_mxnet.memory import Array, empty
from unicnn_mxnet.pieces import Key, each, matching

Tensor: TypeAlias = "mx.nd.NDArray"

_SMALLEST_NORMAL = 2.0**-126
_LARGE = 1 << 17
"""From so many values on it pays not to write them down."""


def widen(x: Tensor) -> Exact:
    y = empty(x.shape, np.float64)
    y[...] = lent(x)
    return of(y)


def narrow(x: Tensor, *, gain: Tensor | None = None, offset: Tensor | None = None, least: Tensor | None = None) -> Exact:
    source, factor, shift = (None if value is None else lent(value) for value in (x, gain, offset))
    flush = least is None or bool(lent(least).min() < _SMALLEST_NORMAL)
    y = empty(source.shape, np.float32)

    def work(key: Key) -> None:
        wide, narrowed = source[key], y[key]
        if factor is not None:
            wide = np.multiply(wide, matching(factor, key, source.ndim), out=empty(wide.shape, np.float64))
        if shift is not None:
            wide = np.add(wide, matching(shift, key, source.ndim), out=empty(wide.shape, np.float64))
        narrowed[...] = wide
        if flush and narrowed.size and tiny_among(narrowed):
            # The product with a truth value is the value or a zero, and adding +0 takes the sign of that zero.
            np.add(wide * (np.abs(wide) >= _SMALLEST_NORMAL), 0.0, out=narrowed, casting="same_kind")

    each(source.shape, work)
    return of(y)


def snap(x: Tensor, c: Tensor) -> Exact:
    source, magic = lent(x), lent(c)

    def recipe(key: Key, out: Array | None) -> Array:
        part = source[key]
        return _snap(part, matching(magic, key, source.ndim), empty(part.shape, np.float64) if out is None else out)

    return later(source.shape, recipe) if source.size > _LARGE else of(recipe((), None))


def _snap(x: Array, c: Array, y: Array) -> Array:
    np.add(x, c, out=y)
    return np.subtract(y, c, out=y)


def square_sum(x: Tensor, c: Tensor, axes: Sequence[int]) -> Exact:
    source, magic = lent(x), lent(c)

    def sums(key: Key) -> Array:
        part = source[key]
        return _squared(_snap(part, matching(magic, key, source.ndim), empty(part.shape, np.float64)), axes)

    return of(_gathered(source.shape, axes, sums))


def _gathered(shape: tuple[int, ...], axes: Sequence[int], sums: Callable[[Key], Array]) -> Array:
    """Return the sums over axes, which stay with size 1, of an array of a shape, from what `sums` makes of each of its pieces."""
    shorter = tuple(1 if axis in axes else n for axis, n in enumerate(shape))
    found: list[tuple[Key, Array]] = []

    def work(key: Key) -> None:
        place = tuple(slice(None) if n == 1 else along for n, along in zip(shorter, key, strict=False))
        found.append((place, sums(key)))

    each(shape, work)
    if len(found) == 1:
        return found[0][1]
    y = empty(shorter, np.float64)
    y[...] = 0.0
    for place, part in found:
        y[place] += part
    return y


def _summed(x: Array, axes: Sequence[int]) -> Array:
    """Return the sums over axes, which stay with size 1; those at the end as one, which is faster than several short ones."""
    shape, kept = x.shape, x.ndim
    while kept - 1 in axes:
        kept -= 1
    if kept < len(shape):
        x = np.add.reduce(x.reshape(*shape[:kept], -1), axis=kept)
    for axis in axes:
        if axis < kept:
            x = np.add.reduce(x, axis=axis, keepdims=True)
    return x.reshape(*x.shape[:kept], *(1,) * (len(shape) - kept))


def _squared(x: Array, axes: Sequence[int]) -> Array:
    """Return the sums of squares over axes likewise; the memory of `x` may be written to."""
    if x.ndim - 1 not in axes:
        np.multiply(x, x, out=x)
        return _summed(x, axes)
    rows = x.reshape(*x.shape[: x.ndim - 1 - (x.ndim - 2 in axes)], -1)
    found = np.einsum("...j,...j->...", rows, rows)
    return _summed(found.reshape(*found.shape, *(1,) * (x.ndim - found.ndim)), axes)


def where(condition: Tensor, x: Tensor | float, y: Tensor | float) -> Exact:
    like = x if isinstance(x, mx.nd.NDArray) else y
    chosen, *operands = (lent(value) if isinstance(value, mx.nd.NDArray) else value for value in (condition, x, y))
    chosen = chosen if chosen.dtype == np.bool_ else chosen != 0
    first, second = operands
    if isinstance(first, np.ndarray) and first.shape == chosen.shape and not isinstance(second, np.ndarray) and second == 0.0:
        return of(_kept(first, chosen))
    dtype = np.dtype(like.dtype)
    return of(np.where(chosen, *(np.asarray(value, dtype) for value in operands)))


def _kept(x: Array, chosen: Array) -> Array:
    """Return `x` where it is chosen and 0 elsewhere: its bits times 1 or 0, which takes no branch for each value."""
    y = empty(x.shape, x.dtype)
    bits = np.dtype(f"i{x.dtype.itemsize}")

    def work(key: Key) -> None:
        part = y[key].view(bits)
        part[...] = chosen[key]
        part *= x[key].view(bits)

    each(x.shape, work)
    return y


def minimum(x: Tensor, y: Tensor | float) -> Exact:
    return computed(np.minimum, lent(x), lent(y) if isinstance(y, mx.nd.NDArray) else y)


def maximum(x: Tensor, y: Tensor | float) -> Exact:
    return computed(np.maximum, lent(x), lent(y) if isinstance(y, mx.nd.NDArray) else y)


def absolute(x: Tensor) -> Exact:
    return computed(np.abs, lent(x))


def rint(x: Tensor) -> Exact:
    return computed(np.rint, lent(x))


def sqrt(x: Tensor) -> Exact:
    return computed(np.sqrt, lent(x))


def power(k: Tensor) -> Exact:
    source = lent(k)
    bits = empty(source.shape, np.int64)
    bits[...] = source
    bits += 1023
    bits <<= 52
    return of(bits.view(np.float64))


def exponent(x: Tensor) -> Exact:
    source = lent(x)
    bits = empty(source.shape, np.int64)
    np.right_shift(np.ascontiguousarray(source, np.float64).view(np.int64), 52, out=bits)
    bits &= 2047
    y = empty(source.shape, np.float64)
    np.subtract(bits, 1022, out=y)
    y *= bits != 0
    return of(y)


def sum(x: Tensor, axes: Sequence[int], keepdims: bool = False) -> Exact:
    found = _gathered(x.shape, axes, lambda key: _summed(piece(x, key), axes))
    kept = tuple(n for axis, n in enumerate(found.shape) if keepdims or axis not in axes)
    return of(found.reshape(kept or (1,)))


def amax(x: Tensor, axes: Sequence[int]) -> Exact:
    found = lent(x)
    for axis in sorted(axes, reverse=True):
        found = np.maximum.reduce(found, axis=axis, keepdims=True)
    return of(found)


def largest(x: Tensor, axes: Sequence[int]) -> Exact:
    if x.ndim == 4 and 2 in axes and 3 in axes:
        peaks = _peaks(x)
        rest = tuple(axis for axis in axes if axis < 2)
        return of(np.maximum.reduce(peaks, axis=rest, keepdims=True) if rest else peaks)
    source = lent(x)
    return of(np.maximum(source.max(tuple(axes), keepdims=True), -source.min(tuple(axes), keepdims=True)))


def _peaks(x: Tensor) -> Array:
    """Return the largest magnitude of each channel of each sample; a layer's norms, sums and alarms all ask for what is made of it."""
    kept = isinstance(x, Exact) and x.extent is not None and x.origin is None  # without a handle, nobody else can have written to it
    if kept and x.peaks is not None:
        return x.peaks
    source = lent(x)
    samples, channels, *size = source.shape
    flat = source.reshape(samples, channels, -1)
    peaks = np.empty((samples, channels), source.dtype)

    def work(key: Key) -> None:
        part = flat[key]
        np.maximum(part.max(2), -part.min(2), out=peaks[key])

    each(flat.shape[:2], work, math.prod(size))
    peaks = peaks.reshape(samples, channels, 1, 1)
    if kept:
        x.peaks = peaks
    return peaks


def reshape(x: Tensor, shape: tuple[int, ...]) -> Exact:
    return of(lent(x).reshape(shape))


def transpose(x: Tensor, axes: tuple[int, ...]) -> Exact:
    return of(lent(x).transpose(axes))


def part(x: Tensor, key: Key) -> Exact:
    return of(lent(x)[key])


def per_channel(x: Tensor) -> Exact:
    return of(lent(x).reshape(1, -1, 1, 1))


def first_maxima(dy: Array, x: Array, y: Array, kernel_size: tuple[int, int]) -> Exact:
    """Return the gradient of max pooling whose windows do not overlap: each window's goes to its first maximum."""
    covered = all(n % k == 0 for n, k in zip(x.shape[2:], kernel_size, strict=True))
    dx = empty(x.shape, x.dtype)
    bits = np.dtype(f"i{x.dtype.itemsize}")
    if not covered:
        dx[...] = 0.0

    def work(key: Key) -> None:
        inputs, outputs, left, found = x[key], y[key], dy[key].view(bits).copy(), dx[key].view(bits)
        taken = empty(outputs.shape, bits)
        for i, j in np.ndindex(*kernel_size):
            rows, columns = (slice(p, p + (n - 1) * k + 1, k) for p, n, k in zip((i, j), outputs.shape[-2:], kernel_size, strict=True))
            # A value's bits times 1 or 0 take no branch for each value.
            taken[...] = inputs[..., rows, columns] == outputs
            taken *= left
            left -= taken
            found[..., rows, columns] = taken

    each(x.shape, work)
    return of(dx)

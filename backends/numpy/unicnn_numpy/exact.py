"""The primitives of identical numerics with NumPy; unicnn.numerics.identical.primitives says what each of them is.

Passes over large arrays go piece by piece along the axis that is outermost in memory, so that what lies between two of them
stays in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .buffers import Array, array_module, empty_like

_SMALLEST_NORMAL = 2.0**-126
_PIECE_BYTES = 1 << 18
_WHOLE = (Ellipsis,)


def widen(x: Array) -> Array:
    y = empty_like(x, dtype="float64")
    y[...] = x
    return y


def narrow(x: Array, *, gain: Array | None = None, offset: Array | None = None, least: Array | None = None) -> Array:
    xp = array_module(x)
    x = xp.asarray(x)
    y = empty_like(x, dtype="float32")
    flush = least is None or least.min() < _SMALLEST_NORMAL
    for piece in _pieces(x):
        part = x[piece]
        if gain is not None:
            part = xp.multiply(part, _matching(gain, piece, x.ndim), out=empty_like(part, dtype="float64"))
        if offset is not None:
            part = xp.add(part, _matching(offset, piece, x.ndim), out=empty_like(part))
        y[piece] = _flushed(part) if flush else part
    return y


def _flushed(x: Array) -> Array:
    xp = array_module(x)
    y = xp.abs(x, out=empty_like(x))
    # The product with a truth value is the value or a zero, and adding +0 takes the sign of that zero.
    xp.multiply(x, y >= _SMALLEST_NORMAL, out=y)
    y += 0.0
    return y


def snap(x: Array, c: Array) -> Array:
    y = empty_like(x, dtype="float64")
    xp = array_module(x)
    for piece in _pieces(y):
        part, shift = y[piece], _matching(c, piece, x.ndim)
        xp.add(x[piece], shift, out=part)
        part -= shift
    return y


def square_sum(x: Array, c: Array, axes: Sequence[int]) -> Array:
    xp = array_module(x)
    y = xp.zeros(tuple(1 if axis in axes else n for axis, n in enumerate(x.shape)), "float64")
    for piece in _pieces(x):
        part = snap(x[piece], _matching(c, piece, x.ndim))
        part *= part
        along = len(piece) - 1
        place = piece if piece is _WHOLE or along not in axes else ()
        y[place] += part.sum(axis=tuple(axes), keepdims=True)
    return y


def where(condition: Array, x: Array | float, y: Array | float) -> Array:
    dtype = x.dtype if hasattr(x, "dtype") else y.dtype  # type: ignore[union-attr]
    xp = array_module(condition)
    return xp.where(condition, xp.asarray(x, dtype), xp.asarray(y, dtype))


def minimum(x: Array, y: Array | float) -> Array:
    return array_module(x).minimum(x, y)


def maximum(x: Array, y: Array | float) -> Array:
    return array_module(x).maximum(x, y)


def absolute(x: Array) -> Array:
    return array_module(x).abs(x)


def rint(x: Array) -> Array:
    return array_module(x).rint(x)


def sqrt(x: Array) -> Array:
    return array_module(x).sqrt(x)


def power(k: Array) -> Array:
    xp = array_module(k)
    return xp.ldexp(xp.ones_like(k), k.astype(xp.int32))


def exponent(x: Array) -> Array:
    return array_module(x).frexp(x)[1].astype("float64")


def sum(x: Array, axes: Sequence[int], keepdims: bool = False) -> Array:
    return x.sum(axis=tuple(axes), keepdims=keepdims)


def amax(x: Array, axes: Sequence[int]) -> Array:
    return x.max(axis=tuple(axes), keepdims=True)


def largest(x: Array, axes: Sequence[int]) -> Array:
    return array_module(x).maximum(amax(x, axes), -x.min(axis=tuple(axes), keepdims=True))


def shape(x: Array) -> tuple[int, ...]:
    return x.shape


def reshape(x: Array, shape: tuple[int, ...]) -> Array:
    return x.reshape(shape)


def transpose(x: Array, axes: tuple[int, ...]) -> Array:
    return x.transpose(axes)


def part(x: Array, key: tuple[slice, ...]) -> Array:
    return x[key]


def per_channel(x: Array) -> Array:
    return x[:, None, None]


def one_hot(labels: Array, classes: int) -> Array:
    xp = array_module(labels)
    return (labels[:, None] == xp.arange(classes)).astype("float32")


def pack(x: Array, kind: str) -> Array:
    return x


def unpack(x: Array, kind: str) -> Array:
    return x


def _pieces(x: Array) -> Iterator[tuple[Any, ...]]:
    """Yield keys that cut `x` along the axis that is outermost in memory."""
    if x.nbytes <= _PIECE_BYTES:
        yield _WHOLE
        return
    axis = max((a for a in range(x.ndim) if x.shape[a] > 1), key=lambda a: abs(x.strides[a]))
    step = max(1, _PIECE_BYTES * x.shape[axis] // x.nbytes)
    for start in range(0, x.shape[axis], step):
        yield (slice(None),) * axis + (slice(start, start + step),)


def _matching(c: Array, piece: tuple[Any, ...], rank: int) -> Array:
    """Return the part of `c`, in which axes of size 1 or none before the others repeat, that belongs to a piece of `rank` axes."""
    axis = len(piece) - 1 - (rank - c.ndim)
    return c if piece is _WHOLE or axis < 0 or c.shape[axis] == 1 else c[piece[rank - c.ndim :]]

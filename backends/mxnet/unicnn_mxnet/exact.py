"""The primitives of identical numerics with MXNet; unicnn.numerics.identical.primitives says what each of them is.

They take arrays only: symbols do not know their shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from unicnn_mxnet.compat import mx

Tensor = mx.nd.NDArray

_SMALLEST_NORMAL = 2.0**-126
# How many values are worked on at a time: fresh memory for a large array costs more, in page faults, than the arithmetic on it.
_PIECE = 1 << 19
_ROUNDING = 1.5 * 2.0**52
_LOWEST = -1022


def widen(x: Tensor) -> Tensor:
    return x.astype("float64")


def narrow(x: Tensor, *, gain: Tensor | None = None, offset: Tensor | None = None, least: Tensor | None = None) -> Tensor:
    flush = least is None or least.min().asscalar() < _SMALLEST_NORMAL
    if x.size <= _PIECE:
        return _narrow(x, gain, offset, flush)
    y = mx.nd.empty(x.shape, x.context, "float32")
    samples = max(1, _PIECE * len(x) // x.size)
    for start in range(0, len(x), samples):
        y[start : start + samples] = _narrow(x[start : start + samples], gain, offset, flush)
    return y


def _narrow(x: Tensor, gain: Tensor | None, offset: Tensor | None, flush: bool) -> Tensor:
    if gain is not None:
        x = mx.nd.broadcast_mul(x.astype("float64"), gain)
    if offset is not None:
        x = mx.nd.broadcast_add(x, offset)
    if flush:
        x = mx.nd.where(mx.nd.abs(x) >= _SMALLEST_NORMAL, x, mx.nd.zeros_like(x))
    return x.astype("float32")


def snap(x: Tensor, c: Tensor) -> Tensor:
    return mx.nd.broadcast_sub(mx.nd.broadcast_add(x.astype("float64"), c), c)


def where(condition: Tensor, x: Tensor | float, y: Tensor | float) -> Tensor:
    like = x if isinstance(x, Tensor) else y
    filled = [value if isinstance(value, Tensor) else mx.nd.full(like.shape, value, like.context, like.dtype) for value in (x, y)]
    whole = np.broadcast_shapes(condition.shape, *(value.shape for value in filled))
    return mx.nd.where(*(value if value.shape == whole else mx.nd.broadcast_to(value, whole) for value in (condition, *filled)))


def minimum(x: Tensor, y: Tensor | float) -> Tensor:
    return mx.nd.minimum(x, y)


def maximum(x: Tensor, y: Tensor | float) -> Tensor:
    return mx.nd.maximum(x, y)


def absolute(x: Tensor) -> Tensor:
    return mx.nd.abs(x)


def rint(x: Tensor) -> Tensor:
    return (x + _ROUNDING) - _ROUNDING  # MXNet's own rint takes a half down, not to even


def sqrt(x: Tensor) -> Tensor:
    return mx.nd.sqrt(x)


def power(k: Tensor) -> Tensor:
    return mx.nd.take(_powers(k.context), k - _LOWEST)


@lru_cache(maxsize=4)
def _powers(context: mx.Context) -> Tensor:
    return mx.nd.array(np.ldexp(1.0, np.arange(_LOWEST, 1024)), context, "float64")


def exponent(x: Tensor) -> Tensor:
    # No operator reads the exponent, and a search by comparisons takes longer than the way to NumPy and back.
    return mx.nd.array(np.frexp(x.asnumpy())[1], x.context, x.dtype)


def sum(x: Tensor, axes: Sequence[int], keepdims: bool = False) -> Tensor:
    return mx.nd.sum(x, axis=tuple(axes), keepdims=keepdims)


def amax(x: Tensor, axes: Sequence[int]) -> Tensor:
    return mx.nd.max(x, axis=tuple(axes), keepdims=True)


def largest(x: Tensor, axes: Sequence[int]) -> Tensor:
    return mx.nd.maximum(amax(x, axes), -mx.nd.min(x, axis=tuple(axes), keepdims=True))


def shape(x: Tensor) -> tuple[int, ...]:
    return x.shape


def reshape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return x.reshape(shape)


def transpose(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return mx.nd.transpose(x, axes)


def part(x: Tensor, key: tuple[slice, ...]) -> Tensor:
    return x[key]


def per_channel(x: Tensor) -> Tensor:
    return x.reshape((1, -1, 1, 1))


def one_hot(labels: Tensor, classes: int) -> Tensor:
    return mx.nd.one_hot(labels, classes, dtype="float32")


def pack(x: Tensor, kind: str) -> Tensor:
    return x


def unpack(x: Tensor, kind: str) -> Tensor:
    return x

"""The primitives of identical numerics by MXNet's operators, on a device whose memory NumPy does not reach."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from unicnn_mxnet.affine import Rows, affine, parts
from unicnn_mxnet.compat import mx
from unicnn_mxnet.exactly import exactly, lent, operand
from unicnn_mxnet.looks import any_tiny, given, magnitude, reduced, squared

Tensor = mx.nd.NDArray

_SMALLEST_NORMAL = 2.0**-126
_ROUNDING = 1.5 * 2.0**52
_LOWEST = -1022


def widen(x: Tensor) -> Tensor:
    return exactly(x.astype("float64"))


def narrow(x: Tensor, *, gain: Tensor | None = None, offset: Tensor | None = None, least: Tensor | None = None) -> Tensor:
    rows = Rows(x, gain, offset)
    if not rows.worthwhile:
        return _flushed(_scaled(x, gain, offset)).astype("float32")
    y = mx.nd.empty(x.shape, x.context, "float32")
    _narrow(rows, y, flush=False)
    # A look at the rounded values is cheaper than what makes zeros of small ones, and there are hardly ever any.
    if (least is None or least.min().asscalar() < _SMALLEST_NORMAL) and any_tiny(y):
        _narrow(rows, y, flush=True)
    return y


def _scaled(x: Tensor, gain: Tensor | None, offset: Tensor | None) -> Tensor:
    if gain is not None:
        x = mx.nd.broadcast_mul(x.astype("float64"), gain)
    return x if offset is None else mx.nd.broadcast_add(x, offset)


def _flushed(x: Tensor) -> Tensor:
    small = mx.nd.broadcast_lesser(mx.nd.abs(x), operand(_SMALLEST_NORMAL, x))
    return mx.nd.where(small, mx.nd.zeros_like(x), x)


def _narrow(rows: Rows, y: Tensor, flush: bool) -> None:
    scratch: Tensor | None = None
    for source, target, (gain, offset) in rows.pieces(y):
        wide = source
        if gain is not None or offset is not None:
            scratch = mx.nd.empty(source.shape[1:], y.context, "float64") if scratch is None else scratch  # no later piece is larger
            wide = scratch[: source.shape[1]].reshape(source.shape)
            if source.dtype != np.float64:
                source = mx.nd.cast(source, dtype="float64", out=wide)
            affine(source, wide, gain=gain, shift=offset)
        mx.nd.cast(_flushed(wide) if flush else wide, dtype="float32", out=target)


def snap(x: Tensor, c: Tensor) -> Tensor:
    rows = Rows(x, c)
    if not rows.worthwhile:
        return exactly(mx.nd.broadcast_sub(mx.nd.broadcast_add(x.astype("float64"), c), c))
    y = mx.nd.empty(x.shape, x.context, "float64")
    for source, target, (step,) in rows.pieces(y):
        wide = source if source.dtype == np.float64 else mx.nd.cast(source, dtype="float64", out=target)
        down = -step
        affine(wide, target, less=down, shift=down)
    return exactly(y)


def square_sum(x: Tensor, c: Tensor, axes: Sequence[int]) -> Tensor:
    values = snap(x, c)
    return exactly(reduced(squared, values, axes)) if axes else values * values


def where(condition: Tensor, x: Tensor | float, y: Tensor | float) -> Tensor:
    like = x if isinstance(x, Tensor) else y
    whole = np.broadcast_shapes(condition.shape, *(value.shape for value in (x, y) if isinstance(value, Tensor)))
    result = mx.nd.empty(whole, like.context, like.dtype)
    operands = [_whole(value, whole) if isinstance(value, Tensor) else value for value in (condition, x, y)]
    held: Tensor | None = None
    for part in parts(result):
        target = result[part]
        if held is None:  # no later part is larger
            number = next((value for value in operands if not isinstance(value, Tensor)), 0.0)
            held = mx.nd.broadcast_to(operand(number, like).reshape((1,) * len(whole)), target.shape)
        mx.nd.where(*(value[part] if isinstance(value, Tensor) else held[: len(target)] for value in operands), out=target)
    return exactly(result)


def _whole(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return x if x.shape == shape else mx.nd.broadcast_to(x, shape)


def minimum(x: Tensor, y: Tensor | float) -> Tensor:
    return exactly(mx.nd.broadcast_minimum(x, operand(y, x)))


def maximum(x: Tensor, y: Tensor | float) -> Tensor:
    return exactly(mx.nd.broadcast_maximum(x, operand(y, x)))


def absolute(x: Tensor) -> Tensor:
    return exactly(mx.nd.abs(x))


def rint(x: Tensor) -> Tensor:
    return (exactly(x) + _ROUNDING) - _ROUNDING  # MXNet's own rint takes a half down, not to even


def sqrt(x: Tensor) -> Tensor:
    return exactly(mx.nd.sqrt(x))


def power(k: Tensor) -> Tensor:
    return exactly(mx.nd.take(_powers(k.context), exactly(k) - _LOWEST))


@lru_cache(maxsize=4)
def _powers(context: mx.Context) -> Tensor:
    return mx.nd.array(np.ldexp(1.0, np.arange(_LOWEST, 1024)), context, "float64")


def exponent(x: Tensor) -> Tensor:
    # No operator reads the exponent, and a search by comparisons takes longer than the way to NumPy and back.
    return exactly(given(np.frexp(lent(x))[1].astype(x.dtype), x.context))


def sum(x: Tensor, axes: Sequence[int], keepdims: bool = False) -> Tensor:
    return exactly(reduced(np.sum, x, axes, keepdims))


def amax(x: Tensor, axes: Sequence[int]) -> Tensor:
    return exactly(reduced(np.max, x, axes))


def largest(x: Tensor, axes: Sequence[int]) -> Tensor:
    return exactly(reduced(magnitude, x, axes))


def reshape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return exactly(x.reshape(shape))


def transpose(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return exactly(mx.nd.transpose(x, axes))


def part(x: Tensor, key: tuple[slice, ...]) -> Tensor:
    return exactly(x[key])


def per_channel(x: Tensor) -> Tensor:
    return exactly(x.reshape((1, -1, 1, 1)))

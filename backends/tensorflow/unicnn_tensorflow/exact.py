"""The primitives of identical numerics with TensorFlow; unicnn.numerics.identical.primitives says what each of them is."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from unicnn_tensorflow import layout
from unicnn_tensorflow.layout import Tensor, axis_inside, enter, leave

_SMALLEST_NORMAL = 2.0**-126
_LARGE = 1 << 16


def widen(x: Tensor) -> Tensor:
    return tf.cast(x, tf.float64)


def narrow(x: Tensor, *, gain: Tensor | None = None, offset: Tensor | None = None, least: Tensor | None = None) -> Tensor:
    if gain is not None:
        x = tf.cast(x, tf.float64) * gain
    if offset is not None:
        x = x + offset
    y = tf.cast(x, tf.float32)
    if least is None and x.shape.num_elements() < _LARGE:
        return _flushed(x)
    # A look at the rounded values is cheaper than what makes zeros of small ones, and there are hardly ever any.
    smallest = tf.reduce_min(tf.abs(y)) * 0.5 if least is None else tf.reduce_min(least)
    return tf.cond(smallest < _SMALLEST_NORMAL, lambda: _flushed(x), lambda: y)


def _flushed(x: Tensor) -> Tensor:
    return tf.cast(tf.where(tf.abs(x) < _SMALLEST_NORMAL, tf.zeros([], x.dtype), x), tf.float32)


def snap(x: Tensor, c: Tensor) -> Tensor:
    return (tf.cast(x, tf.float64) + c) - c


def square_sum(x: Tensor, c: Tensor, axes: Sequence[int]) -> Tensor:
    return tf.reduce_sum(tf.square(snap(x, c)), _inside(x, axes), keepdims=True)


def where(condition: Tensor, x: Tensor | float, y: Tensor | float) -> Tensor:
    return tf.where(condition, x, y)


def minimum(x: Tensor, y: Tensor | float) -> Tensor:
    return tf.minimum(x, y)


def maximum(x: Tensor, y: Tensor | float) -> Tensor:
    return tf.maximum(x, y)


def absolute(x: Tensor) -> Tensor:
    return tf.abs(x)


def rint(x: Tensor) -> Tensor:
    return tf.math.rint(x)


def sqrt(x: Tensor) -> Tensor:
    return tf.sqrt(x)


def power(k: Tensor) -> Tensor:
    return tf.bitcast(tf.bitwise.left_shift(tf.cast(k, tf.int64) + 1023, tf.constant(52, tf.int64)), tf.float64)


def exponent(x: Tensor) -> Tensor:
    bits = tf.bitwise.right_shift(tf.bitcast(tf.abs(x), tf.int64), tf.constant(52, tf.int64))
    return tf.cast(tf.where(bits == 0, bits, bits - 1022), tf.float64)


def sum(x: Tensor, axes: Sequence[int], keepdims: bool = False) -> Tensor:
    y = tf.reduce_sum(x, _inside(x, axes), keepdims)
    if keepdims:
        return y
    kept = [axis for axis in range(x.shape.rank) if axis not in axes]
    order = sorted(range(len(kept)), key=lambda place: axis_inside(kept[place], x))  # which of them stands where inside
    return y if order == sorted(order) else tf.transpose(y, [order.index(place) for place in range(len(kept))])


def amax(x: Tensor, axes: Sequence[int]) -> Tensor:
    return tf.reduce_max(x, _inside(x, axes), keepdims=True)


def largest(x: Tensor, axes: Sequence[int]) -> Tensor:
    inside = _inside(x, axes)
    return tf.maximum(tf.reduce_max(x, inside, keepdims=True), -tf.reduce_min(x, inside, keepdims=True))


def shape(x: Tensor) -> tuple[int, ...]:
    sizes = x.shape.as_list()
    return tuple(sizes[axis] for axis in layout.CHANNELS_FIRST) if len(sizes) == 4 else tuple(sizes)


def reshape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return enter(tf.reshape(leave(x), shape))


def transpose(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return enter(tf.transpose(leave(x), axes))


def part(x: Tensor, key: tuple[slice, ...]) -> Tensor:
    full = (*key, *[slice(None)] * (x.shape.rank - len(key)))
    return x[tuple(full[axis] for axis in layout.CHANNELS_LAST)] if x.shape.rank == 4 else x[full]


def per_channel(x: Tensor) -> Tensor:
    return x  # channels are the last axis inside


def one_hot(labels: Tensor, classes: int) -> Tensor:
    return tf.one_hot(labels, classes, dtype=tf.float32)


def pack(x: Tensor, kind: str) -> Tensor:
    return tf.transpose(x, _PACKED[kind]) if kind in _PACKED else x


def unpack(x: Tensor, kind: str) -> Tensor:
    return tf.transpose(x, _UNPACKED[kind]) if kind in _UNPACKED else x


# Between (O, kh, kw, I), as which a kernel's axes lie if it is an image, and (kh, kw, I, O), which the lowerings take.
_PACKED = {"conv": (1, 2, 3, 0), "conv_transpose": (1, 2, 3, 0), "linear": (1, 0)}
_UNPACKED = {"conv": (3, 0, 1, 2), "conv_transpose": (3, 0, 1, 2), "linear": (1, 0)}


def _inside(x: Tensor, axes: Sequence[int]) -> list[int]:
    return [axis_inside(axis, x) for axis in axes]

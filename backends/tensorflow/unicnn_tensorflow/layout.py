"""The order of axes inside: images lie as NHWC, the order for which TensorFlow's CPU kernels are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import tensorflow as tf

from unicnn.ops.fields import NO_PADDING, Sides

Tensor: TypeAlias = tf.Tensor
CHANNELS_LAST = (0, 2, 3, 1)
CHANNELS_FIRST = (0, 3, 1, 2)


def enter(x: Tensor) -> Tensor:
    """Return a canonical value in the order inside: images as NHWC, everything else as it is."""
    return _reorder(x, CHANNELS_LAST, channels=1) if x.shape.rank == 4 else x


def leave(x: Tensor) -> Tensor:
    """Return a value inside in canonical order: images as NCHW, everything else as it is."""
    return _reorder(x, CHANNELS_FIRST, channels=3) if x.shape.rank == 4 else x


def axis_inside(axis: int, x: Tensor) -> int:
    """Return where a canonical axis of `x` lies inside."""
    return CHANNELS_FIRST[axis] if x.shape.rank == 4 else axis


def engine_padding(padding: Sides) -> str | list[list[int]]:
    """Return padding as TensorFlow's kernels take it; "VALID" for none, since only that is fused with what follows."""
    (top, bottom), (left, right) = padding
    return "VALID" if padding == NO_PADDING else [[0, 0], [top, bottom], [left, right], [0, 0]]


def _reorder(x: Tensor, axes: tuple[int, ...], channels: int) -> Tensor:
    sizes = [x.shape[axis] for axis in axes[1:]]
    if x.shape[channels] == 1 or x.shape[channels] == x.shape[1:].num_elements():
        return tf.reshape(x, (-1, *sizes))  # one channel or one pixel: both orders are the same in memory
    return tf.transpose(x, axes)


def pulled_back(function: Callable[[Tensor], Tensor], at: Tensor, dy: Tensor) -> Tensor:
    """Return the gradient of a function; what only its value needs is left out of a graph."""
    with tf.GradientTape() as tape:
        tape.watch(at)
        y = function(at)
    return tape.gradient(y, at, dy)

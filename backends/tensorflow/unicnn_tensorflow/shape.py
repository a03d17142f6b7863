"""Moving values with TensorFlow."""

from __future__ import annotations

import tensorflow as tf

from unicnn.ops.fields import Sides
from unicnn_tensorflow.layout import CHANNELS_LAST, Tensor, axis_inside, enter, leave


def flatten(x: Tensor) -> Tensor:
    return tf.reshape(leave(x), (-1, x.shape[1:].num_elements()))


def reshape(x: Tensor, *, shape: tuple[int, ...]) -> Tensor:
    return enter(tf.reshape(leave(x), (-1, *shape)))


def transpose(x: Tensor, *, axes: tuple[int, ...]) -> Tensor:
    order = CHANNELS_LAST if x.shape.rank == 4 else range(x.shape.rank)
    return tf.transpose(x, [axis_inside(axes[axis], x) for axis in order])


def pad(x: Tensor, *, padding: Sides, value: float) -> Tensor:
    return tf.pad(x, ((0, 0), *padding, (0, 0)), constant_values=value)

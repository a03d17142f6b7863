"""The fully connected layer with TensorFlow."""

from __future__ import annotations

import tensorflow as tf

from unicnn_tensorflow.layout import Tensor


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    y = tf.matmul(x, weight)
    return y if bias is None else tf.nn.bias_add(y, bias)


def linear_weight_gradient(dy: Tensor, x: Tensor) -> Tensor:
    return tf.matmul(x, dy, transpose_a=True)

"""Losses with TensorFlow."""

from __future__ import annotations

import tensorflow as tf

from unicnn_tensorflow.layout import Tensor


def cross_entropy(x: Tensor, labels: Tensor, *, reduction: str) -> Tensor:
    return _reduce(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, x), reduction)


def squared_error(x: Tensor, target: Tensor, *, scale: float, reduction: str) -> Tensor:
    return scale * _reduce(tf.math.squared_difference(x, target), reduction)


def _reduce(losses: Tensor, reduction: str) -> Tensor:
    return tf.reduce_mean(losses) if reduction == "mean" else tf.reduce_sum(losses)

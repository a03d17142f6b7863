"""Activations with TensorFlow."""

from __future__ import annotations

import math

import tensorflow as tf

from unicnn_tensorflow.layout import Tensor, axis_inside


def relu(x: Tensor) -> Tensor:
    return tf.nn.relu(x)


def relu6(x: Tensor) -> Tensor:
    return tf.nn.relu6(x)


def leaky_relu(x: Tensor, *, negative_slope: float) -> Tensor:
    if x.dtype == tf.float32:
        return tf.nn.leaky_relu(x, negative_slope)
    return tf.where(x > 0, x, negative_slope * x)  # tf.nn.leaky_relu keeps its slope as a float32


def elu(x: Tensor, *, alpha: float) -> Tensor:
    return tf.nn.elu(x) if alpha == 1 else tf.where(x > 0, x, alpha * tf.nn.elu(x))


def sigmoid(x: Tensor) -> Tensor:
    return tf.sigmoid(x)


def tanh(x: Tensor) -> Tensor:
    return tf.tanh(x)


def silu(x: Tensor) -> Tensor:
    return tf.nn.silu(x)


def gelu(x: Tensor, *, approximate: str) -> Tensor:
    # tf.nn.gelu rounds its constants to float32, whatever the dtype of x.
    if approximate == "tanh":
        return 0.5 * x * (1 + tf.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + tf.math.erf(x * math.sqrt(0.5)))


def hardswish(x: Tensor) -> Tensor:
    return x * tf.nn.relu6(x + 3) / 6


def hardsigmoid(x: Tensor, *, slope: float, offset: float) -> Tensor:
    # clip_by_value has the derivative 1 at its corners; relu, and a constant from 1 on, have 0.
    y = slope * x + offset
    return tf.where(y >= 1, tf.ones_like(y), tf.nn.relu(y))


def softmax(x: Tensor, *, axis: int) -> Tensor:
    return tf.nn.softmax(x, axis_inside(axis, x))


def log_softmax(x: Tensor, *, axis: int) -> Tensor:
    return tf.nn.log_softmax(x, axis_inside(axis, x))

"""Joining values with TensorFlow."""

from __future__ import annotations

import functools
import operator

import tensorflow as tf

from unicnn_tensorflow.layout import Tensor, axis_inside


def add(*inputs: Tensor) -> Tensor:
    return functools.reduce(operator.add, inputs)


def mul(*inputs: Tensor) -> Tensor:
    return functools.reduce(operator.mul, inputs)


def concat(*inputs: Tensor, axis: int) -> Tensor:
    return tf.concat(inputs, axis_inside(axis, inputs[0]))

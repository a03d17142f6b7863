"""Tensors and gradients in plain TensorFlow, for reproductions that stand alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf


def tensor(x: np.ndarray[Any, Any]) -> tf.Tensor:
    return tf.constant(x)


def array(x: tf.Tensor) -> np.ndarray[Any, Any]:
    return x.numpy()


def vjp(
    function: Callable[..., tf.Tensor], operands: Sequence[tf.Tensor], cotangent: tf.Tensor | None
) -> tuple[tf.Tensor, Sequence[tf.Tensor]]:
    """Return function(*operands) and the gradients of sum(output * cotangent) by the operands, computed in a graph."""

    def run(*operands: tf.Tensor) -> tuple[tf.Tensor, Sequence[tf.Tensor]]:
        with tf.GradientTape() as tape:
            tape.watch(operands)
            output = function(*operands)
        return output, tape.gradient(output, operands, cotangent, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    graph = tf.function(run, autograph=False).get_concrete_function(*operands)
    return graph(*operands)


def parameter(x: tf.Tensor, kind: str) -> tf.Tensor:
    """Return a weight in TensorFlow's order: (kh, kw, in, out) for (out, in, kh, kw), and (in, out) for (out, in)."""
    return tf.transpose(x, (1, 0) if kind == "linear" else (2, 3, 1, 0))

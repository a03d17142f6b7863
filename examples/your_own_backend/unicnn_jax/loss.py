"""Losses with JAX."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def cross_entropy(x: Array, labels: Array, *, reduction: str) -> Array:
    chosen = jnp.take_along_axis(jax.nn.log_softmax(x, axis=1), labels[:, None], axis=1)
    return -_reduced(chosen, reduction)


def squared_error(x: Array, target: Array, *, scale: float, reduction: str) -> Array:
    return scale * _reduced(jnp.square(x - target), reduction)


def _reduced(values: Array, reduction: str) -> Array:
    return values.mean() if reduction == "mean" else values.sum()

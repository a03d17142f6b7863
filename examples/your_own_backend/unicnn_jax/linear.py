"""The fully connected layer with JAX."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax


def linear(x: Array, weight: Array, bias: Array | None) -> Array:
    y = jnp.matmul(x, weight.T, precision=lax.Precision.HIGHEST)
    return y if bias is None else y + bias


def linear_weight_gradient(dy: Array, x: Array) -> Array:
    return jnp.matmul(dy.T, x, precision=lax.Precision.HIGHEST)

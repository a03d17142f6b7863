"""Activations with JAX."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def relu(x: Array) -> Array:
    return jax.nn.relu(x)


def relu6(x: Array) -> Array:
    return jax.nn.relu6(x)


def leaky_relu(x: Array, *, negative_slope: float) -> Array:
    return jnp.where(x > 0, x, negative_slope * x)  # jax.nn.leaky_relu has the derivative 1 at 0


def elu(x: Array, *, alpha: float) -> Array:
    return jax.nn.elu(x, alpha)


def sigmoid(x: Array) -> Array:
    return jax.nn.sigmoid(x)


def tanh(x: Array) -> Array:
    return jnp.tanh(x)


def silu(x: Array) -> Array:
    return jax.nn.silu(x)


def gelu(x: Array, *, approximate: str) -> Array:
    return jax.nn.gelu(x, approximate=approximate == "tanh")


def hardswish(x: Array) -> Array:
    return jax.nn.hard_swish(x)


def hardsigmoid(x: Array, *, slope: float, offset: float) -> Array:
    # jnp.clip has half of the derivative at its corners; relu, and a constant from 1 on, have 0.
    y = slope * x + offset
    return jnp.where(y >= 1, 1.0, jax.nn.relu(y))


def softmax(x: Array, *, axis: int) -> Array:
    return jax.nn.softmax(x, axis)


def log_softmax(x: Array, *, axis: int) -> Array:
    return jax.nn.log_softmax(x, axis)

"""Moving values with JAX."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from unicnn.ops.fields import Sides


def flatten(x: Array) -> Array:
    return x.reshape(len(x), -1)


def reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    return x.reshape(-1, *shape)


def transpose(x: Array, *, axes: tuple[int, ...]) -> Array:
    return x.transpose(axes)


def pad(x: Array, *, padding: Sides, value: float) -> Array:
    return jnp.pad(x, ((0, 0), (0, 0), *padding), constant_values=value)

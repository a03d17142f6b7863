"""Joining values with JAX."""

from __future__ import annotations

import functools
import operator

import jax.numpy as jnp
from jax import Array


def add(*inputs: Array) -> Array:
    return functools.reduce(operator.add, inputs)


def mul(*inputs: Array) -> Array:
    return functools.reduce(operator.mul, inputs)


def concat(*inputs: Array, axis: int) -> Array:
    return jnp.concatenate(inputs, axis)

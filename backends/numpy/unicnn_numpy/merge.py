"""Joining values with NumPy."""

from __future__ import annotations

import functools
import operator

from .buffers import Array, array_module


def add(*inputs: Array) -> Array:
    """Return the sum, from left to right."""
    return functools.reduce(operator.add, inputs)


def mul(*inputs: Array) -> Array:
    """Return the product, from left to right."""
    return functools.reduce(operator.mul, inputs)


def concat(*inputs: Array, axis: int) -> Array:
    """Return the values joined along ``axis``."""
    return array_module(inputs[0]).concatenate(inputs, axis)

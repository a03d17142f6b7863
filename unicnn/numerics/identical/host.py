"""The primitives over NumPy, for what the core computes itself: weights on their grids, and tests. The module is a namespace `t`.

`primitives` says what each function is; those that only a plan needs are left to the backends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

SMALLEST_NORMAL = 2.0**-126


def widen(x: Array) -> Array:
    """Return float32 values as float64."""
    return np.asarray(x, np.float64)


def narrow(x: Array, least: Array | None = None) -> Array:
    """Return float64 values as float32, to nearest even; below 2^-126 in magnitude, and -0, become +0."""
    kept = np.where(np.abs(x) < SMALLEST_NORMAL, 0.0, x)
    with np.errstate(over="ignore"):
        return np.asarray(kept, np.float32)


def snap(x: Array, c: Array) -> Array:
    """Return (x + c) - c in float64."""
    return (np.asarray(x, np.float64) + c) - c  # type: ignore[no-any-return]


def square_sum(x: Array, c: Array, axes: Sequence[int]) -> Array:
    """Return the sums over `axes`, which stay with size 1, of the squares of snap(x, c)."""
    return sum(snap(x, c) ** 2, axes, keepdims=True)


def where(condition: Array, x: Array | float, y: Array | float) -> Array:
    """Return x where the condition holds and y elsewhere."""
    return np.where(condition, x, y)


def minimum(x: Array, y: Array | float) -> Array:
    """Return the smaller one."""
    return np.minimum(x, y)


def maximum(x: Array, y: Array | float) -> Array:
    """Return the larger one."""
    return np.maximum(x, y)


def absolute(x: Array) -> Array:
    """Return the magnitude."""
    return np.abs(x)


def rint(x: Array) -> Array:
    """Return the nearest whole number, the even one of two."""
    return np.rint(x)


def sqrt(x: Array) -> Array:
    """Return the square root."""
    return np.sqrt(x)


def power(k: Array) -> Array:
    """Return 2^k for whole numbers k."""
    return np.ldexp(1.0, np.asarray(k).astype(np.int32))


def exponent(x: Array) -> Array:
    """Return the whole number e with 2^(e-1) <= |x| < 2^e, and 0 for 0."""
    return np.asarray(np.frexp(x)[1], np.float64)


def sum(x: Array, axes: Sequence[int], keepdims: bool = False) -> Array:
    """Return the sum over `axes`; it must be exact."""
    return np.asarray(x.sum(axis=tuple(axes), keepdims=keepdims))


def largest(x: Array, axes: Sequence[int]) -> Array:
    """Return the largest magnitude over `axes`, which stay with size 1."""
    return np.asarray(np.abs(x).max(axis=tuple(axes), keepdims=True))


def shape(x: Array) -> tuple[int, ...]:
    """Return the shape."""
    return x.shape

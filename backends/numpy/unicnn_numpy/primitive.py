"""The functions in which the core writes derivatives, beyond those of the vocabulary."""

from __future__ import annotations

import importlib

from .buffers import Array, array_module


def where(condition: Array, x: Array, y: Array) -> Array:
    """Return ``x`` where the condition holds and ``y`` elsewhere."""
    return array_module(condition).where(condition, x, y)


def sum(x: Array, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """Return the sum over ``axes``."""
    return x.sum(axis=axes, keepdims=keepdims)


def exp(x: Array) -> Array:
    """Return the exponential function."""
    return array_module(x).exp(x)


def log(x: Array) -> Array:
    """Return the natural logarithm."""
    return array_module(x).log(x)


def sqrt(x: Array) -> Array:
    """Return the square root."""
    return array_module(x).sqrt(x)


def erf(x: Array) -> Array:
    """Return the error function."""
    library = "scipy.special" if array_module(x).__name__ == "numpy" else "cupyx.scipy.special"
    return importlib.import_module(library).erf(x)


def one_hot(labels: Array, x: Array) -> Array:
    """Return zeros in the shape of ``x`` (N, classes) with a one at each label (N,)."""
    xp = array_module(x)
    return (labels[:, None] == xp.arange(x.shape[1])).astype(x.dtype)

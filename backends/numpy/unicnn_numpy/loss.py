"""Losses with NumPy."""

from __future__ import annotations

from . import activation
from .buffers import Array, array_module


def cross_entropy(x: Array, labels: Array, *, reduction: str) -> Array:
    """Return the cross entropy of scores ``x`` (N, classes) at ``labels`` (N,), a scalar."""
    xp = array_module(x)
    chosen = xp.take_along_axis(activation.log_softmax(x, axis=1), labels[:, None], 1)
    return -(chosen.mean() if reduction == "mean" else chosen.sum())


def squared_error(x: Array, target: Array, *, scale: float, reduction: str) -> Array:
    """Return the scaled squared difference, a scalar."""
    d = x - target
    d *= d
    return (d.mean() if reduction == "mean" else d.sum()) * x.dtype.type(scale)

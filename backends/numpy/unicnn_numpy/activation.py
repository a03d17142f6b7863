"""Activations with NumPy."""

from __future__ import annotations

import math

from . import primitive
from .buffers import Array, array_module, empty_like, set_chosen


def relu(x: Array) -> Array:
    """Return max(x, 0), NaN where x is NaN."""
    return array_module(x).maximum(x, 0, out=empty_like(x))


def relu_gradient(dy: Array, y: Array) -> Array:
    """Return ``dy`` where ``y`` is positive, and elsewhere 0, or NaN where ``y`` is NaN."""
    xp = array_module(y)
    if xp.isnan(y.max()):
        return xp.where(y > 0, dy, y)
    dx = empty_like(y)
    set_chosen(dx, dy, y > 0)
    return dx


def relu6(x: Array) -> Array:
    """Return max(x, 0) up to 6."""
    return array_module(x).clip(x, 0, 6, out=empty_like(x))


def leaky_relu(x: Array, *, negative_slope: float) -> Array:
    """Return x where positive, and its multiple elsewhere."""
    return primitive.where(x > 0, x, x * negative_slope)


def elu(x: Array, *, alpha: float) -> Array:
    """Return x where positive, and alpha (exp(x) - 1) elsewhere."""
    xp = array_module(x)
    return xp.where(x > 0, x, alpha * xp.expm1(xp.minimum(x, 0)))


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x))."""
    xp = array_module(x)
    # exp of a negative number cannot overflow: sigmoid(x) = exp(x) / (1 + exp(x)) there.
    e = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1, e) / (1 + e)


def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent."""
    return array_module(x).tanh(x)


def silu(x: Array) -> Array:
    """Return x sigmoid(x)."""
    return x * sigmoid(x)


def gelu(x: Array, *, approximate: str) -> Array:
    """Return x Phi(x), or its tanh formula."""
    if approximate == "none":
        return 0.5 * x * (1 + primitive.erf(x * math.sqrt(0.5)))
    return 0.5 * x * (1 + array_module(x).tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))))


def hardswish(x: Array) -> Array:
    """Return x min(max(x + 3, 0), 6) / 6."""
    return x * array_module(x).clip(x + 3, 0, 6) / 6


def hardsigmoid(x: Array, *, slope: float, offset: float) -> Array:
    """Return min(max(slope x + offset, 0), 1)."""
    return array_module(x).clip(slope * x + offset, 0, 1)


def softmax(x: Array, *, axis: int) -> Array:
    """Return exp(x) divided by its sum along ``axis``."""
    xp = array_module(x)
    e = xp.exp(x - x.max(axis=axis, keepdims=True))
    e /= e.sum(axis=axis, keepdims=True)
    return e


def log_softmax(x: Array, *, axis: int) -> Array:
    """Return x minus the logarithm of the sum of exp(x) along ``axis``."""
    xp = array_module(x)
    y = x - x.max(axis=axis, keepdims=True)
    y -= xp.log(xp.exp(y).sum(axis=axis, keepdims=True))
    return y

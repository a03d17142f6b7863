"""Activations, and softmax."""

import numpy as np
from scipy.special import erf

from unicnn_numpy.emitting.layers.base import Layer


class ReLU(Layer):
    """Return max(x, 0)."""

    def __call__(self, x, training=False):
        self.positive = x > 0
        return np.maximum(x, 0)

    def backward(self, dy):
        return (dy * self.positive,)


class ReLU6(Layer):
    """Return min(max(x, 0), 6)."""

    def __call__(self, x, training=False):
        self.inside = (x > 0) & (x < 6)
        return np.clip(x, 0, 6)

    def backward(self, dy):
        return (dy * self.inside,)


class LeakyReLU(Layer):
    """Return x where it is positive, and a multiple of it elsewhere."""

    def __init__(self, slope):
        super().__init__()
        self.slope = slope

    def __call__(self, x, training=False):
        self.factor = np.where(x > 0, 1, self.slope).astype(x.dtype)
        return x * self.factor

    def backward(self, dy):
        return (dy * self.factor,)


class ELU(Layer):
    """Return x where it is positive, and alpha (exp(x) - 1) elsewhere."""

    def __init__(self, alpha=1.0):
        super().__init__()
        self.alpha = alpha

    def __call__(self, x, training=False):
        below = self.alpha * np.expm1(np.minimum(x, 0))
        self.slope = np.where(x > 0, 1, below + self.alpha).astype(x.dtype)
        return np.where(x > 0, x, below)

    def backward(self, dy):
        return (dy * self.slope,)


def sigmoid(x):
    """Return 1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


class Sigmoid(Layer):
    """Return 1 / (1 + exp(-x))."""

    def __call__(self, x, training=False):
        self.y = sigmoid(x)
        return self.y

    def backward(self, dy):
        return (dy * self.y * (1 - self.y),)


class Tanh(Layer):
    """Return the hyperbolic tangent."""

    def __call__(self, x, training=False):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        return (dy * (1 - self.y**2),)


class SiLU(Layer):
    """Return x sigmoid(x)."""

    def __call__(self, x, training=False):
        s = sigmoid(x)
        self.slope = s * (1 + x * (1 - s))
        return x * s

    def backward(self, dy):
        return (dy * self.slope,)


class GELU(Layer):
    """Return x Phi(x)."""

    def __call__(self, x, training=False):
        phi = 0.5 * (1 + erf(x / np.sqrt(2)).astype(x.dtype))
        self.slope = phi + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi).astype(x.dtype)
        return x * phi

    def backward(self, dy):
        return (dy * self.slope,)


class TanhGELU(Layer):
    """Return x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))."""

    def __call__(self, x, training=False):
        c = np.sqrt(2 / np.pi).astype(x.dtype)
        t = np.tanh(c * (x + 0.044715 * x**3))
        inner = c * (1 + 3 * 0.044715 * x**2)
        self.slope = 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * inner
        return 0.5 * x * (1 + t)

    def backward(self, dy):
        return (dy * self.slope,)


class Hardswish(Layer):
    """Return x min(max(x + 3, 0), 6) / 6."""

    def __call__(self, x, training=False):
        slope = np.where(x < 3, x / 3 + 0.5, 1)
        self.slope = np.where(x <= -3, 0, slope).astype(x.dtype)
        return x * np.clip(x + 3, 0, 6) / 6

    def backward(self, dy):
        return (dy * self.slope,)


class Hardsigmoid(Layer):
    """Return min(max(slope x + offset, 0), 1)."""

    def __init__(self, slope=1 / 6, offset=0.5):
        super().__init__()
        self.slope, self.offset = slope, offset

    def __call__(self, x, training=False):
        y = self.slope * x + self.offset
        self.inside = (y > 0) & (y < 1)
        return np.clip(y, 0, 1)

    def backward(self, dy):
        return (dy * self.slope * self.inside,)


class Softmax(Layer):
    """Return exp(x) / sum(exp(x)) along an axis."""

    def __init__(self, axis=1):
        super().__init__()
        self.axis = axis

    def __call__(self, x, training=False):
        e = np.exp(x - x.max(self.axis, keepdims=True))
        self.y = e / e.sum(self.axis, keepdims=True)
        return self.y

    def backward(self, dy):
        return (self.y * (dy - (dy * self.y).sum(self.axis, keepdims=True)),)


class LogSoftmax(Layer):
    """Return x - log(sum(exp(x))) along an axis."""

    def __init__(self, axis=1):
        super().__init__()
        self.axis = axis

    def __call__(self, x, training=False):
        x = x - x.max(self.axis, keepdims=True)
        y = x - np.log(np.exp(x).sum(self.axis, keepdims=True))
        self.p = np.exp(y)
        return y

    def backward(self, dy):
        return (dy - self.p * dy.sum(self.axis, keepdims=True),)

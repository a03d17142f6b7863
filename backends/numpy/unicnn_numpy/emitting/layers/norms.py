"""Normalisations, and dropout."""

import numpy as np

from unicnn_numpy.emitting.layers.base import Layer


class BatchNorm2d(Layer):
    """Normalise each channel: by the batch in training, else by running statistics.

    An `unbiased` running variance is larger by n / (n - 1) for n pixels of a channel.
    """

    def __init__(
        self, channels, eps=1e-5, keep=0.9, scale=True, shift=True, unbiased=False
    ):
        super().__init__()
        if scale:
            self.parameters["scale"] = np.ones(channels, np.float32)
        if shift:
            self.parameters["shift"] = np.zeros(channels, np.float32)
        self.parameters["mean"] = np.zeros(channels, np.float32)
        self.parameters["var"] = np.ones(channels, np.float32)
        self.eps, self.keep, self.unbiased = eps, keep, unbiased

    def __call__(self, x, training=False):
        p, self.training = self.parameters, training
        mean, var = p["mean"], p["var"]
        if training:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
            self.remember(mean, var, x[:, 0].size)
        self.inverse = (1 / np.sqrt(var + self.eps))[:, None, None]
        self.normal = (x - mean[:, None, None]) * self.inverse
        y = self.normal * p["scale"][:, None, None] if "scale" in p else self.normal
        return y + p["shift"][:, None, None] if "shift" in p else y

    def remember(self, mean, var, n):
        """Move the running statistics towards those of a batch of `n` pixels."""
        p, new = self.parameters, 1 - self.keep
        if self.unbiased:
            var = var * n / (n - 1)
        p["mean"][...] = self.keep * p["mean"] + new * mean
        p["var"][...] = self.keep * p["var"] + new * var

    def backward(self, dy):
        p, axes = self.parameters, (0, 2, 3)
        if "scale" in p:
            self.gradients["scale"] = (dy * self.normal).sum(axes)
        if "shift" in p:
            self.gradients["shift"] = dy.sum(axes)
        d = dy * p["scale"][:, None, None] if "scale" in p else dy
        if self.training:  # the batch's mean and variance depend on every value
            spread = (d * self.normal).mean(axes, keepdims=True)
            d = d - d.mean(axes, keepdims=True) - self.normal * spread
        return (d * self.inverse,)


class LayerNorm(Layer):
    """Normalise each sample over some axes."""

    def __init__(self, shape, axes=(1,), eps=1e-5, scale=True, shift=True):
        super().__init__()
        if scale:
            self.parameters["scale"] = np.ones(shape, np.float32)
        if shift:
            self.parameters["shift"] = np.zeros(shape, np.float32)
        self.axes, self.eps = axes, eps

    def spread(self, parameter, x):
        """Return a parameter with the axes of a batch."""
        shape = [n if axis in self.axes else 1 for axis, n in enumerate(x.shape)]
        return parameter.reshape(shape)

    def __call__(self, x, training=False):
        p = self.parameters
        centred = x - x.mean(self.axes, keepdims=True)
        var = (centred**2).mean(self.axes, keepdims=True)
        self.inverse = 1 / np.sqrt(var + self.eps)
        self.normal = centred * self.inverse
        y = self.normal * self.spread(p["scale"], x) if "scale" in p else self.normal
        return y + self.spread(p["shift"], x) if "shift" in p else y

    def backward(self, dy):
        p = self.parameters
        others = tuple(axis for axis in range(dy.ndim) if axis not in self.axes)
        if "scale" in p:
            self.gradients["scale"] = (dy * self.normal).sum(others)
        if "shift" in p:
            self.gradients["shift"] = dy.sum(others)
        d = dy * self.spread(p["scale"], dy) if "scale" in p else dy
        spread = (d * self.normal).mean(self.axes, keepdims=True)
        d = d - d.mean(self.axes, keepdims=True) - self.normal * spread
        return (d * self.inverse,)


class Dropout(Layer):
    """In training, zero values with probability p and scale the others up."""

    def __init__(self, p=0.5):
        super().__init__()
        self.p, self.rng = p, np.random.default_rng()

    def __call__(self, x, training=False):
        self.mask = 1
        if not training:
            return x
        kept = self.rng.random(x.shape) >= self.p
        self.mask = (kept / (1 - self.p) if self.p < 1 else kept).astype(x.dtype)
        return x * self.mask

    def backward(self, dy):
        return (dy * self.mask,)

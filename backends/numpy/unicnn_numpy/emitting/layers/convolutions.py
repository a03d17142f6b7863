"""Convolutions and transposed convolutions.

Both rest on three sums over windows. Where channels are convolved in groups, a
subclass has other sums.
"""

import numpy as np

from unicnn_numpy.emitting.layers.base import Layer, pair, sides
from unicnn_numpy.emitting.layers.images import (
    cropped,
    padded,
    window_slices,
    windows_of,
)


class Windowed(Layer):
    """Hold kernels that are laid on every window of an image, or over it."""

    def __init__(self, shape, channels, stride, dilation, bias):
        super().__init__(weight=np.zeros(shape, np.float32))
        if bias:
            self.parameters["bias"] = np.zeros(channels, np.float32)
        self.stride, self.dilation = pair(stride), pair(dilation)

    def shifted(self, y):
        """Return `y` with the bias of each channel, if there is one."""
        bias = self.parameters.get("bias")
        return y if bias is None else y + bias[:, None, None]

    def learn(self, dy, dw):
        """Keep the gradients of the bias and of the kernels."""
        if "bias" in self.parameters:
            self.gradients["bias"] = dy.sum((0, 2, 3))
        self.gradients["weight"] = dw

    def windows(self, x):
        """Return the windows of `x` on which the kernels lie."""
        size = self.parameters["weight"].shape[2:]
        return windows_of(x, size, self.stride, self.dilation)

    def gather(self, x):
        """Return the sums of products of all windows with each kernel."""
        w = self.parameters["weight"]
        y = np.tensordot(self.windows(x), w, ((1, 4, 5), (1, 2, 3)))
        return np.moveaxis(y, 3, 1)

    def scatter(self, y, shape):
        """Return the kernels times `y` at every window, added up: gather backward."""
        x, w = np.zeros(shape, y.dtype), self.parameters["weight"]
        for i, j in np.ndindex(*w.shape[2:]):
            part = np.moveaxis(np.tensordot(y, w[:, :, i, j], (1, 0)), 3, 1)
            x[window_slices(i, j, y.shape[2:], self.stride, self.dilation)] += part
        return x

    def correlated(self, x, y):
        """Return the sums of products of `y` with the windows of `x`, as kernels."""
        return np.tensordot(y, self.windows(x), ((0, 2, 3), (0, 2, 3)))


class Grouped(Windowed):
    """Hold kernels of which each group takes only its own group of channels."""

    def __init__(self, in_channels, channels, size, groups, **options):
        super().__init__(in_channels, channels, size, **options)
        w = self.parameters["weight"]
        self.parameters["weight"] = w[:, : w.shape[1] // groups].copy()
        self.groups = groups

    def split(self, x, axis=1):
        """Return `x` with an axis for the groups."""
        shape = (self.groups, x.shape[axis] // self.groups)
        return x.reshape(*x.shape[:axis], *shape, *x.shape[axis + 1 :])

    def gather(self, x):
        w = self.split(self.parameters["weight"], 0)
        y = np.einsum("ngirckl,goikl->ngorc", self.split(self.windows(x)), w)
        return y.reshape(len(y), -1, *y.shape[3:])

    def scatter(self, y, shape):
        x, w = np.zeros(shape, y.dtype), self.split(self.parameters["weight"], 0)
        for i, j in np.ndindex(*w.shape[3:]):
            part = np.einsum("ngorc,goi->ngirc", self.split(y), w[..., i, j])
            place = window_slices(i, j, y.shape[2:], self.stride, self.dilation)
            x[place] += part.reshape(x[place].shape)
        return x

    def correlated(self, x, y):
        windows = self.split(self.windows(x))
        w = np.einsum("ngirckl,ngorc->goikl", windows, self.split(y))
        return w.reshape(self.parameters["weight"].shape)


class Conv2d(Windowed):
    """Correlate images with kernels of shape (out, in, height, width)."""

    def __init__(
        self, in_channels, channels, size, stride=1, padding=0, dilation=1, bias=True
    ):
        shape = (channels, in_channels, *pair(size))
        super().__init__(shape, channels, stride, dilation, bias)
        self.padding = sides(padding)

    def __call__(self, x, training=False):
        self.x = padded(x, self.padding)
        return self.shifted(self.gather(self.x))

    def backward(self, dy):
        self.learn(dy, self.correlated(self.x, dy))
        return (cropped(self.scatter(dy, self.x.shape), self.padding),)


class GroupedConv2d(Grouped, Conv2d):
    """Correlate each group of channels with kernels of shape (out, in / groups, …)."""


class ConvTranspose2d(Windowed):
    """Lay kernels of shape (in, out, height, width) over the output for every pixel.

    Then crop the border; a negative crop adds pixels of zeros.
    """

    def __init__(
        self, in_channels, channels, size, stride=1, crop=0, dilation=1, bias=True
    ):
        shape = (in_channels, channels, *pair(size))
        super().__init__(shape, channels, stride, dilation, bias)
        self.channels = channels
        self.crop = tuple((max(a, 0), max(b, 0)) for a, b in sides(crop))
        self.extra = tuple((max(-a, 0), max(-b, 0)) for a, b in sides(crop))

    def full(self, x):
        """Return the shape of the output before it is cropped."""
        size = self.parameters["weight"].shape[2:]
        given = zip(x.shape[2:], self.stride, self.dilation, size, strict=True)
        reach = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in given]
        return len(x), self.channels, *reach

    def __call__(self, x, training=False):
        self.x = x
        y = cropped(self.scatter(x, self.full(x)), self.crop)
        return self.shifted(padded(y, self.extra))

    def backward(self, dy):
        d = padded(cropped(dy, self.extra), self.crop)
        self.learn(dy, self.correlated(d, self.x))
        return (self.gather(d),)


class GroupedConvTranspose2d(Grouped, ConvTranspose2d):
    """Lay kernels of shape (in, out / groups, …) over the output of their group."""

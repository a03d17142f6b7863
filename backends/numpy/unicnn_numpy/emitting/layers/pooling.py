"""Poolings."""

import numpy as np

from unicnn_numpy.emitting.layers.base import Layer, pair, sides
from unicnn_numpy.emitting.layers.images import (
    cropped,
    padded,
    window_slices,
    windows_of,
)


class MaxPool2d(Layer):
    """Take the largest value of each window."""

    def __init__(self, size, stride=None, padding=0):
        super().__init__()
        self.size, self.stride = pair(size), pair(stride or size)
        self.padding = sides(padding)

    def __call__(self, x, training=False):
        x = padded(x, self.padding, -np.inf)
        windows = windows_of(x, self.size, self.stride)
        windows = windows.reshape(*windows.shape[:4], -1)
        self.shape, self.first = x.shape, windows.argmax(4)
        return windows.max(4)

    def backward(self, dy):
        dx = np.zeros(self.shape, dy.dtype)
        for place, (i, j) in enumerate(np.ndindex(*self.size)):
            slices = window_slices(i, j, dy.shape[2:], self.stride)
            dx[slices] += dy * (self.first == place)
        return (cropped(dx, self.padding),)


class AvgPool2d(Layer):
    """Take the mean of each window."""

    def __init__(self, size, stride=None):
        super().__init__()
        self.size, self.stride = pair(size), pair(stride or size)

    def __call__(self, x, training=False):
        self.shape = x.shape
        return windows_of(x, self.size, self.stride).mean((4, 5))

    def backward(self, dy):
        dx = np.zeros(self.shape, dy.dtype)
        share = dy / np.prod(self.size)
        for i, j in np.ndindex(*self.size):
            dx[window_slices(i, j, dy.shape[2:], self.stride)] += share
        return (dx,)


class PaddedAvgPool2d(Layer):
    """Take the mean of each window of a padded image.

    Only pixels of the image count, and those of its border that `counted` says.
    """

    def __init__(self, size, stride=None, padding=0, counted=0):
        super().__init__()
        self.size, self.stride = pair(size), pair(stride or size)
        self.padding, self.counted = sides(padding), sides(counted)

    def counts(self, x):
        """Return how many pixels count in each window."""
        borders = zip(self.padding, self.counted, strict=True)
        inside = [(min(a, c), min(b, d)) for (a, b), (c, d) in borders]
        borders = zip(self.padding, inside, strict=True)
        outside = [(a - c, b - d) for (a, b), (c, d) in borders]
        ones = padded(np.ones((1, 1, *x.shape[2:]), x.dtype), inside, 1.0)
        return windows_of(padded(ones, outside), self.size, self.stride).sum((4, 5))

    def __call__(self, x, training=False):
        self.count = self.counts(x)
        x = padded(x, self.padding)
        self.shape = x.shape
        return windows_of(x, self.size, self.stride).sum((4, 5)) / self.count

    def backward(self, dy):
        dx = np.zeros(self.shape, dy.dtype)
        for i, j in np.ndindex(*self.size):
            slices = window_slices(i, j, dy.shape[2:], self.stride)
            dx[slices] += dy / self.count
        return (cropped(dx, self.padding),)


class GlobalAvgPool2d(Layer):
    """Take the mean of each channel."""

    def __call__(self, x, training=False):
        self.shape = x.shape
        return x.mean((2, 3), keepdims=True)

    def backward(self, dy):
        pixels = self.shape[2] * self.shape[3]
        return (np.broadcast_to(dy / pixels, self.shape),)


class AdaptiveAvgPool2d(Layer):
    """Take the means of so many windows of almost one size that cover the image."""

    def __init__(self, size):
        super().__init__()
        self.size = pair(size)

    def boxes(self, shape):
        """Yield each window's place in the output, and its slices of the input."""
        for place in np.ndindex(*self.size):
            sizes = zip(place, shape[2:], self.size, strict=True)
            box = [slice(k * n // o, -(-(k + 1) * n // o)) for k, n, o in sizes]
            yield np.s_[:, :, place[0], place[1]], np.s_[:, :, box[0], box[1]]

    def __call__(self, x, training=False):
        self.shape = x.shape
        y = np.empty((*x.shape[:2], *self.size), x.dtype)
        for place, box in self.boxes(x.shape):
            y[place] = x[box].mean((2, 3))
        return y

    def backward(self, dy):
        dx = np.zeros(self.shape, dy.dtype)
        for place, box in self.boxes(self.shape):
            pixels = dx[box][0, 0].size
            dx[box] += (dy[place] / pixels)[:, :, None, None]
        return (dx,)

"""What moves values, joins them, or leaves them as they are."""

import numpy as np

from unicnn_numpy.emitting.layers.base import Layer, sides
from unicnn_numpy.emitting.layers.images import cropped, padded


class Identity(Layer):
    """Return x."""

    def __call__(self, x, training=False):
        return x

    def backward(self, dy):
        return (dy,)


class Flatten(Layer):
    """Lay each sample out as a vector."""

    def __call__(self, x, training=False):
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy):
        return (dy.reshape(self.shape),)


class Reshape(Layer):
    """Give each sample another shape."""

    def __init__(self, *shape):
        super().__init__()
        self.shape = shape

    def __call__(self, x, training=False):
        self.before = x.shape
        return x.reshape(len(x), *self.shape)

    def backward(self, dy):
        return (dy.reshape(self.before),)


class Transpose(Layer):
    """Put the axes in another order; axis 0 is the batch."""

    def __init__(self, *axes):
        super().__init__()
        self.axes = axes

    def __call__(self, x, training=False):
        return x.transpose(self.axes)

    def backward(self, dy):
        return (dy.transpose(np.argsort(self.axes)),)


class Pad(Layer):
    """Put a border of one value around images."""

    def __init__(self, padding, value=0.0):
        super().__init__()
        self.padding, self.value = sides(padding), value

    def __call__(self, x, training=False):
        return padded(x, self.padding, self.value)

    def backward(self, dy):
        return (cropped(dy, self.padding),)


def reduced(d, shape):
    """Return a gradient summed over the axes along which the value was repeated."""
    axes = tuple(axis for axis, n in enumerate(shape) if n != d.shape[axis])
    return d.sum(axes, keepdims=True) if axes else d


class Add(Layer):
    """Add values."""

    def __call__(self, *values, training=False):
        self.shapes = [x.shape for x in values]
        return sum(values[1:], values[0])

    def backward(self, dy):
        return tuple(reduced(dy, shape) for shape in self.shapes)


class Mul(Layer):
    """Multiply values."""

    def __call__(self, *values, training=False):
        self.values = values
        y = values[0]
        for x in values[1:]:
            y = y * x
        return y

    def backward(self, dy):
        result = []
        for place, x in enumerate(self.values):
            d = dy
            for other in (*self.values[:place], *self.values[place + 1 :]):
                d = d * other
            result.append(reduced(d, x.shape))
        return tuple(result)


class Concat(Layer):
    """Join values along an axis."""

    def __init__(self, axis=1):
        super().__init__()
        self.axis = axis

    def __call__(self, *values, training=False):
        self.sizes = [x.shape[self.axis] for x in values]
        return np.concatenate(values, self.axis)

    def backward(self, dy):
        return tuple(np.split(dy, np.cumsum(self.sizes)[:-1], self.axis))

"""Layers in NumPy, each with its own backward pass. An emitted file contains those that its network has, as they stand here.

A layer is called with values and returns one; ``backward(dy)`` takes the gradient of what it returned, fills ``gradients``, and returns
the gradient of each value that it was called with.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import erf


class Layer:
    """Be a step of a network, with `parameters` and, after `backward`, their `gradients`."""

    def __init__(self, **parameters):
        self.parameters = parameters
        self.gradients = {}


def windows_of(x, size, stride, dilation=(1, 1)):
    """Return every window of `x` as a view of shape (N, C, rows, columns, *size)."""
    reach = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    view = sliding_window_view(x, reach, axis=(2, 3))
    return view[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def window_slices(i, j, shape, stride, dilation=(1, 1)):
    """Return where the pixels (i, j) of all windows lie; `shape` counts the windows."""
    top, left = i * dilation[0], j * dilation[1]
    rows = slice(top, top + stride[0] * (shape[0] - 1) + 1, stride[0])
    columns = slice(left, left + stride[1] * (shape[1] - 1) + 1, stride[1])
    return np.s_[:, :, rows, columns]


def padded(x, padding, value=0.0):
    """Return `x` with a border of ((top, bottom), (left, right)) pixels."""
    return np.pad(x, ((0, 0), (0, 0), *padding), constant_values=value)


def cropped(x, padding):
    """Return `x` without its border."""
    (top, bottom), (left, right) = padding
    return x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]


def correlate(x, weight, stride, dilation):
    """Return the sums of products of all windows with each kernel, (N, O, H, W)."""
    windows = windows_of(x, weight.shape[2:], stride, dilation)
    return np.moveaxis(np.tensordot(windows, weight, ((1, 4, 5), (1, 2, 3))), 3, 1)


def scatter(dy, weight, shape, stride, dilation):
    """Return the sum of `dy` times the kernels, each laid where its window was."""
    dx = np.zeros(shape, dy.dtype)
    for i, j in np.ndindex(*weight.shape[2:]):
        part = np.tensordot(dy, weight[:, :, i, j], (1, 0))
        dx[window_slices(i, j, dy.shape[2:], stride, dilation)] += np.moveaxis(part, 3, 1)
    return dx


class Conv2d(Layer):
    """Correlate images with kernels of shape (out, in / groups, height, width)."""

    def __init__(
        self, in_channels, out_channels, size, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1, bias=True
    ):  # fmt: skip
        super().__init__(weight=np.zeros((out_channels, in_channels // groups, *size), np.float32))
        if bias:
            self.parameters["bias"] = np.zeros(out_channels, np.float32)
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups

    def __call__(self, x, training=False):
        self.x = padded(x, self.padding)
        weights = np.split(self.parameters["weight"], self.groups)
        parts = zip(np.split(self.x, self.groups, 1), weights, strict=True)
        y = np.concatenate([correlate(x, w, self.stride, self.dilation) for x, w in parts], 1)
        return y + self.parameters["bias"][:, None, None] if "bias" in self.parameters else y

    def backward(self, dy):
        dx, dw = [], []
        weights = np.split(self.parameters["weight"], self.groups)
        for x, w, d in zip(np.split(self.x, self.groups, 1), weights, np.split(dy, self.groups, 1), strict=True):
            windows = windows_of(x, w.shape[2:], self.stride, self.dilation)
            dw.append(np.tensordot(d, windows, ((0, 2, 3), (0, 2, 3))))
            dx.append(scatter(d, w, x.shape, self.stride, self.dilation))
        self.gradients["weight"] = np.concatenate(dw)
        if "bias" in self.parameters:
            self.gradients["bias"] = dy.sum((0, 2, 3))
        return (cropped(np.concatenate(dx, 1), self.padding),)


class ConvTranspose2d(Layer):
    """Lay a kernel of shape (in, out / groups, height, width) over the output for every pixel, then crop the border."""

    def __init__(
        self, in_channels, out_channels, size, stride=(1, 1), crop=((0, 0), (0, 0)), dilation=(1, 1), groups=1, bias=True
    ):  # fmt: skip
        super().__init__(weight=np.zeros((in_channels, out_channels // groups, *size), np.float32))
        if bias:
            self.parameters["bias"] = np.zeros(out_channels, np.float32)
        self.stride, self.dilation, self.groups = stride, dilation, groups
        self.crop = tuple((max(a, 0), max(b, 0)) for a, b in crop)
        self.extra = tuple((max(-a, 0), max(-b, 0)) for a, b in crop)

    def __call__(self, x, training=False):
        self.x = x
        weights = np.split(self.parameters["weight"], self.groups)
        full = [
            (n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(x.shape[2:], self.stride, self.dilation, weights[0].shape[2:], strict=True)
        ]
        shape = (len(x), weights[0].shape[1], *full)
        parts = zip(np.split(x, self.groups, 1), weights, strict=True)
        y = np.concatenate([scatter(x, w, shape, self.stride, self.dilation) for x, w in parts], 1)
        y = padded(cropped(y, self.crop), self.extra)
        return y + self.parameters["bias"][:, None, None] if "bias" in self.parameters else y

    def backward(self, dy):
        if "bias" in self.parameters:
            self.gradients["bias"] = dy.sum((0, 2, 3))
        dy = padded(cropped(dy, self.extra), self.crop)
        dx, dw = [], []
        weights = np.split(self.parameters["weight"], self.groups)
        for x, w, d in zip(np.split(self.x, self.groups, 1), weights, np.split(dy, self.groups, 1), strict=True):
            windows = windows_of(d, w.shape[2:], self.stride, self.dilation)
            dx.append(correlate(d, w, self.stride, self.dilation))
            dw.append(np.tensordot(x, windows, ((0, 2, 3), (0, 2, 3))))
        self.gradients["weight"] = np.concatenate(dw)
        return (np.concatenate(dx, 1),)


class Linear(Layer):
    """Multiply vectors by a matrix of shape (out, in)."""

    def __init__(self, in_features, out_features, bias=True):
        super().__init__(weight=np.zeros((out_features, in_features), np.float32))
        if bias:
            self.parameters["bias"] = np.zeros(out_features, np.float32)

    def __call__(self, x, training=False):
        self.x = x
        y = x @ self.parameters["weight"].T
        return y + self.parameters["bias"] if "bias" in self.parameters else y

    def backward(self, dy):
        self.gradients["weight"] = dy.T @ self.x
        if "bias" in self.parameters:
            self.gradients["bias"] = dy.sum(0)
        return (dy @ self.parameters["weight"],)


class BatchNorm2d(Layer):
    """Normalise each channel, by the batch's statistics in training and by the running ones otherwise."""

    def __init__(self, channels, eps=1e-5, keep=0.9, scale=True, shift=True, unbiased=False):
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
            mean, var, n = x.mean((0, 2, 3)), x.var((0, 2, 3)), x[:, 0].size
            p["mean"][...] = self.keep * p["mean"] + (1 - self.keep) * mean
            kept = var * n / (n - 1) if self.unbiased else var
            p["var"][...] = self.keep * p["var"] + (1 - self.keep) * kept
        self.inverse = (1 / np.sqrt(var + self.eps))[:, None, None]
        self.normal = (x - mean[:, None, None]) * self.inverse
        y = self.normal * p["scale"][:, None, None] if "scale" in p else self.normal
        return y + p["shift"][:, None, None] if "shift" in p else y

    def backward(self, dy):
        p = self.parameters
        if "scale" in p:
            self.gradients["scale"] = (dy * self.normal).sum((0, 2, 3))
        if "shift" in p:
            self.gradients["shift"] = dy.sum((0, 2, 3))
        d = dy * p["scale"][:, None, None] if "scale" in p else dy
        if self.training:  # the batch's mean and variance depend on every value
            axes = (0, 2, 3)
            d = d - d.mean(axes, keepdims=True) - self.normal * (d * self.normal).mean(axes, keepdims=True)
        return (d * self.inverse,)


class LayerNorm(Layer):
    """Normalise each sample over some axes."""

    def __init__(self, shape, axes, eps=1e-5, scale=True, shift=True):
        super().__init__()
        if scale:
            self.parameters["scale"] = np.ones(shape, np.float32)
        if shift:
            self.parameters["shift"] = np.zeros(shape, np.float32)
        self.axes, self.eps = axes, eps

    def spread(self, parameter, x):
        """Return a parameter with the axes of a batch."""
        return parameter.reshape([n if axis in self.axes else 1 for axis, n in enumerate(x.shape)])

    def __call__(self, x, training=False):
        p = self.parameters
        centred = x - x.mean(self.axes, keepdims=True)
        self.inverse = 1 / np.sqrt((centred**2).mean(self.axes, keepdims=True) + self.eps)
        self.normal = centred * self.inverse
        y = self.normal * self.spread(p["scale"], x) if "scale" in p else self.normal
        return y + self.spread(p["shift"], x) if "shift" in p else y

    def backward(self, dy):
        p, others = self.parameters, tuple(axis for axis in range(dy.ndim) if axis not in self.axes)
        if "scale" in p:
            self.gradients["scale"] = (dy * self.normal).sum(others)
        if "shift" in p:
            self.gradients["shift"] = dy.sum(others)
        d = dy * self.spread(p["scale"], dy) if "scale" in p else dy
        mean = d.mean(self.axes, keepdims=True)
        d = d - mean - self.normal * (d * self.normal).mean(self.axes, keepdims=True)
        return (d * self.inverse,)


class MaxPool2d(Layer):
    """Take the largest value of each window."""

    def __init__(self, size, stride=None, padding=((0, 0), (0, 0))):
        super().__init__()
        self.size, self.stride, self.padding = size, stride or size, padding

    def __call__(self, x, training=False):
        x = padded(x, self.padding, -np.inf)
        windows = windows_of(x, self.size, self.stride)
        windows = windows.reshape(*windows.shape[:4], -1)
        self.shape, self.first = x.shape, windows.argmax(4)
        return windows.max(4)

    def backward(self, dy):
        dx = np.zeros(self.shape, dy.dtype)
        for place, (i, j) in enumerate(np.ndindex(*self.size)):
            dx[window_slices(i, j, dy.shape[2:], self.stride)] += dy * (self.first == place)
        return (cropped(dx, self.padding),)


class AvgPool2d(Layer):
    """Take the mean of each window, over the pixels inside the image extended by `counted`."""

    def __init__(self, size, stride=None, padding=((0, 0), (0, 0)), counted=((0, 0), (0, 0))):
        super().__init__()
        self.size, self.stride, self.padding, self.counted = size, stride or size, padding, counted

    def __call__(self, x, training=False):
        inside = [(min(a, c), min(b, d)) for (a, b), (c, d) in zip(self.padding, self.counted, strict=True)]
        outside = [(a - c, b - d) for (a, b), (c, d) in zip(self.padding, inside, strict=True)]
        ones = padded(padded(np.ones((1, 1, *x.shape[2:]), x.dtype), inside, 1.0), outside)
        self.count = windows_of(ones, self.size, self.stride).sum((4, 5))
        x = padded(x, self.padding)
        self.shape = x.shape
        return windows_of(x, self.size, self.stride).sum((4, 5)) / self.count

    def backward(self, dy):
        dx = np.zeros(self.shape, dy.dtype)
        for i, j in np.ndindex(*self.size):
            dx[window_slices(i, j, dy.shape[2:], self.stride)] += dy / self.count
        return (cropped(dx, self.padding),)


class AdaptiveAvgPool2d(Layer):
    """Take the means of so many windows; window i of o over n pixels is [i n // o, ceil((i + 1) n / o))."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def boxes(self, shape):
        """Yield each window's place in the output, and its slices of the input."""
        for i, j in np.ndindex(*self.size):
            bounds = [(k * n // o, -(-(k + 1) * n // o)) for k, n, o in zip((i, j), shape[2:], self.size, strict=True)]
            yield np.s_[:, :, i, j], np.s_[:, :, slice(*bounds[0]), slice(*bounds[1])]

    def __call__(self, x, training=False):
        self.shape = x.shape
        y = np.empty((*x.shape[:2], *self.size), x.dtype)
        for place, box in self.boxes(x.shape):
            y[place] = x[box].mean((2, 3))
        return y

    def backward(self, dy):
        dx = np.zeros(self.shape, dy.dtype)
        for place, box in self.boxes(self.shape):
            dx[box] += (dy[place] / dx[0, 0][box[2:]].size)[:, :, None, None]
        return (dx,)


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
        self.slope = 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * c * (1 + 3 * 0.044715 * x**2)
        return 0.5 * x * (1 + t)

    def backward(self, dy):
        return (dy * self.slope,)


class Hardswish(Layer):
    """Return x min(max(x + 3, 0), 6) / 6."""

    def __call__(self, x, training=False):
        self.slope = np.where(x <= -3, 0, np.where(x < 3, x / 3 + 0.5, 1)).astype(x.dtype)
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


class Dropout(Layer):
    """In training, zero values with probability p and scale the others up."""

    def __init__(self, p=0.5):
        super().__init__()
        self.p, self.rng = p, np.random.default_rng()

    def __call__(self, x, training=False):
        self.mask = 1.0
        if training:
            kept = self.rng.random(x.shape) >= self.p
            self.mask = (kept / (1 - self.p) if self.p < 1 else kept).astype(x.dtype)
        return x * self.mask if training else x

    def backward(self, dy):
        return (dy * self.mask,)


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
        self.padding, self.value = padding, value

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


class Network:
    """Be layers by name, each with the names of the values it takes, in an order in which they can run."""

    def __init__(self, *inputs):
        self.inputs, self.outputs, self.layers = inputs, (), {}

    def add(self, name, layer, *values):
        """Add a layer that takes `values`, and return its name."""
        self.layers[name] = (layer, values)
        self.outputs = (name,)
        return name

    @property
    def parameters(self):
        """Return all parameters, and running statistics, by name."""
        return {f"{name}.{key}": array for name, (layer, _) in self.layers.items() for key, array in layer.parameters.items()}

    @property
    def gradients(self):
        """Return the gradients of the last backward pass by the parameters' names."""
        return {f"{name}.{key}": array for name, (layer, _) in self.layers.items() for key, array in layer.gradients.items()}

    def __call__(self, *inputs, training=False):
        """Return the output, or a tuple of several; `values` then holds every layer's."""
        self.values = dict(zip(self.inputs, inputs, strict=True))
        for name, (layer, taken) in self.layers.items():
            self.values[name] = layer(*(self.values[value] for value in taken), training=training)
        outputs = tuple(self.values[name] for name in self.outputs)
        return outputs if len(outputs) > 1 else outputs[0]

    def backward(self, *gradients):
        """Fill the layers' gradients from those of the outputs; return those of the inputs."""
        found = {}
        for name, d in zip(self.outputs, gradients, strict=True):
            found[name] = found.get(name, 0) + d
        for name, (layer, taken) in reversed(self.layers.items()):
            if name in found:
                for value, d in zip(taken, layer.backward(found.pop(name)), strict=True):
                    found[value] = found[value] + d if value in found else d
        inputs = tuple(found.get(name) for name in self.inputs)
        return inputs if len(inputs) > 1 else inputs[0]

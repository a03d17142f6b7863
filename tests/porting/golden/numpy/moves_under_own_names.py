"""Moves: 820 parameters, for inputs of 4x6x5."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from safetensors.numpy import load_file


class Layer:
    """Be a step of a network, with `parameters` and, after `backward`, `gradients`."""

    def __init__(self, **parameters):
        self.parameters = parameters
        self.gradients = {}


def pair(value):
    """Return (vertical, horizontal), given a pair or one number for both."""
    return value if isinstance(value, tuple) else (value, value)


def sides(value):
    """Return ((top, bottom), (left, right)), given them or fewer numbers."""
    vertical, horizontal = pair(value)
    return pair(vertical), pair(horizontal)


def padded(x, padding, value=0.0):
    """Return `x` with a border of ((top, bottom), (left, right)) pixels."""
    return np.pad(x, ((0, 0), (0, 0), *padding), constant_values=value)


def cropped(x, padding):
    """Return `x` without its border."""
    (top, bottom), (left, right) = padding
    return x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]


def windows_of(x, size, stride, dilation=(1, 1)):
    """Return every window of `x` as a view of shape (N, C, rows, columns, *size)."""
    reach = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    view = sliding_window_view(x, reach, axis=(2, 3))
    view = view[:, :, :: stride[0], :: stride[1]]
    return view[..., :: dilation[0], :: dilation[1]]


def window_slices(i, j, shape, stride, dilation=(1, 1)):
    """Return where the pixels (i, j) of all windows lie; `shape` counts the windows."""
    top, left = i * dilation[0], j * dilation[1]
    rows = slice(top, top + stride[0] * (shape[0] - 1) + 1, stride[0])
    columns = slice(left, left + stride[1] * (shape[1] - 1) + 1, stride[1])
    return np.s_[:, :, rows, columns]


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
    """Be layers by name, each with the names of the values that it takes, in order.

    The inputs have names, and a layer's name is that of its value. The output is the
    last layer's value, unless `outputs` names others.
    """

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
        return {
            f"{name}.{key}": array
            for name, (layer, _) in self.layers.items()
            for key, array in layer.parameters.items()
        }

    @property
    def gradients(self):
        """Return the gradients of the last backward pass by the parameters' names."""
        return {
            f"{name}.{key}": array
            for name, (layer, _) in self.layers.items()
            for key, array in layer.gradients.items()
        }

    def __call__(self, *inputs, training=False):
        """Return the output, or a tuple of several; `values` then holds all values."""
        self.values = dict(zip(self.inputs, inputs, strict=True))
        for name, (layer, taken) in self.layers.items():
            values = [self.values[value] for value in taken]
            self.values[name] = layer(*values, training=training)
        outputs = tuple(self.values[name] for name in self.outputs)
        return outputs if len(outputs) > 1 else outputs[0]

    def backward(self, *gradients):
        """Fill the layers' gradients from those of the outputs.

        Return the inputs' gradients, None for an input that no output depends on.
        """
        found = {}
        for name, d in zip(self.outputs, gradients, strict=True):
            found[name] = found.get(name, 0) + d
        for name, (layer, taken) in reversed(self.layers.items()):
            if name in found:
                back = layer.backward(found.pop(name))
                for value, d in zip(taken, back, strict=True):
                    found[value] = found.get(value, 0) + d
        inputs = tuple(found.get(name) for name in self.inputs)
        return inputs if len(inputs) > 1 else inputs[0]


class Moves(Network):
    def __init__(self):
        super().__init__("input")
        x = self.add("border", Pad(((1, 0), (0, 2)), value=0.5), "input")  # 4x7x7
        x = self.add("last", Transpose(0, 2, 3, 1), x)  # 7x7x4
        x = self.add("shaped", Reshape(7, 4, 7), x)  # 7x4x7
        x = self.add("hard", Hardsigmoid(slope=0.2), x)
        x = self.add("mean", PaddedAvgPool2d(3, stride=2, padding=((1, 0), (0, 1))), x)
        x = self.add("most", MaxPool2d(2, stride=1, padding=((1, 1), (1, 0))), x)
        x = self.add(
            "wide", ConvTranspose2d(7, 3, 3, stride=2, crop=((0, 2), (1, 0))), x
        )  # 3x5x6
        x = self.add("same", Conv2d(3, 6, 3, stride=2, padding=((1, 1), (0, 1))), x)
        x = self.add("layernorm", LayerNorm((6, 3), axes=(1, 3), shift=False), x)
        x = self.add("batchnorm", BatchNorm2d(6, scale=False), x)
        y = self.add("thrice", Add(), x, x, x)
        x = self.add("joined", Concat(axis=2), x, y)  # 6x6x3
        x = self.add("flat", Flatten(), x)  # 108
        x = self.add("scores", Linear(108, 4), x)
        self.add("logs", LogSoftmax(), x)


def load_weights(net, path):
    """Read the weights from a safetensors file."""
    arrays = load_file(path)
    for name, parameter in net.parameters.items():
        parameter[...] = arrays[name]

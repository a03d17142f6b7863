"""DenseNet: 5,748 parameters, for inputs of 3x16x16."""

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


class GlobalAvgPool2d(Layer):
    """Take the mean of each channel."""

    def __call__(self, x, training=False):
        self.shape = x.shape
        return x.mean((2, 3), keepdims=True)

    def backward(self, dy):
        pixels = self.shape[2] * self.shape[3]
        return (np.broadcast_to(dy / pixels, self.shape),)


class ReLU(Layer):
    """Return max(x, 0)."""

    def __call__(self, x, training=False):
        self.positive = x > 0
        return np.maximum(x, 0)

    def backward(self, dy):
        return (dy * self.positive,)


class Flatten(Layer):
    """Lay each sample out as a vector."""

    def __call__(self, x, training=False):
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy):
        return (dy.reshape(self.shape),)


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


class DenseNet(Network):
    def __init__(self):
        super().__init__("input")
        x = self.add("conv0", Conv2d(3, 8, 3, padding=1, bias=False), "input")
        x = self.denseblock("denseblock1", x, 8, 12, 16)  # 20x16x16
        x = self.add("transition.norm", BatchNorm2d(20, unbiased=True), x)
        x = self.add("transition.relu", ReLU(), x)
        x = self.add("transition.conv", Conv2d(20, 10, 1), x)  # 10x16x16
        x = self.add("transition.pool", AvgPool2d(2), x)  # 10x8x8
        x = self.denseblock("denseblock2", x, 10, 14, 18)  # 22x8x8
        x = self.add("avgpool", GlobalAvgPool2d(), x)  # 22x1x1
        x = self.add("flatten1", Flatten(), x)  # 22
        self.add("fc", Linear(22, 10), x)

    def layer(self, name, x, y, in_channels):
        x = self.add(f"{name}.concat", Concat(), x, y)
        x = self.add(f"{name}.norm1", BatchNorm2d(in_channels, unbiased=True), x)
        x = self.add(f"{name}.relu1", ReLU(), x)
        x = self.add(f"{name}.conv1", Conv2d(in_channels, 16, 1, bias=False), x)
        x = self.add(f"{name}.norm2", BatchNorm2d(16, unbiased=True), x)
        x = self.add(f"{name}.relu2", ReLU(), x)
        return self.add(f"{name}.conv2", Conv2d(16, 4, 3, padding=1, bias=False), x)

    def layer2(self, name, x, y, z, in_channels):
        x = self.add(f"{name}.concat", Concat(), x, y, z)
        x = self.add(f"{name}.norm1", BatchNorm2d(in_channels, unbiased=True), x)
        x = self.add(f"{name}.relu1", ReLU(), x)
        x = self.add(f"{name}.conv1", Conv2d(in_channels, 16, 1, bias=False), x)
        x = self.add(f"{name}.norm2", BatchNorm2d(16, unbiased=True), x)
        x = self.add(f"{name}.relu2", ReLU(), x)
        return self.add(f"{name}.conv2", Conv2d(16, 4, 3, padding=1, bias=False), x)

    def denseblock(self, name, x, in_channels, layer2_channels, layer3_channels):
        layer1 = self.add(
            f"{name}.layer1.norm1", BatchNorm2d(in_channels, unbiased=True), x
        )
        layer1 = self.add(f"{name}.layer1.relu1", ReLU(), layer1)
        layer1 = self.add(
            f"{name}.layer1.conv1", Conv2d(in_channels, 16, 1, bias=False), layer1
        )
        layer1 = self.add(
            f"{name}.layer1.norm2", BatchNorm2d(16, unbiased=True), layer1
        )
        layer1 = self.add(f"{name}.layer1.relu2", ReLU(), layer1)
        layer1 = self.add(
            f"{name}.layer1.conv2", Conv2d(16, 4, 3, padding=1, bias=False), layer1
        )
        layer2 = self.layer(f"{name}.layer2", x, layer1, layer2_channels)
        layer3 = self.layer2(f"{name}.layer3", x, layer1, layer2, layer3_channels)
        return self.add(f"{name}.concat", Concat(), x, layer1, layer2, layer3)


def load_weights(net, path):
    """Read the weights from a safetensors file."""
    arrays = load_file(path)
    for name, parameter in net.parameters.items():
        parameter[...] = arrays[name]

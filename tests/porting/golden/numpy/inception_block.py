"""InceptionBlock: 163,696 parameters, for inputs of 192x28x28."""

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


class ReLU(Layer):
    """Return max(x, 0)."""

    def __call__(self, x, training=False):
        self.positive = x > 0
        return np.maximum(x, 0)

    def backward(self, dy):
        return (dy * self.positive,)


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


class InceptionBlock(Network):
    def __init__(self):
        super().__init__("input")
        branch1 = self.add("branch1.conv1", Conv2d(192, 64, 1), "input")  # 64x28x28
        branch1 = self.add("branch1.relu1", ReLU(), branch1)
        branch2 = self.add("branch2.conv1", Conv2d(192, 96, 1), "input")  # 96x28x28
        branch2 = self.add("branch2.relu1", ReLU(), branch2)
        branch2 = self.add("branch2.conv2", Conv2d(96, 128, 3, padding=1), branch2)
        branch2 = self.add("branch2.relu2", ReLU(), branch2)
        branch3 = self.add("branch3.conv1", Conv2d(192, 16, 1), "input")  # 16x28x28
        branch3 = self.add("branch3.relu1", ReLU(), branch3)
        branch3 = self.add("branch3.conv2", Conv2d(16, 32, 5, padding=2), branch3)
        branch3 = self.add("branch3.relu2", ReLU(), branch3)
        x = self.add("branch4.pool", MaxPool2d(3, stride=1, padding=1), "input")
        x = self.add("branch4.conv1", Conv2d(192, 32, 1), x)
        x = self.add("branch4.relu1", ReLU(), x)
        self.add("concat1", Concat(), branch1, branch2, branch3, x)  # 256x28x28


def load_weights(net, path):
    """Read the weights from a safetensors file."""
    arrays = load_file(path)
    for name, parameter in net.parameters.items():
        parameter[...] = arrays[name]

"""ConvNeXt: 4,090 parameters, for inputs of 3x16x16."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from safetensors.numpy import load_file
from scipy.special import erf


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


class GlobalAvgPool2d(Layer):
    """Take the mean of each channel."""

    def __call__(self, x, training=False):
        self.shape = x.shape
        return x.mean((2, 3), keepdims=True)

    def backward(self, dy):
        pixels = self.shape[2] * self.shape[3]
        return (np.broadcast_to(dy / pixels, self.shape),)


class GELU(Layer):
    """Return x Phi(x)."""

    def __call__(self, x, training=False):
        phi = 0.5 * (1 + erf(x / np.sqrt(2)).astype(x.dtype))
        self.slope = phi + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi).astype(x.dtype)
        return x * phi

    def backward(self, dy):
        return (dy * self.slope,)


class Flatten(Layer):
    """Lay each sample out as a vector."""

    def __call__(self, x, training=False):
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy):
        return (dy.reshape(self.shape),)


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


class ConvNeXt(Network):
    def __init__(self):
        super().__init__("input")
        x = self.add("stem.conv", Conv2d(3, 8, 2, stride=2), "input")  # 8x8x8
        x = self.add("stem.norm", LayerNorm(8, eps=1e-6), x)
        for i in range(5):
            x = self.residual_block(f"blocks.{i}", x)
        x = self.add("avgpool", GlobalAvgPool2d(), x)  # 8x1x1
        x = self.add("flatten1", Flatten(), x)  # 8
        self.add("fc", Linear(8, 10), x)

    def residual_block(self, name, x):
        y = self.add(f"{name}.dwconv", GroupedConv2d(8, 8, 5, groups=8, padding=2), x)
        y = self.add(f"{name}.norm", LayerNorm(8, eps=1e-6), y)
        y = self.add(f"{name}.pwconv1", Conv2d(8, 32, 1), y)  # 32x8x8
        y = self.add(f"{name}.gelu", GELU(), y)
        y = self.add(f"{name}.pwconv2", Conv2d(32, 8, 1), y)  # 8x8x8
        return self.add(f"{name}.add", Add(), x, y)


def load_weights(net, path):
    """Read the weights from a safetensors file."""
    arrays = load_file(path)
    for name, parameter in net.parameters.items():
        parameter[...] = arrays[name]

"""Small classes that an emitted file brings along, each only where the network needs it."""

from __future__ import annotations

from collections.abc import Iterator

_SOURCES = {
    "UnbiasedBatchNormalization": '''
class UnbiasedBatchNormalization(layers.BatchNormalization):
    """Keep the unbiased running variance, as PyTorch does; Keras keeps the biased."""

    def call(self, inputs, training=None, mask=None):
        kept = self.momentum * ops.convert_to_tensor(self.moving_variance)
        outputs = super().call(inputs, training=training, mask=mask)
        if training and self.trainable:
            count = ops.cast(ops.size(inputs) // inputs.shape[self.axis], kept.dtype)
            moved = self.moving_variance - kept
            self.moving_variance.assign(kept + moved * count / (count - 1))
        return outputs
''',
    "LowestPadding2D": '''
class LowestPadding2D(layers.ZeroPadding2D):
    """Pad with -inf, which is never the maximum; a zero could be."""

    def call(self, inputs):
        widths = ((0, 0), *self.padding, (0, 0))
        return ops.pad(inputs, widths, constant_values=-float("inf"))
''',
    "ConstantPadding2D": '''
class ConstantPadding2D(layers.ZeroPadding2D):
    """Pad with a value other than zero."""

    def __init__(self, padding, value, **kwargs):
        super().__init__(padding, **kwargs)
        self.value = value

    def call(self, inputs):
        widths = ((0, 0), *self.padding, (0, 0))
        return ops.pad(inputs, widths, constant_values=self.value)

    def get_config(self):
        return {**super().get_config(), "value": self.value}
''',
    "TanhGELU": '''
class TanhGELU(layers.Layer):
    """Compute GELU by the tanh formula; the activation "gelu" is the exact one."""

    def call(self, inputs):
        return ops.gelu(inputs, approximate=True)
''',
    "HardSigmoid": '''
class HardSigmoid(layers.Layer):
    """Return slope * x + offset between 0 and 1; Keras' own has a slope of 1/6."""

    def __init__(self, slope, offset, **kwargs):
        super().__init__(**kwargs)
        self.slope, self.offset = slope, offset

    def call(self, inputs):
        # relu6 has the derivative 0 at both corners, and 6 is where it ends.
        return ops.relu6(6 * (self.slope * inputs + self.offset)) / 6

    def get_config(self):
        return {**super().get_config(), "slope": self.slope, "offset": self.offset}
''',
    "LogSoftmax": '''
class LogSoftmax(layers.Layer):
    """Compute the logarithm of a softmax along any axis; the activation takes the last."""

    def __init__(self, axis, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs):
        return ops.log_softmax(inputs, axis=self.axis)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}
''',
    "BorderedAveragePooling2D": '''
class BorderedAveragePooling2D(layers.Layer):
    """Average windows that reach over the border; of the padding `counted` counts."""

    def __init__(self, pool_size, strides, padding, counted, **kwargs):
        super().__init__(**kwargs)
        self.pool_size, self.strides = pool_size, strides
        self.padding, self.counted = padding, counted

    def call(self, inputs):
        (top, bottom), (left, right) = self.counted
        (above, below), (before, after) = self.padding
        inner = ((0, 0), (top, bottom), (left, right), (0, 0))
        rest = ((0, 0), (above - top, below - bottom), (before - left, after - right), (0, 0))

        def mean(x, value):
            x = ops.pad(ops.pad(x, inner, constant_values=value), rest)
            return ops.average_pool(x, self.pool_size, self.strides)

        # The same average of ones is the share of cells that count.
        return mean(inputs, 0) / mean(ops.ones_like(inputs[:1, :, :, :1]), 1)

    def get_config(self):
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
            "counted": self.counted,
        }
''',
    "AdaptivePooling2D": '''
class AdaptivePooling2D(layers.Layer):
    """Average over a number of windows; Keras' own cannot be compiled if one spans all."""

    def __init__(self, output_size, **kwargs):
        super().__init__(**kwargs)
        self.output_size = output_size

    def call(self, inputs):
        for axis, count in enumerate(self.output_size, 1):
            size = inputs.shape[axis]
            parts = []
            for i in range(count):
                window = range(i * size // count, -(-(i + 1) * size // count))
                parts.append(ops.mean(ops.take(inputs, list(window), axis), axis))
            inputs = ops.stack(parts, axis)
        return inputs

    def get_config(self):
        return {**super().get_config(), "output_size": self.output_size}
''',
    "GeneralConv2DTranspose": '''
class GeneralConv2DTranspose(layers.Layer):
    """Convolve transposed with groups and dilation, which Conv2DTranspose lacks.

    It is the convolution with the flipped kernel of an image with strides - 1 zeros
    behind each pixel and `padding` around; the kernel lies as in Conv2DTranspose.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides,
        padding,
        dilation_rate=1,
        groups=1,
        activation=None,
        use_bias=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.kernel_size = filters, kernel_size
        self.strides, self.padding = strides, padding
        self.dilation_rate, self.groups = dilation_rate, groups
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias

    def build(self, input_shape):
        shape = (*self.kernel_size, self.filters // self.groups, input_shape[-1])
        self.kernel = self.add_weight(shape, name="kernel")
        if self.use_bias:
            self.bias = self.add_weight((self.filters,), "zeros", name="bias")

    def call(self, inputs):
        _, height, width, channels = inputs.shape
        size, groups, (down, right) = self.kernel_size, self.groups, self.strides
        kernel = ops.flip(self.kernel, (0, 1))
        kernel = ops.reshape(kernel, (*size, -1, groups, channels // groups))
        kernel = ops.transpose(kernel, (0, 1, 4, 3, 2))
        kernel = ops.reshape(kernel, (*size, channels // groups, self.filters))
        x = ops.reshape(inputs, (-1, height, 1, width, 1, channels))
        x = ops.pad(x, ((0, 0), (0, 0), (0, down - 1), (0, 0), (0, right - 1), (0, 0)))
        x = ops.reshape(x, (-1, height * down, width * right, channels))
        x = ops.pad(x, ((0, 0), *self.padding, (0, 0)))
        x = ops.conv(x, kernel, dilation_rate=self.dilation_rate)
        return self.activation(x + self.bias if self.use_bias else x)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
        }
''',
}

_REGISTERED = "@keras.saving.register_keras_serializable()\n"


def source(name: str) -> str:
    """Return the source of one class."""
    return _SOURCES[name].strip()


def classes(used: set[str]) -> Iterator[str]:
    """Yield the sources of the classes called `used`, registered so that Keras can save and load networks that have them."""
    for name, source in _SOURCES.items():
        if name in used:
            yield _REGISTERED + source.strip()

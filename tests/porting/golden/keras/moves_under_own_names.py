"""Moves: 820 parameters, for inputs of 6x5x4."""

import keras
from keras import layers, ops
from safetensors.numpy import load_file


@keras.saving.register_keras_serializable()
class LowestPadding2D(layers.ZeroPadding2D):
    """Pad with -inf, which is never the maximum; a zero could be."""

    def call(self, inputs):
        widths = ((0, 0), *self.padding, (0, 0))
        return ops.pad(inputs, widths, constant_values=-float("inf"))


@keras.saving.register_keras_serializable()
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


@keras.saving.register_keras_serializable()
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


@keras.saving.register_keras_serializable()
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
        rest = (
            (0, 0),
            (above - top, below - bottom),
            (before - left, after - right),
            (0, 0),
        )

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


def Moves():
    inputs = keras.Input((6, 5, 4))
    x = ConstantPadding2D(((1, 0), (0, 2)), 0.5, name="border")(inputs)  # 7x7x4
    # Channels first, this is the order (0, 2, 3, 1).
    x = layers.Permute((2, 3, 1), name="last")(x)  # 7x4x7
    # The values are laid out anew in the order C, H, W.
    x = layers.Permute((3, 1, 2), name="shaped_permute")(x)
    x = layers.Reshape((7, 4, 7), name="shaped")(x)
    x = layers.Permute((2, 3, 1), name="shaped_permuted")(x)  # 4x7x7
    x = HardSigmoid(0.2, 0.5, name="hard")(x)
    x = BorderedAveragePooling2D(
        (3, 3),
        strides=(2, 2),
        padding=((1, 0), (0, 1)),
        counted=((0, 0), (0, 0)),
        name="mean",
    )(x)  # 2x3x7
    x = LowestPadding2D(((1, 1), (1, 0)), name="most_pad")(x)
    x = layers.MaxPooling2D(2, strides=1, name="most")(x)  # 3x3x7
    x = layers.Conv2DTranspose(3, 3, strides=2, name="wide")(x)
    x = layers.Cropping2D(((0, 2), (1, 0)), name="wide_crop")(x)  # 5x6x3
    x = layers.Conv2D(6, 3, strides=2, padding="same", name="same")(x)  # 3x3x6
    x = layers.LayerNormalization(
        axis=(2, 3), epsilon=1e-5, center=False, name="layernorm"
    )(x)
    x = layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, scale=False, name="batchnorm"
    )(x)
    y = layers.Add(name="thrice")([x, x, x])
    x = layers.Concatenate(axis=1, name="joined")([x, y])  # 6x3x6
    x = layers.Flatten(name="flat")(x)  # 108
    x = layers.Dense(4, name="scores")(x)
    outputs = layers.Activation("log_softmax", name="logs")(x)
    return keras.Model(inputs, outputs, name="moves")


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names and layouts."""
    roles = {
        "kernel": "weight",
        "bias": "bias",
        "gamma": "scale",
        "beta": "shift",
        "moving_mean": "mean",
        "moving_variance": "var",
    }
    arrays = load_file(path)
    # Images are flattened in the order H, W, C here, and in the order C, H, W there.
    weight = arrays["scores.weight"].reshape(-1, 6, 6, 3)
    arrays["scores.weight"] = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
    for layer in net.layers:
        for variable in layer.weights:
            array = arrays[f"{layer.name}.{roles[variable.name]}"]
            if variable.name == "kernel":  # OIHW to HWIO, or (out, in) to (in, out)
                array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
            elif layer.name == "layernorm":
                array = array.transpose(1, 0)
            variable.assign(array)

"""MobileNet: 18,818 parameters, for inputs of 32x32x3."""

import keras
from keras import layers, ops
from safetensors.numpy import load_file


@keras.saving.register_keras_serializable()
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


def conv_norm_activation(x, filters, name):
    x = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}.0")(x)
    x = UnbiasedBatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}.1")(x)
    return layers.ReLU(max_value=6, name=f"{name}.2")(x)


def conv_norm_activation2(x, name, strides=1):
    # Pads 1 on every side; "same" would pad 0 before and 1 after.
    x = layers.ZeroPadding2D(1, name=f"{name}.0_pad")(x)
    x = layers.DepthwiseConv2D(3, strides=strides, use_bias=False, name=f"{name}.0")(x)
    x = UnbiasedBatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}.1")(x)
    return layers.ReLU(max_value=6, name=f"{name}.2")(x)


def inverted_residual(x, filters, name):
    y = conv_norm_activation(x, filters, name=f"{name}.conv.0")
    y = conv_norm_activation2(y, name=f"{name}.conv.1")
    y = layers.Conv2D(filters // 6, 1, use_bias=False, name=f"{name}.conv.2")(y)
    y = UnbiasedBatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}.conv.3")(y)
    return layers.Add(name=f"{name}.add")([x, y])


def inverted_residual2(x, filters, conv_2_filters, name):
    x = conv_norm_activation(x, filters, name=f"{name}.conv.0")
    x = conv_norm_activation2(x, strides=2, name=f"{name}.conv.1")
    x = layers.Conv2D(conv_2_filters, 1, use_bias=False, name=f"{name}.conv.2")(x)
    return UnbiasedBatchNormalization(
        momentum=0.9, epsilon=1e-5, name=f"{name}.conv.3"
    )(x)


def MobileNet():
    inputs = keras.Input((32, 32, 3))
    # Pads 1 on every side; "same" would pad 0 before and 1 after.
    x = layers.ZeroPadding2D(1, name="features.0.0_pad")(inputs)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False, name="features.0.0")(x)
    x = UnbiasedBatchNormalization(momentum=0.9, epsilon=1e-5, name="features.0.1")(x)
    x = layers.ReLU(max_value=6, name="features.0.2")(x)
    x = inverted_residual(x, 48, name="features.1")
    x = inverted_residual2(x, 48, 12, name="features.2")  # 8x8x12
    for i in range(3, 6):
        x = inverted_residual(x, 72, name=f"features.{i}")
    x = inverted_residual2(x, 72, 16, name="features.6")  # 4x4x16
    x = inverted_residual(x, 96, name="features.7")
    x = layers.GlobalAveragePooling2D()(x)  # 16
    x = layers.Dropout(0.2, name="classifier.0")(x)
    outputs = layers.Dense(10, name="classifier.1")(x)
    return keras.Model(inputs, outputs, name="mobilenet")


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
    for layer in net.layers:
        for variable in layer.weights:
            array = arrays[f"{layer.name}.{roles[variable.name]}"]
            if isinstance(layer, layers.DepthwiseConv2D) and variable.name == "kernel":
                rows, columns, channels, multiplier = variable.shape
                array = array.reshape(channels, multiplier, rows, columns)
                array = array.transpose(2, 3, 0, 1)
            elif variable.name == "kernel":  # OIHW to HWIO, or (out, in) to (in, out)
                array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
            variable.assign(array)

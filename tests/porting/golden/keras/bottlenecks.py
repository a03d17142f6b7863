"""ResNet29: 33,714 parameters, for inputs of 32x32x3."""

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


def bottleneck(x, filters, name, strides=1, downsample=False):
    y = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}.conv1")(x)
    y = UnbiasedBatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}.bn1")(y)
    y = layers.ReLU(name=f"{name}.relu1")(y)
    # Pads 1 on every side; "same" would pad 0 before and 1 after.
    y = layers.ZeroPadding2D(1, name=f"{name}.conv2_pad")(y)
    y = layers.Conv2D(
        filters, 3, strides=strides, use_bias=False, name=f"{name}.conv2"
    )(y)
    y = UnbiasedBatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}.bn2")(y)
    y = layers.ReLU(name=f"{name}.relu2")(y)
    y = layers.Conv2D(4 * filters, 1, use_bias=False, name=f"{name}.conv3")(y)
    y = UnbiasedBatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}.bn3")(y)
    if downsample:
        x = layers.Conv2D(
            4 * filters, 1, strides=strides, use_bias=False, name=f"{name}.downsample.0"
        )(x)
        x = UnbiasedBatchNormalization(
            momentum=0.9, epsilon=1e-5, name=f"{name}.downsample.1"
        )(x)
    y = layers.Add(name=f"{name}.add")([y, x])
    return layers.ReLU(name=f"{name}.relu3")(y)


def ResNet29():
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv1")(inputs)
    x = UnbiasedBatchNormalization(momentum=0.9, epsilon=1e-5, name="bn1")(x)
    x = layers.ReLU(name="relu")(x)
    x = bottleneck(x, 8, downsample=True, name="layer1.0")  # 32x32x32
    x = bottleneck(x, 8, name="layer1.1")
    x = bottleneck(x, 12, strides=2, downsample=True, name="layer2.0")  # 16x16x48
    x = bottleneck(x, 12, name="layer2.1")
    x = bottleneck(x, 12, name="layer2.2")
    x = bottleneck(x, 16, strides=2, downsample=True, name="layer3.0")  # 8x8x64
    for i in range(1, 4):
        x = bottleneck(x, 16, name=f"layer3.{i}")
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)  # 64
    outputs = layers.Dense(10, name="fc")(x)
    return keras.Model(inputs, outputs, name="resnet29")


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
            if variable.name == "kernel":  # OIHW to HWIO, or (out, in) to (in, out)
                array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
            variable.assign(array)

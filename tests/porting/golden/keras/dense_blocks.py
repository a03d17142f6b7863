"""DenseNet: 5,748 parameters, for inputs of 16x16x3."""

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


def layer(x, y, name):
    x = layers.Concatenate(name=f"{name}.concat")([x, y])
    x = UnbiasedBatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}.norm1")(x)
    x = layers.ReLU(name=f"{name}.relu1")(x)
    x = layers.Conv2D(16, 1, use_bias=False, name=f"{name}.conv1")(x)
    x = UnbiasedBatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}.norm2")(x)
    x = layers.ReLU(name=f"{name}.relu2")(x)
    return layers.Conv2D(4, 3, padding="same", use_bias=False, name=f"{name}.conv2")(x)


def layer2_block(x, y, z, name):
    x = layers.Concatenate(name=f"{name}.concat")([x, y, z])
    x = UnbiasedBatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}.norm1")(x)
    x = layers.ReLU(name=f"{name}.relu1")(x)
    x = layers.Conv2D(16, 1, use_bias=False, name=f"{name}.conv1")(x)
    x = UnbiasedBatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}.norm2")(x)
    x = layers.ReLU(name=f"{name}.relu2")(x)
    return layers.Conv2D(4, 3, padding="same", use_bias=False, name=f"{name}.conv2")(x)


def denseblock(x, name):
    layer1 = UnbiasedBatchNormalization(
        momentum=0.9, epsilon=1e-5, name=f"{name}.layer1.norm1"
    )(x)
    layer1 = layers.ReLU(name=f"{name}.layer1.relu1")(layer1)
    layer1 = layers.Conv2D(16, 1, use_bias=False, name=f"{name}.layer1.conv1")(layer1)
    layer1 = UnbiasedBatchNormalization(
        momentum=0.9, epsilon=1e-5, name=f"{name}.layer1.norm2"
    )(layer1)
    layer1 = layers.ReLU(name=f"{name}.layer1.relu2")(layer1)
    layer1 = layers.Conv2D(
        4, 3, padding="same", use_bias=False, name=f"{name}.layer1.conv2"
    )(layer1)
    layer2 = layer(x, layer1, name=f"{name}.layer2")
    layer3 = layer2_block(x, layer1, layer2, name=f"{name}.layer3")
    return layers.Concatenate(name=f"{name}.concat")([x, layer1, layer2, layer3])


def DenseNet():
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv0")(inputs)
    x = denseblock(x, name="denseblock1")  # 16x16x20
    x = UnbiasedBatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        name="transition.norm",
    )(x)
    x = layers.ReLU(name="transition.relu")(x)
    x = layers.Conv2D(10, 1, name="transition.conv")(x)  # 16x16x10
    x = layers.AveragePooling2D(2, name="transition.pool")(x)  # 8x8x10
    x = denseblock(x, name="denseblock2")  # 8x8x22
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)  # 22
    outputs = layers.Dense(10, name="fc")(x)
    return keras.Model(inputs, outputs, name="densenet")


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

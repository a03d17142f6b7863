"""UNet: 7,402 parameters, for inputs of 16x16x1."""

import keras
from keras import layers
from safetensors.numpy import load_file


def down(x, filters, name):
    x = layers.Conv2D(
        filters, 3, padding="same", activation="relu", name=f"{name}.conv1"
    )(x)
    return layers.Conv2D(
        filters, 3, padding="same", activation="relu", name=f"{name}.conv2"
    )(x)


def up(x, y, filters, name):
    x = layers.Conv2DTranspose(filters, 2, strides=2, name=f"{name}.upconv")(x)
    y = layers.Concatenate(name=f"{name}.concat")([y, x])
    x = layers.Conv2D(
        filters, 3, padding="same", activation="relu", name=f"{name}.double.conv1"
    )(y)
    return layers.Conv2D(
        filters, 3, padding="same", activation="relu", name=f"{name}.double.conv2"
    )(x)


def UNet():
    inputs = keras.Input((16, 16, 1))
    x = down(inputs, 4, name="down1")  # 16x16x4
    y = layers.MaxPooling2D(2)(x)  # 8x8x4
    y = down(y, 8, name="down2")  # 8x8x8
    z = layers.MaxPooling2D(2)(y)  # 4x4x8
    z = layers.Conv2D(16, 3, padding="same", activation="relu", name="middle.conv1")(z)
    z = layers.Conv2D(16, 3, padding="same", activation="relu", name="middle.conv2")(z)
    z = up(z, y, 8, name="up1")  # 8x8x8
    z = up(z, x, 4, name="up2")  # 16x16x4
    outputs = layers.Conv2D(2, 1, name="out")(z)  # 16x16x2
    return keras.Model(inputs, outputs, name="unet")


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names and layouts."""
    roles = {"kernel": "weight", "bias": "bias"}
    arrays = load_file(path)
    for layer in net.layers:
        for variable in layer.weights:
            array = arrays[f"{layer.name}.{roles[variable.name]}"]
            if variable.name == "kernel":  # OIHW to HWIO
                array = array.transpose(2, 3, 1, 0)
            variable.assign(array)

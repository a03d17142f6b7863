"""NiN: 1,992,166 parameters, for inputs of 224x224x1."""

import keras
from keras import layers
from safetensors.numpy import load_file


def block(x, filters, kernel_size, name, strides=1, padding="valid"):
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        activation="relu",
        name=f"{name}.conv1",
    )(x)
    x = layers.Conv2D(filters, 1, activation="relu", name=f"{name}.conv2")(x)
    return layers.Conv2D(filters, 1, activation="relu", name=f"{name}.conv3")(x)


def NiN():
    inputs = keras.Input((224, 224, 1))
    x = block(inputs, 96, 11, strides=4, name="block1")  # 54x54x96
    x = layers.MaxPooling2D(3, strides=2)(x)  # 26x26x96
    x = block(x, 256, 5, padding="same", name="block2")  # 26x26x256
    x = layers.MaxPooling2D(3, strides=2)(x)  # 12x12x256
    x = block(x, 384, 3, padding="same", name="block3")  # 12x12x384
    x = layers.MaxPooling2D(3, strides=2)(x)  # 5x5x384
    x = layers.Dropout(0.5, name="dropout")(x)
    x = block(x, 10, 3, padding="same", name="block4")  # 5x5x10
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)  # 1x1x10
    outputs = layers.Flatten(name="flatten")(x)  # 10
    return keras.Model(inputs, outputs, name="nin")


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

"""SqueezeNet10: 3,040 parameters, for inputs of 16x16x3."""

import keras
from keras import layers
from safetensors.numpy import load_file


def block(x, filters, kernel_size, name, padding="valid"):
    x = layers.Conv2D(filters, kernel_size, padding=padding, name=f"{name}.0")(x)
    return layers.ReLU(name=f"{name}.1")(x)


def concurrent(x, filters, name):
    y = block(x, filters, 1, name=f"{name}.0")
    x = block(x, filters, 3, padding="same", name=f"{name}.1")
    return layers.Concatenate(name=f"{name}.concat")([y, x])


def block2(x, filters, name):
    x = block(x, filters, 1, name=f"{name}.0")
    return concurrent(x, 2 * filters, name=f"{name}.1")


def SqueezeNet10():
    inputs = keras.Input((16, 16, 3))
    x = block2(inputs, 4, name="features.0")  # 16x16x16
    x = block2(x, 6, name="features.1")  # 16x16x24
    x = block2(x, 8, name="features.2")  # 16x16x32
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)  # 32
    outputs = layers.Dense(10, name="fc")(x)
    return keras.Model(inputs, outputs, name="squeezenet1.0")


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names and layouts."""
    roles = {"kernel": "weight", "bias": "bias"}
    arrays = load_file(path)
    for layer in net.layers:
        for variable in layer.weights:
            array = arrays[f"{layer.name}.{roles[variable.name]}"]
            if variable.name == "kernel":  # OIHW to HWIO, or (out, in) to (in, out)
                array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
            variable.assign(array)

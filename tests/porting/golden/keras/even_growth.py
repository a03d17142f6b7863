"""Growth: 880 parameters, for inputs of 8x8x4."""

import keras
from keras import layers
from safetensors.numpy import load_file


def dense_layer(x, name):
    y = layers.ReLU(name=f"{name}.1.0")(x)
    y = layers.Conv2D(2, 3, padding="same", name=f"{name}.1.1")(y)  # 8x8x2
    return layers.Concatenate(name=f"{name}.concat")([x, y])


def Growth():
    inputs = keras.Input((8, 8, 4))
    x = dense_layer(inputs, name="dense.0")  # 8x8x6
    for i in range(1, 5):
        x = dense_layer(x, name=f"dense.{i}")
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)  # 14
    outputs = layers.Dense(10, name="fc")(x)
    return keras.Model(inputs, outputs, name="growth")


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

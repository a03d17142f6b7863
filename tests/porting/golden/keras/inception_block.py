"""InceptionBlock: 163,696 parameters, for inputs of 28x28x192."""

import keras
from keras import layers
from safetensors.numpy import load_file


def branch(x, filters, conv2_filters, kernel_size, name):
    x = layers.Conv2D(filters, 1, name=f"{name}.conv1")(x)
    x = layers.ReLU(name=f"{name}.relu1")(x)
    x = layers.Conv2D(
        conv2_filters,
        kernel_size,
        padding="same",
        name=f"{name}.conv2",
    )(x)
    return layers.ReLU(name=f"{name}.relu2")(x)


def InceptionBlock():
    inputs = keras.Input((28, 28, 192))
    branch1 = layers.Conv2D(64, 1, name="branch1.conv1")(inputs)  # 28x28x64
    branch1 = layers.ReLU(name="branch1.relu1")(branch1)
    branch2 = branch(inputs, 96, 128, 3, name="branch2")  # 28x28x128
    branch3 = branch(inputs, 16, 32, 5, name="branch3")  # 28x28x32
    x = layers.MaxPooling2D(3, strides=1, padding="same", name="branch4.pool")(inputs)
    x = layers.Conv2D(32, 1, name="branch4.conv1")(x)
    x = layers.ReLU(name="branch4.relu1")(x)
    outputs = layers.Concatenate()([branch1, branch2, branch3, x])  # 28x28x256
    return keras.Model(inputs, outputs, name="inception-block")


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

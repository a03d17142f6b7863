"""VGG: 9,554 parameters, for inputs of 32x32x1."""

import keras
from keras import layers
from safetensors.numpy import load_file


def block(x, filters, convs, name):
    for i in range(1, convs + 1):
        x = layers.Conv2D(filters, 3, padding="same", name=f"{name}.conv{i}")(x)
        x = layers.ReLU(name=f"{name}.relu{i}")(x)
    return layers.MaxPooling2D(2, name=f"{name}.pool")(x)


def VGG():
    inputs = keras.Input((32, 32, 1))
    x = block(inputs, 4, convs=1, name="block1")  # 16x16x4
    x = block(x, 8, convs=1, name="block2")  # 8x8x8
    x = block(x, 12, convs=2, name="block3")  # 4x4x12
    x = block(x, 16, convs=3, name="block4")  # 2x2x16
    x = layers.Flatten(name="flatten")(x)  # 64
    outputs = layers.Dense(10, name="linear")(x)
    return keras.Model(inputs, outputs, name="vgg")


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names and layouts."""
    roles = {"kernel": "weight", "bias": "bias"}
    arrays = load_file(path)
    # Images are flattened in the order H, W, C here, and in the order C, H, W there.
    weight = arrays["linear.weight"].reshape(-1, 16, 2, 2)
    arrays["linear.weight"] = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
    for layer in net.layers:
        for variable in layer.weights:
            array = arrays[f"{layer.name}.{roles[variable.name]}"]
            if variable.name == "kernel":  # OIHW to HWIO, or (out, in) to (in, out)
                array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
            variable.assign(array)

"""VGG11: 128,806,154 parameters, for inputs of 224x224x1."""

import keras
from keras import layers
from safetensors.numpy import load_file


def block(x, filters, convs, name):
    for i in range(1, convs + 1):
        x = layers.Conv2D(filters, 3, padding="same", name=f"{name}.conv{i}")(x)
        x = layers.ReLU(name=f"{name}.relu{i}")(x)
    return layers.MaxPooling2D(2, name=f"{name}.pool")(x)


def VGG11():
    inputs = keras.Input((224, 224, 1))
    x = block(inputs, 64, convs=1, name="block1")  # 112x112x64
    x = block(x, 128, convs=1, name="block2")  # 56x56x128
    x = block(x, 256, convs=2, name="block3")  # 28x28x256
    x = block(x, 512, convs=2, name="block4")  # 14x14x512
    x = block(x, 512, convs=2, name="block5")  # 7x7x512
    x = layers.Flatten(name="flatten")(x)  # 25088
    x = layers.Dense(4096, activation="relu", name="linear1")(x)
    x = layers.Dropout(0.5)(x)
    x = layers.Dense(4096, activation="relu", name="linear2")(x)
    x = layers.Dropout(0.5)(x)
    outputs = layers.Dense(10, name="linear3")(x)
    return keras.Model(inputs, outputs, name="vgg11")


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names and layouts."""
    roles = {"kernel": "weight", "bias": "bias"}
    arrays = load_file(path)
    # Images are flattened in the order H, W, C here, and in the order C, H, W there.
    weight = arrays["linear1.weight"].reshape(-1, 512, 7, 7)
    arrays["linear1.weight"] = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
    for layer in net.layers:
        for variable in layer.weights:
            array = arrays[f"{layer.name}.{roles[variable.name]}"]
            if variable.name == "kernel":  # OIHW to HWIO, or (out, in) to (in, out)
                array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
            variable.assign(array)

"""SENet: 5,740 parameters, for inputs of 16x16x8."""

import keras
from keras import layers
from safetensors.numpy import load_file


def se(x, filters, name):
    y = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}.pool")(x)
    y = layers.Conv2D(filters, 1, activation="relu", name=f"{name}.fc1")(y)
    y = layers.Conv2D(4 * filters, 1, activation="hard_sigmoid", name=f"{name}.fc2")(y)
    return layers.Multiply(name=f"{name}.mul")([x, y])


def block(x, filters, name):
    x = layers.Conv2D(filters, 3, padding="same", name=f"{name}.conv")(x)
    x = se(x, filters // 4, name=f"{name}.se")
    return layers.Activation("hard_silu", name=f"{name}.hardswish")(x)


def SENet():
    inputs = keras.Input((16, 16, 8))
    x = block(inputs, 8, name="block1")  # 16x16x8
    x = block(x, 16, name="block2")  # 16x16x16
    x = block(x, 24, name="block3")  # 16x16x24
    # The values are needed in the order C, H, W.
    output2 = layers.Permute((3, 1, 2), name="flatten1_permute")(x)
    output2 = layers.Flatten(name="flatten1")(output2)  # 6144
    return keras.Model(inputs, {"map": x, "vector": output2}, name="se-net")


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

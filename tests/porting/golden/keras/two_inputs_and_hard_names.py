"""Siamese: 587 parameters, for inputs of 8x8x2 and 8x8x2."""

import keras
from keras import layers
from safetensors.numpy import load_file


def Siamese():
    left_input = keras.Input((8, 8, 2), name="left")
    right_input = keras.Input((8, 8, 2), name="right")
    left = layers.Conv2D(4, 3, name="left-arm.conv")(left_input)  # 6x6x4
    right = layers.Conv2D(4, 3, name="right-arm.conv")(right_input)
    left = layers.Activation("tanh", name="left-arm.0")(left)
    right = layers.Activation("sigmoid", name="right-arm.type")(right)
    right = layers.Multiply(name="fused")([left, right, left])
    right = layers.Add(name="train.sum")([right, left])
    x = layers.Flatten(name="train.class")(right)  # 144
    x = layers.Dense(3, name="train.1")(x)
    output1 = layers.Softmax(name="softmax")(x)
    return keras.Model([left_input, right_input], [output1, right], name="siamese")


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names and layouts."""
    roles = {"kernel": "weight", "bias": "bias"}
    arrays = load_file(path)
    # Images are flattened in the order H, W, C here, and in the order C, H, W there.
    weight = arrays["train.1.weight"].reshape(-1, 4, 6, 6)
    arrays["train.1.weight"] = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
    for layer in net.layers:
        for variable in layer.weights:
            array = arrays[f"{layer.name}.{roles[variable.name]}"]
            if variable.name == "kernel":  # OIHW to HWIO, or (out, in) to (in, out)
                array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
            variable.assign(array)

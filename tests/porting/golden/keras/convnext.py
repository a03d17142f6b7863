"""ConvNeXt: 4,090 parameters, for inputs of 16x16x3."""

import keras
from keras import layers
from safetensors.numpy import load_file


def residual_block(x, name):
    y = layers.DepthwiseConv2D(5, padding="same", name=f"{name}.dwconv")(x)
    y = layers.LayerNormalization(epsilon=1e-6, name=f"{name}.norm")(y)
    y = layers.Conv2D(32, 1, activation="gelu", name=f"{name}.pwconv1")(y)  # 8x8x32
    y = layers.Conv2D(8, 1, name=f"{name}.pwconv2")(y)  # 8x8x8
    return layers.Add(name=f"{name}.add")([x, y])


def ConvNeXt():
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 2, strides=2, name="stem.conv")(inputs)  # 8x8x8
    x = layers.LayerNormalization(epsilon=1e-6, name="stem.norm")(x)
    for i in range(5):
        x = residual_block(x, name=f"blocks.{i}")
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)  # 8
    outputs = layers.Dense(10, name="fc")(x)
    return keras.Model(inputs, outputs, name="convnext")


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names and layouts."""
    roles = {"kernel": "weight", "bias": "bias", "gamma": "scale", "beta": "shift"}
    arrays = load_file(path)
    for layer in net.layers:
        for variable in layer.weights:
            array = arrays[f"{layer.name}.{roles[variable.name]}"]
            if isinstance(layer, layers.DepthwiseConv2D) and variable.name == "kernel":
                rows, columns, channels, multiplier = variable.shape
                array = array.reshape(channels, multiplier, rows, columns)
                array = array.transpose(2, 3, 0, 1)
            elif variable.name == "kernel":  # OIHW to HWIO, or (out, in) to (in, out)
                array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
            variable.assign(array)

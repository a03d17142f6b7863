"""ResNet18: 11,178,378 parameters, for inputs of 224x224x1."""

import keras
from keras import layers
from safetensors.numpy import load_file


def residual_block(x, filters, name, strides=1, project=False):
    # Pads 1 on every side; "same" would pad 0 before and 1 after.
    y = layers.ZeroPadding2D(1, name=f"{name}.conv1_pad")(x)
    y = layers.Conv2D(filters, 3, strides=strides, name=f"{name}.conv1")(y)
    y = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}.norm1")(y)
    y = layers.ReLU(name=f"{name}.relu1")(y)
    y = layers.Conv2D(filters, 3, padding="same", name=f"{name}.conv2")(y)
    y = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}.norm2")(y)
    if project:
        x = layers.Conv2D(filters, 1, strides=strides, name=f"{name}.conv3")(x)
    y = layers.Add(name=f"{name}.add")([y, x])
    return layers.ReLU(name=f"{name}.relu2")(y)


def stage(x, filters, name, strides=1, project=False):
    x = residual_block(
        x, filters, strides=strides, project=project, name=f"{name}.block1"
    )
    return residual_block(x, filters, name=f"{name}.block2")


def ResNet18():
    inputs = keras.Input((224, 224, 1))
    # Pads 3 on every side; "same" would pad 2 before and 3 after.
    x = layers.ZeroPadding2D(3, name="conv1_pad")(inputs)
    x = layers.Conv2D(64, 7, strides=2, name="conv1")(x)  # 112x112x64
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="norm1")(x)
    x = layers.ReLU()(x)
    # Pads 1 on every side; "same" would pad 0 before and 1 after. Zeros are safe:
    # no value is below 0.
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)  # 56x56x64
    x = stage(x, 64, name="stage1")
    x = stage(x, 128, strides=2, project=True, name="stage2")  # 28x28x128
    x = stage(x, 256, strides=2, project=True, name="stage3")  # 14x14x256
    x = stage(x, 512, strides=2, project=True, name="stage4")  # 7x7x512
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)  # 1x1x512
    x = layers.Flatten(name="flatten")(x)  # 512
    outputs = layers.Dense(10, name="linear")(x)
    return keras.Model(inputs, outputs, name="resnet18")


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names and layouts."""
    roles = {
        "kernel": "weight",
        "bias": "bias",
        "gamma": "scale",
        "beta": "shift",
        "moving_mean": "mean",
        "moving_variance": "var",
    }
    arrays = load_file(path)
    for layer in net.layers:
        for variable in layer.weights:
            array = arrays[f"{layer.name}.{roles[variable.name]}"]
            if variable.name == "kernel":  # OIHW to HWIO, or (out, in) to (in, out)
                array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
            variable.assign(array)

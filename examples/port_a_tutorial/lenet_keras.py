"""LeNet: 170,988 parameters, for inputs of 28x28x1."""

import keras
import tensorflow as tf
from keras import layers
from safetensors.numpy import load_file


def LeNet():
    inputs = keras.Input((28, 28, 1))
    x = layers.Conv2D(20, 5, activation="relu")(inputs)  # 24x24x20
    x = layers.MaxPooling2D(2)(x)  # 12x12x20
    x = layers.Conv2D(50, 3, activation="relu")(x)  # 10x10x50
    x = layers.MaxPooling2D(2)(x)  # 5x5x50
    x = layers.Flatten()(x)  # 1250
    x = layers.Dense(128, activation="relu")(x)
    outputs = layers.Dense(10)(x)
    return keras.Model(inputs, outputs, name="lenet")


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names and layouts."""
    roles = {"kernel": "weight", "bias": "bias"}
    arrays = load_file(path)
    # Images are flattened in the order H, W, C here, and in the order C, H, W there.
    weight = arrays["linear1.weight"].reshape(-1, 50, 5, 5)
    arrays["linear1.weight"] = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
    names = ["conv1", "conv2", "linear1", "linear2"]
    held = [layer for layer in net.layers if layer.weights]
    for name, layer in zip(names, held, strict=True):
        for variable in layer.weights:
            array = arrays[f"{name}.{roles[variable.name]}"]
            if variable.name == "kernel":  # OIHW to HWIO, or (out, in) to (in, out)
                array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
            variable.assign(array)


def initialize(net):
    """Draw weights uniformly from [-0.07, 0.07]."""
    for variable in net.variables:
        if "kernel" in variable.name:
            draw = keras.initializers.RandomUniform(-0.07, 0.07)
            variable.assign(draw(variable.shape, variable.dtype))


def train(net, batches, epochs=10):
    """Train `net` for `epochs` epochs and return the loss of every step.

    `batches(epoch)` yields NumPy arrays (x, labels): 256 samples each, shuffled anew;
    the last one may be short.
    """
    optimizer = keras.optimizers.SGD(0.5)
    weights = net.trainable_variables

    @tf.function
    def step(x, labels):
        with tf.GradientTape() as tape:
            scores = net(x, training=True)
            loss = keras.losses.sparse_categorical_crossentropy(
                labels, scores, from_logits=True
            )
            loss = tf.reduce_mean(loss)
            # A short batch is divided by 256, too.
            scaled = loss * (x.shape[0] / 256)
        gradients = tape.gradient(scaled, weights)
        optimizer.apply(gradients, weights)
        return loss, scores

    losses = []
    for epoch in range(epochs):
        total, correct, n = 0.0, 0, 0
        for x, labels in batches(epoch):
            loss, scores = step(x, labels)
            losses.append(float(loss))
            total += losses[-1]
            correct += (scores.numpy().argmax(1) == labels).sum() / len(x)
            n += 1
        print(f"epoch {epoch + 1}: loss {total / n:.4f}, accuracy {correct / n:.4f}")
    return losses

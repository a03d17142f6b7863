"""Networks of Keras and TensorFlow that several tests read, and how what is read is proven."""

from __future__ import annotations

from typing import Any

import numpy as np

import unicnn as un
from unicnn.porting.reading import from_framework

from .keras_agreement import filled, keras, tf
from .proving import distances, worst

layers = keras.layers
TOLERANCE = 1e-10


def kinds(model: un.Model) -> list[str]:
    return [type(layer.op).__name__ for layer in model.layers]


def named(model: un.Model) -> list[str]:
    return [layer.name for layer in model.layers]


def proven(root: Any, *shapes: Any, **options: Any) -> Any:
    """Return what a network is read as, having compared values, outputs and gradients, and seen that a changed weight shows."""
    found = from_framework(root, list(shapes), **options)
    assert worst(distances(found))[1] < TOLERANCE
    last = [name for name in found.weights if name.endswith(("weight", "shift"))][-1]
    assert worst(distances(found, perturb=last))[1] > 1e-9
    return found


def lenet() -> Any:
    return filled(
        keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                layers.Conv2D(20, 5, activation="relu", name="conv1"),
                layers.MaxPooling2D(2),
                layers.Conv2D(50, 3, activation="relu", name="conv2"),
                layers.MaxPooling2D(2),
                layers.Flatten(),
                layers.Dense(128, activation="relu", name="linear1"),
                layers.Dense(10, name="linear2"),
            ],
            name="lenet",
        )
    )


def block(x: Any, channels: int, name: str, stride: int = 1) -> Any:
    y = layers.Conv2D(channels, 3, strides=stride, padding="same", use_bias=False, name=f"{name}.conv1")(x)
    y = layers.ReLU(name=f"{name}.relu1")(layers.BatchNormalization(name=f"{name}.norm1")(y))
    y = layers.BatchNormalization(name=f"{name}.norm2")(layers.Conv2D(channels, 3, padding="same", name=f"{name}.conv2")(y))
    if stride > 1:
        x = layers.Conv2D(channels, 1, strides=stride, name=f"{name}.conv3")(x)
    return layers.ReLU(name=f"{name}.relu2")(layers.Add(name=f"{name}.add")([y, x]))


def resnet() -> Any:
    x = keras.Input((12, 10, 3))
    y = block(block(layers.Conv2D(6, 3, name="conv1")(x), 6, "block1"), 8, "block2", stride=2)
    return filled(keras.Model(x, layers.Dense(5, name="linear")(layers.GlobalAveragePooling2D(name="pool")(y)), name="small-resnet"))


class Stage(layers.Layer):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs = [layers.Conv2D(channels, 3, padding="same"), layers.Conv2D(channels, 1)]
        self.norms = {"first": layers.BatchNormalization(), "second": layers.BatchNormalization()}

    def call(self, x: Any, training: bool = False) -> Any:
        for conv, norm in zip(self.convs, self.norms.values(), strict=True):
            x = tf.nn.relu(norm(conv(x), training=training))
        return x


KERNEL, OFFSET = tf.Variable(tf.zeros((2, 2, 3, 4)), name="kernel"), tf.Variable(tf.zeros(4), name="offset")


@tf.function
def compiled(x: Any) -> Any:
    return tf.nn.leaky_relu(tf.nn.conv2d(x, KERNEL, 1, "VALID") + OFFSET, alpha=0.1)


def plain(x: Any) -> Any:
    return compiled(x) * 2.0


class Module(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(np.random.default_rng(3).normal(size=(2, 2, 3, 4)).astype("float32"))
        self.offset = tf.Variable(np.random.default_rng(4).normal(size=4).astype("float32"))

    def __call__(self, x: Any) -> Any:
        return tf.nn.conv2d(x, self.kernel, [1, 1], "VALID") + self.offset


class Head(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.parts = [tf.Variable(np.random.default_rng(3).normal(size=(360, 5)).astype("float32")), tf.Variable(tf.zeros(5))]

    def __call__(self, x: Any) -> Any:
        return tf.reshape(x, (-1, 360)) @ self.parts[0] + self.parts[1]

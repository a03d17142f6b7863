"""Keras: LeNet in sequence, ResNet-50 of keras.applications."""

import keras
from keras import layers


def lenet() -> keras.Model:
    """Return the LeNet of the Gluon tutorial."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(20, 5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(50, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10),
        ]
    )


def resnet50() -> keras.Model:
    """Return ResNet-50 with random weights."""
    return keras.applications.ResNet50(weights=None)

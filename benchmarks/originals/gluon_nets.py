"""Gluon: the tutorial's LeNet, ResNet-50 of the model zoo."""

import numpy as np

np.bool = np.bool_  # MXNet 1.9 still says np.bool, which NumPy has dropped
import mxnet as mx  # noqa: E402
from mxnet.gluon import HybridBlock, nn  # noqa: E402
from mxnet.gluon.model_zoo import vision  # noqa: E402


def lenet() -> HybridBlock:
    """Return the tutorial's LeNet with its initial weights."""
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(20, kernel_size=5, activation="relu"),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Conv2D(50, kernel_size=3, activation="relu"),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Flatten(),
        nn.Dense(128, activation="relu"),
        nn.Dense(10),
    )
    net.initialize(mx.init.Uniform(0.07))
    return net


def resnet50() -> HybridBlock:
    """Return ResNet-50 with random weights."""
    net = vision.resnet50_v1()
    net.initialize(mx.init.Xavier())
    return net

"""The Gluon tutorial's LeNet."""

import mxnet as mx
from mxnet import init
from mxnet.gluon import nn


def lenet() -> nn.HybridSequential:
    net = nn.HybridSequential()
    net.add(nn.Conv2D(channels=20, kernel_size=5, activation="relu"))
    net.add(nn.MaxPool2D(pool_size=2, strides=2))
    net.add(nn.Conv2D(channels=50, kernel_size=3, activation="relu"))
    net.add(nn.MaxPool2D(pool_size=2, strides=2))
    net.add(nn.Flatten())
    net.add(nn.Dense(128, activation="relu"))
    net.add(nn.Dense(10))
    mx.random.seed(0)
    net.initialize(init.Uniform(0.07))
    return net

"""Siamese: 587 parameters, for inputs of 8x8x2 and 8x8x2."""

from functools import reduce

import jax.numpy as jnp
from flax import nnx
from safetensors.numpy import load_file


def flatten(x):
    """Return each sample as a vector."""
    return x.reshape(x.shape[0], -1)


def multiply(*values):
    """Return the product of several values."""
    return reduce(jnp.multiply, values)


class Siamese(nnx.Module):
    def __init__(self, *, rngs=None):
        rngs = rngs or nnx.Rngs(0)
        self.left_arm = nnx.Dict(
            {
                "conv": nnx.Conv(2, 4, kernel_size=(3, 3), padding="VALID", rngs=rngs),
                "0": nnx.tanh,
            }
        )
        self.right_arm = nnx.Dict(
            {
                "conv": nnx.Conv(2, 4, kernel_size=(3, 3), padding="VALID", rngs=rngs),
                "type_": nnx.sigmoid,
            }
        )
        self.fused = multiply
        self.train_ = nnx.Dict(
            {"sum_": jnp.add, "class_": flatten, "1": nnx.Linear(144, 3, rngs=rngs)}
        )
        self.softmax = nnx.softmax

    def __call__(self, left, right):
        left = self.left_arm["conv"](left)  # 6x6x4
        right = self.right_arm["conv"](right)  # 6x6x4
        left = self.left_arm["0"](left)  # 6x6x4
        right = self.fused(left, self.right_arm["type_"](right), left)  # 6x6x4
        right = self.train_["sum_"](right, left)  # 6x6x4
        x = self.train_["class_"](right)  # 144
        return self.softmax(self.train_["1"](x)), right


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names and layouts."""
    layers = {
        "left-arm.conv": "left_arm.conv",
        "right-arm.conv": "right_arm.conv",
        "train.1": "train_.1",
    }
    roles = {"weight": "kernel"}
    # What comes from an image has its channels last here, and first in the file.
    images = {"train.1": (4, 6, 6)}
    for name, value in load_file(path).items():
        place, _, role = name.rpartition(".")
        if role == "weight" and place in images:
            value = value.reshape(-1, *images[place])
        if role == "weight":
            value = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
        layer = net
        for part in layers.get(place, place).split("."):
            layer = getattr(layer, part)
        parameter = getattr(layer, roles.get(role, role))
        parameter[...] = jnp.asarray(value.reshape(parameter.shape))

"""VGG: 9,554 parameters, for inputs of 32x32x1."""

import jax.numpy as jnp
from flax import nnx
from safetensors.numpy import load_file


def flatten(x):
    """Return each sample as a vector."""
    return x.reshape(x.shape[0], -1)


class Block(nnx.Module):
    def __init__(self, in_features, out_features, *, rngs):
        self.conv1 = nnx.Conv(in_features, out_features, kernel_size=(3, 3), rngs=rngs)
        self.relu1 = nnx.relu

    def __call__(self, x):
        return nnx.max_pool(self.relu1(self.conv1(x)), (2, 2), strides=(2, 2))


class Block2(nnx.Module):
    def __init__(self, in_features, out_features, use_conv3=False, *, rngs):
        self.conv1 = nnx.Conv(in_features, out_features, kernel_size=(3, 3), rngs=rngs)
        self.conv2 = nnx.Conv(out_features, out_features, kernel_size=(3, 3), rngs=rngs)
        self.conv3 = (
            nnx.Conv(out_features, out_features, kernel_size=(3, 3), rngs=rngs)
            if use_conv3
            else None
        )

    def __call__(self, x):
        x = nnx.relu(self.conv1(x))
        x = nnx.relu(self.conv2(x))
        if self.conv3 is not None:
            x = nnx.relu(self.conv3(x))
        return nnx.max_pool(x, (2, 2), strides=(2, 2))


class VGG(nnx.Module):
    def __init__(self, *, rngs=None):
        rngs = rngs or nnx.Rngs(0)
        self.block1 = Block(1, 4, rngs=rngs)
        self.block2 = Block(4, 8, rngs=rngs)
        self.block3 = Block2(8, 12, rngs=rngs)
        self.block4 = Block2(12, 16, use_conv3=True, rngs=rngs)
        self.flatten = flatten
        self.linear = nnx.Linear(64, 10, rngs=rngs)

    def __call__(self, x):
        x = self.block1(x)  # 16x16x4
        x = self.block2(x)  # 8x8x8
        x = self.block3(x)  # 4x4x12
        x = self.block4(x)  # 2x2x16
        x = self.flatten(x)  # 64
        return self.linear(x)  # 10


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names and layouts."""
    roles = {"weight": "kernel"}
    # What comes from an image has its channels last here, and first in the file.
    images = {"linear": (16, 2, 2)}
    for name, value in load_file(path).items():
        place, _, role = name.rpartition(".")
        if role == "weight" and place in images:
            value = value.reshape(-1, *images[place])
        if role == "weight":
            value = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
        layer = net
        for part in place.split("."):
            layer = getattr(layer, part)
        parameter = getattr(layer, roles.get(role, role))
        parameter[...] = jnp.asarray(value.reshape(parameter.shape))

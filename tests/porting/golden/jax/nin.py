"""NiN: 1,992,166 parameters, for inputs of 224x224x1."""

import jax.numpy as jnp
from flax import nnx
from safetensors.numpy import load_file


def flatten(x):
    """Return each sample as a vector."""
    return x.reshape(x.shape[0], -1)


class Block(nnx.Module):
    def __init__(
        self, in_features, out_features, kernel_size, strides=1, padding="SAME", *, rngs
    ):
        self.conv1 = nnx.Conv(
            in_features,
            out_features,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            rngs=rngs,
        )
        self.conv2 = nnx.Conv(out_features, out_features, kernel_size=(1, 1), rngs=rngs)
        self.conv3 = nnx.Conv(out_features, out_features, kernel_size=(1, 1), rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.conv1(x))
        x = nnx.relu(self.conv2(x))
        return nnx.relu(self.conv3(x))


class NiN(nnx.Module):
    def __init__(self, *, rngs=None):
        rngs = rngs or nnx.Rngs(0)
        self.block1 = Block(1, 96, (11, 11), strides=4, padding="VALID", rngs=rngs)
        self.block2 = Block(96, 256, (5, 5), rngs=rngs)
        self.block3 = Block(256, 384, (3, 3), rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.block4 = Block(384, 10, (3, 3), rngs=rngs)
        self.flatten = flatten

    def __call__(self, x):
        x = nnx.max_pool(self.block1(x), (3, 3), strides=(2, 2))  # 26x26x96
        x = nnx.max_pool(self.block2(x), (3, 3), strides=(2, 2))  # 12x12x256
        x = self.dropout(
            nnx.max_pool(self.block3(x), (3, 3), strides=(2, 2))
        )  # 5x5x384
        x = self.block4(x).mean((1, 2), keepdims=True)  # 1x1x10
        return self.flatten(x)  # 10


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names and layouts."""
    roles = {"weight": "kernel"}
    for name, value in load_file(path).items():
        place, _, role = name.rpartition(".")
        if role == "weight":
            value = value.transpose(2, 3, 1, 0)
        layer = net
        for part in place.split("."):
            layer = getattr(layer, part)
        parameter = getattr(layer, roles.get(role, role))
        parameter[...] = jnp.asarray(value.reshape(parameter.shape))

"""SENet: 5,740 parameters, for inputs of 16x16x8."""

import jax.numpy as jnp
from flax import nnx
from safetensors.numpy import load_file


def flatten_channels_first(x):
    """Return each sample as a vector, its numbers in the order C, H, W."""
    return x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)


class SE(nnx.Module):
    def __init__(self, in_features, *, rngs):
        self.fc1 = nnx.Conv(
            in_features, in_features // 4, kernel_size=(1, 1), rngs=rngs
        )
        self.fc2 = nnx.Conv(
            in_features // 4, in_features, kernel_size=(1, 1), rngs=rngs
        )

    def __call__(self, x):
        y = x.mean((1, 2), keepdims=True)
        y = nnx.relu(self.fc1(y))
        y = nnx.hard_sigmoid(self.fc2(y))
        return x * y


class Block(nnx.Module):
    def __init__(self, in_features, out_features, *, rngs):
        self.conv = nnx.Conv(in_features, out_features, kernel_size=(3, 3), rngs=rngs)
        self.se = SE(out_features, rngs=rngs)

    def __call__(self, x):
        x = self.conv(x)
        return nnx.hard_swish(self.se(x))


class SENet(nnx.Module):
    def __init__(self, *, rngs=None):
        rngs = rngs or nnx.Rngs(0)
        self.block1 = Block(8, 8, rngs=rngs)
        self.block2 = Block(8, 16, rngs=rngs)
        self.block3 = Block(16, 24, rngs=rngs)

    def __call__(self, x):
        x = self.block1(x)  # 16x16x8
        x = self.block2(x)  # 16x16x16
        x = self.block3(x)  # 16x16x24
        return {"map": x, "vector": flatten_channels_first(x)}


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

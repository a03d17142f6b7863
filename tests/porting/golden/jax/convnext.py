"""ConvNeXt: 4,090 parameters, for inputs of 16x16x3."""

from functools import partial

import jax.numpy as jnp
from flax import nnx
from safetensors.numpy import load_file


class Stem(nnx.Module):
    def __init__(self, *, rngs):
        self.conv = nnx.Conv(
            3, 8, kernel_size=(2, 2), strides=2, padding="VALID", rngs=rngs
        )
        self.norm = nnx.LayerNorm(8, rngs=rngs)

    def __call__(self, x):
        return self.norm(self.conv(x))  # 8x8x8


class Block(nnx.Module):
    def __init__(self, *, rngs):
        self.dwconv = nnx.Conv(
            8, 8, kernel_size=(5, 5), feature_group_count=8, rngs=rngs
        )
        self.norm = nnx.LayerNorm(8, rngs=rngs)
        self.pwconv1 = nnx.Conv(8, 32, kernel_size=(1, 1), rngs=rngs)
        self.pwconv2 = nnx.Conv(32, 8, kernel_size=(1, 1), rngs=rngs)

    def __call__(self, x):
        y = self.norm(self.dwconv(x))  # 8x8x8
        y = nnx.gelu(self.pwconv1(y), approximate=False)  # 8x8x32
        return x + self.pwconv2(y)  # 8x8x8


class ConvNeXt(nnx.Module):
    def __init__(self, *, rngs=None):
        rngs = rngs or nnx.Rngs(0)
        self.stem = Stem(rngs=rngs)
        self.blocks = nnx.Sequential(*[Block(rngs=rngs) for _ in range(5)])
        self.avgpool = partial(jnp.mean, axis=(1, 2), keepdims=True)
        self.fc = nnx.Linear(8, 10, rngs=rngs)

    def __call__(self, x):
        x = self.stem(x)  # 8x8x8
        x = self.avgpool(self.blocks(x))  # 1x1x8
        x = x.reshape(x.shape[0], -1)  # 8
        return self.fc(x)  # 10


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names and layouts."""
    roles = {"weight": "kernel", "shift": "bias"}
    for name, value in load_file(path).items():
        place, _, role = name.rpartition(".")
        if role == "weight":
            value = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
        layer = net
        for part in place.split("."):
            if isinstance(layer, nnx.Sequential):
                layer = layer.layers
            layer = getattr(layer, part)
        parameter = getattr(layer, roles.get(role, role))
        parameter[...] = jnp.asarray(value.reshape(parameter.shape))

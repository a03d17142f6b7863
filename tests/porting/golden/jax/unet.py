"""UNet: 7,402 parameters, for inputs of 16x16x1."""

import jax.numpy as jnp
from flax import nnx
from safetensors.numpy import load_file


class Block(nnx.Module):
    def __init__(self, in_features, out_features, *, rngs):
        self.conv1 = nnx.Conv(in_features, out_features, kernel_size=(3, 3), rngs=rngs)
        self.conv2 = nnx.Conv(out_features, out_features, kernel_size=(3, 3), rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.conv1(x))
        return nnx.relu(self.conv2(x))


class Up(nnx.Module):
    def __init__(self, in_features, *, rngs):
        self.upconv = nnx.ConvTranspose(
            in_features,
            in_features // 2,
            kernel_size=(2, 2),
            strides=2,
            transpose_kernel=True,
            rngs=rngs,
        )
        self.double = Block(in_features, in_features // 2, rngs=rngs)

    def __call__(self, x, y):
        y = jnp.concatenate([y, self.upconv(x)], axis=-1)
        return self.double(y)


class UNet(nnx.Module):
    def __init__(self, *, rngs=None):
        rngs = rngs or nnx.Rngs(0)
        self.down1 = Block(1, 4, rngs=rngs)
        self.down2 = Block(4, 8, rngs=rngs)
        self.middle = Block(8, 16, rngs=rngs)
        self.up1 = Up(16, rngs=rngs)
        self.up2 = Up(8, rngs=rngs)
        self.out = nnx.Conv(4, 2, kernel_size=(1, 1), rngs=rngs)

    def __call__(self, x):
        x = self.down1(x)  # 16x16x4
        y = nnx.max_pool(x, (2, 2), strides=(2, 2))  # 8x8x4
        y = self.down2(y)  # 8x8x8
        z = nnx.max_pool(y, (2, 2), strides=(2, 2))  # 4x4x8
        z = self.middle(z)  # 4x4x16
        z = self.up1(z, y)  # 8x8x8
        z = self.up2(z, x)  # 16x16x4
        return self.out(z)  # 16x16x2


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

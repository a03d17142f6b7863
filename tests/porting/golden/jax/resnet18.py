"""ResNet18: 11,178,378 parameters, for inputs of 224x224x1."""

import jax.numpy as jnp
from flax import nnx
from safetensors.numpy import load_file


def flatten(x):
    """Return each sample as a vector."""
    return x.reshape(x.shape[0], -1)


class Block(nnx.Module):
    def __init__(self, in_features, out_features, strides=1, project=False, *, rngs):
        self.conv1 = nnx.Conv(
            in_features,
            out_features,
            kernel_size=(3, 3),
            strides=strides,
            padding=1,
            rngs=rngs,
        )
        self.norm1 = nnx.BatchNorm(out_features, momentum=0.9, rngs=rngs)
        self.conv2 = nnx.Conv(
            out_features, out_features, kernel_size=(3, 3), padding=1, rngs=rngs
        )
        self.norm2 = nnx.BatchNorm(out_features, momentum=0.9, rngs=rngs)
        self.conv3 = (
            nnx.Conv(
                in_features,
                out_features,
                kernel_size=(1, 1),
                strides=strides,
                rngs=rngs,
            )
            if project
            else None
        )

    def __call__(self, x):
        y = nnx.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.conv3 is not None:
            x = self.conv3(x)
        return nnx.relu(y + x)


class Stage(nnx.Module):
    def __init__(self, in_features, out_features, strides=1, project=False, *, rngs):
        self.block1 = Block(
            in_features, out_features, strides=strides, project=project, rngs=rngs
        )
        self.block2 = Block(out_features, out_features, rngs=rngs)

    def __call__(self, x):
        x = self.block1(x)
        return self.block2(x)


class ResNet18(nnx.Module):
    def __init__(self, *, rngs=None):
        rngs = rngs or nnx.Rngs(0)
        self.conv1 = nnx.Conv(
            1, 64, kernel_size=(7, 7), strides=2, padding=3, rngs=rngs
        )
        self.norm1 = nnx.BatchNorm(64, momentum=0.9, rngs=rngs)
        self.stage1 = Stage(64, 64, rngs=rngs)
        self.stage2 = Stage(64, 128, strides=2, project=True, rngs=rngs)
        self.stage3 = Stage(128, 256, strides=2, project=True, rngs=rngs)
        self.stage4 = Stage(256, 512, strides=2, project=True, rngs=rngs)
        self.flatten = flatten
        self.linear = nnx.Linear(512, 10, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.norm1(self.conv1(x)))  # 112x112x64
        x = nnx.max_pool(
            x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1))
        )  # 56x56x64
        x = self.stage1(x)  # 56x56x64
        x = self.stage2(x)  # 28x28x128
        x = self.stage3(x)  # 14x14x256
        x = self.stage4(x).mean((1, 2), keepdims=True)  # 1x1x512
        x = self.flatten(x)  # 512
        return self.linear(x)  # 10


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names and layouts."""
    roles = {"weight": "kernel", "shift": "bias"}
    for name, value in load_file(path).items():
        place, _, role = name.rpartition(".")
        if role == "weight":
            value = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
        layer = net
        for part in place.split("."):
            layer = getattr(layer, part)
        parameter = getattr(layer, roles.get(role, role))
        parameter[...] = jnp.asarray(value.reshape(parameter.shape))

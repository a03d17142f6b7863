"""VGG11: 128,806,154 parameters, for inputs of 224x224x1."""

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
    def __init__(self, in_features, out_features, *, rngs):
        self.conv1 = nnx.Conv(in_features, out_features, kernel_size=(3, 3), rngs=rngs)
        self.conv2 = nnx.Conv(out_features, out_features, kernel_size=(3, 3), rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.conv1(x))
        return nnx.max_pool(nnx.relu(self.conv2(x)), (2, 2), strides=(2, 2))


class VGG11(nnx.Module):
    def __init__(self, *, rngs=None):
        rngs = rngs or nnx.Rngs(0)
        self.block1 = Block(1, 64, rngs=rngs)
        self.block2 = Block(64, 128, rngs=rngs)
        self.block3 = Block2(128, 256, rngs=rngs)
        self.block4 = Block2(256, 512, rngs=rngs)
        self.block5 = Block2(512, 512, rngs=rngs)
        self.flatten = flatten
        self.linear1 = nnx.Linear(25088, 4096, rngs=rngs)
        self.dropout1 = nnx.Dropout(0.5, rngs=rngs)
        self.linear2 = nnx.Linear(4096, 4096, rngs=rngs)
        self.dropout2 = nnx.Dropout(0.5, rngs=rngs)
        self.linear3 = nnx.Linear(4096, 10, rngs=rngs)

    def __call__(self, x):
        x = self.block1(x)  # 112x112x64
        x = self.block2(x)  # 56x56x128
        x = self.block3(x)  # 28x28x256
        x = self.block4(x)  # 14x14x512
        x = self.block5(x)  # 7x7x512
        x = self.flatten(x)  # 25088
        x = self.dropout1(nnx.relu(self.linear1(x)))  # 4096
        x = self.dropout2(nnx.relu(self.linear2(x)))  # 4096
        return self.linear3(x)  # 10


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names and layouts."""
    roles = {"weight": "kernel"}
    # What comes from an image has its channels last here, and first in the file.
    images = {"linear1": (512, 7, 7)}
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

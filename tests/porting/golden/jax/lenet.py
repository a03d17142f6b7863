"""LeNet: 170,988 parameters, for inputs of 28x28x1."""

import jax.numpy as jnp
from flax import nnx
from safetensors.numpy import load_file


class LeNet(nnx.Module):
    def __init__(self, *, rngs=None):
        rngs = rngs or nnx.Rngs(0)
        self.conv1 = nnx.Conv(1, 20, kernel_size=(5, 5), padding="VALID", rngs=rngs)
        self.conv2 = nnx.Conv(20, 50, kernel_size=(3, 3), padding="VALID", rngs=rngs)
        self.linear1 = nnx.Linear(1250, 128, rngs=rngs)
        self.linear2 = nnx.Linear(128, 10, rngs=rngs)

    def __call__(self, x):
        x = nnx.max_pool(nnx.relu(self.conv1(x)), (2, 2), strides=(2, 2))  # 12x12x20
        x = nnx.max_pool(nnx.relu(self.conv2(x)), (2, 2), strides=(2, 2))  # 5x5x50
        x = x.reshape(x.shape[0], -1)  # 1250
        x = nnx.relu(self.linear1(x))  # 128
        return self.linear2(x)  # 10


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names and layouts."""
    roles = {"weight": "kernel"}
    # What comes from an image has its channels last here, and first in the file.
    images = {"linear1": (50, 5, 5)}
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

"""TFCNN: 3,274,634 parameters, for inputs of 28x28x1."""

import jax.numpy as jnp
from flax import nnx
from safetensors.numpy import load_file


class TFCNN(nnx.Module):
    def __init__(self, *, rngs=None):
        rngs = rngs or nnx.Rngs(0)
        self.conv1 = nnx.Conv(1, 32, kernel_size=(5, 5), rngs=rngs)
        self.conv2 = nnx.Conv(32, 64, kernel_size=(5, 5), rngs=rngs)
        self.linear1 = nnx.Linear(3136, 1024, rngs=rngs)
        self.linear2 = nnx.Linear(1024, 10, rngs=rngs)

    def __call__(self, x):
        x = nnx.max_pool(nnx.relu(self.conv1(x)), (2, 2), strides=(2, 2))  # 14x14x32
        x = nnx.max_pool(nnx.relu(self.conv2(x)), (2, 2), strides=(2, 2))  # 7x7x64
        x = x.reshape(x.shape[0], -1)  # 3136
        x = nnx.relu(self.linear1(x))  # 1024
        return self.linear2(x)  # 10


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names and layouts."""
    roles = {"weight": "kernel"}
    # What comes from an image has its channels last here, and first in the file.
    images = {"linear1": (64, 7, 7)}
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

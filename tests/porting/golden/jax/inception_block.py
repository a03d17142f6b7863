"""InceptionBlock: 163,696 parameters, for inputs of 28x28x192."""

import jax.numpy as jnp
from flax import nnx
from safetensors.numpy import load_file


class Branch(nnx.Module):
    def __init__(self, out_features, use_pool=False, *, rngs):
        self.conv1 = nnx.Conv(192, out_features, kernel_size=(1, 1), rngs=rngs)
        self.relu1 = nnx.relu
        self.use_pool = use_pool

    def __call__(self, x):
        if self.use_pool:
            x = nnx.max_pool(x, (3, 3), strides=(1, 1), padding=((1, 1), (1, 1)))
        return self.relu1(self.conv1(x))


class Branch2(nnx.Module):
    def __init__(self, out_features, conv2_features, kernel_size, *, rngs):
        self.conv1 = nnx.Conv(192, out_features, kernel_size=(1, 1), rngs=rngs)
        self.conv2 = nnx.Conv(
            out_features, conv2_features, kernel_size=kernel_size, rngs=rngs
        )

    def __call__(self, x):
        x = nnx.relu(self.conv1(x))
        return nnx.relu(self.conv2(x))


class InceptionBlock(nnx.Module):
    def __init__(self, *, rngs=None):
        rngs = rngs or nnx.Rngs(0)
        self.branch1 = Branch(64, rngs=rngs)
        self.branch2 = Branch2(96, 128, (3, 3), rngs=rngs)
        self.branch3 = Branch2(16, 32, (5, 5), rngs=rngs)
        self.branch4 = Branch(32, use_pool=True, rngs=rngs)

    def __call__(self, x):
        return jnp.concatenate(
            [self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)],
            axis=-1,
        )  # 28x28x256


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

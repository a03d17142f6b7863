"""SqueezeNet10: 3,040 parameters, for inputs of 16x16x3."""

from functools import partial

import jax.numpy as jnp
from flax import nnx
from safetensors.numpy import load_file


def block(in_features, out_features, kernel_size, *, rngs):
    return nnx.Sequential(
        nnx.Conv(in_features, out_features, kernel_size=kernel_size, rngs=rngs),
        nnx.relu,
    )


class Concurrent(nnx.List):
    def __init__(self, in_features, *, rngs):
        super().__init__(
            [
                block(in_features, 2 * in_features, (1, 1), rngs=rngs),
                block(in_features, 2 * in_features, (3, 3), rngs=rngs),
            ]
        )

    def __call__(self, x):
        return jnp.concatenate([self[0](x), self[1](x)], axis=-1)


def block2(in_features, out_features, *, rngs):
    return nnx.Sequential(
        block(in_features, out_features, (1, 1), rngs=rngs),
        Concurrent(out_features, rngs=rngs),
    )


class SqueezeNet10(nnx.Module):
    def __init__(self, *, rngs=None):
        rngs = rngs or nnx.Rngs(0)
        self.features = nnx.Sequential(
            block2(3, 4, rngs=rngs), block2(16, 6, rngs=rngs), block2(24, 8, rngs=rngs)
        )
        self.avgpool = partial(jnp.mean, axis=(1, 2), keepdims=True)
        self.fc = nnx.Linear(32, 10, rngs=rngs)

    def __call__(self, x):
        x = self.avgpool(self.features(x))  # 1x1x32
        x = x.reshape(x.shape[0], -1)  # 32
        return self.fc(x)  # 10


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names and layouts."""
    roles = {"weight": "kernel"}
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

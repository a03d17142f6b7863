"""Growth: 880 parameters, for inputs of 8x8x4."""

from functools import partial

import jax.numpy as jnp
from flax import nnx
from safetensors.numpy import load_file


class DenseLayer(nnx.Dict):
    def __init__(self, in_features, *, rngs):
        super().__init__(
            {
                "1": nnx.Sequential(
                    nnx.relu, nnx.Conv(in_features, 2, kernel_size=(3, 3), rngs=rngs)
                )
            }
        )

    def __call__(self, x):
        return jnp.concatenate([x, self["1"](x)], axis=-1)


class Growth(nnx.Module):
    def __init__(self, *, rngs=None):
        rngs = rngs or nnx.Rngs(0)
        self.dense = nnx.Sequential(
            *[DenseLayer(in_features, rngs=rngs) for in_features in range(4, 14, 2)]
        )
        self.avgpool = partial(jnp.mean, axis=(1, 2), keepdims=True)
        self.fc = nnx.Linear(14, 10, rngs=rngs)

    def __call__(self, x):
        x = self.avgpool(self.dense(x))  # 1x1x14
        x = x.reshape(x.shape[0], -1)  # 14
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

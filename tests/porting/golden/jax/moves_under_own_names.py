"""Moves: 820 parameters, for inputs of 6x5x4."""

from functools import partial, reduce

import jax.numpy as jnp
import numpy as np
from flax import nnx
from safetensors.numpy import load_file


def flatten(x):
    """Return each sample as a vector."""
    return x.reshape(x.shape[0], -1)


def reshape(x, shape):
    """Give each sample another shape, images with their channels first."""
    x = x.transpose(0, 3, 1, 2) if x.ndim == 4 else x
    x = x.reshape(-1, *shape)
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


def hard_sigmoid(x, slope, offset):
    """Return slope * x + offset between 0 and 1; nnx.hard_sigmoid has slope 1/6."""
    return jnp.clip(slope * x + offset, 0.0, 1.0)


def add(*values):
    """Return the sum of several values."""
    return reduce(jnp.add, values)


class Moves(nnx.Module):
    def __init__(self, *, rngs=None):
        rngs = rngs or nnx.Rngs(0)
        self.border = partial(
            jnp.pad, pad_width=((0, 0), (1, 0), (0, 2), (0, 0)), constant_values=0.5
        )
        self.last = partial(jnp.transpose, axes=(0, 2, 3, 1))
        self.shaped = partial(reshape, shape=(7, 4, 7))
        self.hard = partial(hard_sigmoid, slope=0.2, offset=0.5)
        self.mean = partial(
            nnx.avg_pool,
            window_shape=(3, 3),
            strides=(2, 2),
            padding=((1, 0), (0, 1)),
            count_include_pad=False,
        )
        self.most = partial(
            nnx.max_pool, window_shape=(2, 2), strides=(1, 1), padding=((1, 1), (1, 0))
        )
        # padding= is that of the spread input: kernel - 1 - what is cropped (0
        # before and 2 after, 1 before and 0 after).
        self.wide = nnx.ConvTranspose(
            7,
            3,
            kernel_size=(3, 3),
            strides=2,
            padding=((2, 0), (1, 2)),
            transpose_kernel=True,
            rngs=rngs,
        )
        self.same = nnx.Conv(3, 6, kernel_size=(3, 3), strides=2, rngs=rngs)
        self.layernorm = nnx.LayerNorm(
            18,
            epsilon=1e-5,
            use_bias=False,
            reduction_axes=(2, 3),
            feature_axes=(2, 3),
            rngs=rngs,
        )
        self.batchnorm = nnx.BatchNorm(6, momentum=0.9, use_scale=False, rngs=rngs)
        self.thrice = add
        self.joined = partial(jnp.concatenate, axis=1)
        self.flat = flatten
        self.scores = nnx.Linear(108, 4, rngs=rngs)
        self.logs = nnx.log_softmax

    def __call__(self, x):
        x = self.border(x)  # 7x7x4
        x = self.last(x)  # 7x4x7
        x = self.shaped(x)  # 4x7x7
        x = self.most(self.mean(self.hard(x)))  # 3x3x7
        x = self.wide(x)  # 5x6x3
        x = self.batchnorm(self.layernorm(self.same(x)))  # 3x3x6
        x = self.joined([x, self.thrice(x, x, x)])  # 6x3x6
        x = self.flat(x)  # 108
        return self.logs(self.scores(x))  # 4


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names and layouts."""
    roles = {"weight": "kernel", "shift": "bias"}
    # What comes from an image has its channels last here, and first in the file.
    images = {"scores": (6, 6, 3)}
    norms = ("layernorm",)
    for name, value in load_file(path).items():
        place, _, role = name.rpartition(".")
        if role == "weight" and place in images:
            value = value.reshape(-1, *images[place])
        if role == "weight":
            value = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
        if place in norms:
            value = np.moveaxis(value, 0, -1)
        layer = net
        for part in place.split("."):
            layer = getattr(layer, part)
        parameter = getattr(layer, roles.get(role, role))
        parameter[...] = jnp.asarray(value.reshape(parameter.shape))

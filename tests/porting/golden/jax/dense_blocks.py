"""DenseNet: 5,748 parameters, for inputs of 16x16x3."""

from functools import partial

import jax.numpy as jnp
from flax import nnx
from safetensors.numpy import load_file


class UnbiasedBatchNorm(nnx.BatchNorm):
    """Keep the unbiased running variance, as PyTorch does."""

    def __call__(self, x):
        kept = self.momentum * self.var[...]
        y = super().__call__(x)
        if not self.use_running_average:
            count = x.size // x.shape[-1]
            self.var[...] = kept + (self.var[...] - kept) * (count / (count - 1))
        return y


class Layer(nnx.Module):
    def __init__(self, in_features, *, rngs):
        self.norm1 = UnbiasedBatchNorm(in_features, momentum=0.9, rngs=rngs)
        self.conv1 = nnx.Conv(
            in_features, 16, kernel_size=(1, 1), use_bias=False, rngs=rngs
        )
        self.norm2 = UnbiasedBatchNorm(16, momentum=0.9, rngs=rngs)
        self.conv2 = nnx.Conv(16, 4, kernel_size=(3, 3), use_bias=False, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.norm1(x))
        x = nnx.relu(self.norm2(self.conv1(x)))
        return self.conv2(x)


class Layer2(nnx.Module):
    def __init__(self, in_features, *, rngs):
        self.norm1 = UnbiasedBatchNorm(in_features, momentum=0.9, rngs=rngs)
        self.conv1 = nnx.Conv(
            in_features, 16, kernel_size=(1, 1), use_bias=False, rngs=rngs
        )
        self.norm2 = UnbiasedBatchNorm(16, momentum=0.9, rngs=rngs)
        self.conv2 = nnx.Conv(16, 4, kernel_size=(3, 3), use_bias=False, rngs=rngs)

    def __call__(self, x, y):
        x = nnx.relu(self.norm1(jnp.concatenate([x, y], axis=-1)))
        x = nnx.relu(self.norm2(self.conv1(x)))
        return self.conv2(x)


class Layer3(nnx.Module):
    def __init__(self, in_features, *, rngs):
        self.norm1 = UnbiasedBatchNorm(in_features, momentum=0.9, rngs=rngs)
        self.conv1 = nnx.Conv(
            in_features, 16, kernel_size=(1, 1), use_bias=False, rngs=rngs
        )
        self.norm2 = UnbiasedBatchNorm(16, momentum=0.9, rngs=rngs)
        self.conv2 = nnx.Conv(16, 4, kernel_size=(3, 3), use_bias=False, rngs=rngs)

    def __call__(self, x, y, z):
        x = nnx.relu(self.norm1(jnp.concatenate([x, y, z], axis=-1)))
        x = nnx.relu(self.norm2(self.conv1(x)))
        return self.conv2(x)


class Denseblock(nnx.Module):
    def __init__(self, in_features, layer2_features, layer3_features, *, rngs):
        self.layer1 = Layer(in_features, rngs=rngs)
        self.layer2 = Layer2(layer2_features, rngs=rngs)
        self.layer3 = Layer3(layer3_features, rngs=rngs)

    def __call__(self, x):
        layer1 = self.layer1(x)
        layer2 = self.layer2(x, layer1)
        return jnp.concatenate(
            [x, layer1, layer2, self.layer3(x, layer1, layer2)], axis=-1
        )


class Transition(nnx.Module):
    def __init__(self, *, rngs):
        self.norm = UnbiasedBatchNorm(20, momentum=0.9, rngs=rngs)
        self.conv = nnx.Conv(20, 10, kernel_size=(1, 1), rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.norm(x))  # 16x16x20
        return nnx.avg_pool(self.conv(x), (2, 2), strides=(2, 2))  # 8x8x10


class DenseNet(nnx.Module):
    def __init__(self, *, rngs=None):
        rngs = rngs or nnx.Rngs(0)
        self.conv0 = nnx.Conv(3, 8, kernel_size=(3, 3), use_bias=False, rngs=rngs)
        self.denseblock1 = Denseblock(8, 12, 16, rngs=rngs)
        self.transition = Transition(rngs=rngs)
        self.denseblock2 = Denseblock(10, 14, 18, rngs=rngs)
        self.avgpool = partial(jnp.mean, axis=(1, 2), keepdims=True)
        self.fc = nnx.Linear(22, 10, rngs=rngs)

    def __call__(self, x):
        x = self.conv0(x)  # 16x16x8
        x = self.denseblock1(x)  # 16x16x20
        x = self.transition(x)  # 8x8x10
        x = self.avgpool(self.denseblock2(x))  # 1x1x22
        x = x.reshape(x.shape[0], -1)  # 22
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
            layer = getattr(layer, part)
        parameter = getattr(layer, roles.get(role, role))
        parameter[...] = jnp.asarray(value.reshape(parameter.shape))

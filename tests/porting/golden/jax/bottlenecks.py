"""ResNet29: 33,714 parameters, for inputs of 32x32x3."""

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


class Bottleneck(nnx.Module):
    def __init__(self, in_features, out_features, strides=1, downsample=False, *, rngs):
        self.conv1 = nnx.Conv(
            in_features, out_features, kernel_size=(1, 1), use_bias=False, rngs=rngs
        )
        self.bn1 = UnbiasedBatchNorm(out_features, momentum=0.9, rngs=rngs)
        self.conv2 = nnx.Conv(
            out_features,
            out_features,
            kernel_size=(3, 3),
            strides=strides,
            padding=1,
            use_bias=False,
            rngs=rngs,
        )
        self.bn2 = UnbiasedBatchNorm(out_features, momentum=0.9, rngs=rngs)
        self.conv3 = nnx.Conv(
            out_features,
            4 * out_features,
            kernel_size=(1, 1),
            use_bias=False,
            rngs=rngs,
        )
        self.bn3 = UnbiasedBatchNorm(4 * out_features, momentum=0.9, rngs=rngs)
        self.downsample = (
            nnx.Sequential(
                nnx.Conv(
                    in_features,
                    4 * out_features,
                    kernel_size=(1, 1),
                    strides=strides,
                    use_bias=False,
                    rngs=rngs,
                ),
                UnbiasedBatchNorm(4 * out_features, momentum=0.9, rngs=rngs),
            )
            if downsample
            else None
        )

    def __call__(self, x):
        y = nnx.relu(self.bn1(self.conv1(x)))
        y = nnx.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        if self.downsample is not None:
            x = self.downsample(x)
        return nnx.relu(y + x)


class ResNet29(nnx.Module):
    def __init__(self, *, rngs=None):
        rngs = rngs or nnx.Rngs(0)
        self.conv1 = nnx.Conv(
            3, 8, kernel_size=(3, 3), padding=1, use_bias=False, rngs=rngs
        )
        self.bn1 = UnbiasedBatchNorm(8, momentum=0.9, rngs=rngs)
        self.relu = nnx.relu
        self.layer1 = nnx.Sequential(
            Bottleneck(8, 8, downsample=True, rngs=rngs), Bottleneck(32, 8, rngs=rngs)
        )
        self.layer2 = nnx.Sequential(
            Bottleneck(32, 12, strides=2, downsample=True, rngs=rngs),
            Bottleneck(48, 12, rngs=rngs),
            Bottleneck(48, 12, rngs=rngs),
        )
        self.layer3 = nnx.Sequential(
            Bottleneck(48, 16, strides=2, downsample=True, rngs=rngs),
            *[Bottleneck(64, 16, rngs=rngs) for _ in range(3)],
        )
        self.avgpool = partial(jnp.mean, axis=(1, 2), keepdims=True)
        self.fc = nnx.Linear(64, 10, rngs=rngs)

    def __call__(self, x):
        x = self.relu(self.bn1(self.conv1(x)))  # 32x32x8
        x = self.layer1(x)  # 32x32x32
        x = self.layer2(x)  # 16x16x48
        x = self.avgpool(self.layer3(x))  # 1x1x64
        x = x.reshape(x.shape[0], -1)  # 64
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
            if isinstance(layer, nnx.Sequential):
                layer = layer.layers
            layer = getattr(layer, part)
        parameter = getattr(layer, roles.get(role, role))
        parameter[...] = jnp.asarray(value.reshape(parameter.shape))

"""MobileNet: 18,818 parameters, for inputs of 32x32x3."""

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


def conv_norm_activation(
    in_features,
    out_features,
    kernel_size,
    strides=1,
    padding="SAME",
    feature_group_count=1,
    *,
    rngs,
):
    return nnx.Sequential(
        nnx.Conv(
            in_features,
            out_features,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            feature_group_count=feature_group_count,
            use_bias=False,
            rngs=rngs,
        ),
        UnbiasedBatchNorm(out_features, momentum=0.9, rngs=rngs),
        nnx.relu6,
    )


class InvertedResidual(nnx.Module):
    def __init__(self, in_features, out_features, strides=1, residual=False, *, rngs):
        self.conv = nnx.Sequential(
            conv_norm_activation(in_features, 6 * in_features, (1, 1), rngs=rngs),
            conv_norm_activation(
                6 * in_features,
                6 * in_features,
                (3, 3),
                strides=strides,
                padding=1,
                feature_group_count=6 * in_features,
                rngs=rngs,
            ),
            nnx.Conv(
                6 * in_features,
                out_features,
                kernel_size=(1, 1),
                use_bias=False,
                rngs=rngs,
            ),
            UnbiasedBatchNorm(out_features, momentum=0.9, rngs=rngs),
        )
        self.residual = residual

    def __call__(self, x):
        y = self.conv(x)
        if self.residual:
            y = x + y
        return y


class MobileNet(nnx.Module):
    def __init__(self, *, rngs=None):
        rngs = rngs or nnx.Rngs(0)
        self.features = nnx.Sequential(
            conv_norm_activation(3, 8, (3, 3), strides=2, padding=1, rngs=rngs),
            InvertedResidual(8, 8, residual=True, rngs=rngs),
            InvertedResidual(8, 12, strides=2, rngs=rngs),
            *[InvertedResidual(12, 12, residual=True, rngs=rngs) for _ in range(3)],
            InvertedResidual(12, 16, strides=2, rngs=rngs),
            InvertedResidual(16, 16, residual=True, rngs=rngs),
        )
        self.classifier = nnx.Sequential(
            nnx.Dropout(0.2, rngs=rngs), nnx.Linear(16, 10, rngs=rngs)
        )

    def __call__(self, x):
        x = self.features(x).mean((1, 2), keepdims=True)  # 1x1x16
        x = x.reshape(x.shape[0], -1)  # 16
        return self.classifier(x)  # 10


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

"""MobileNet: 18,818 parameters, for inputs of 3x32x32.

Training keeps the biased running variance, as MXNet does; in the original it was
the unbiased one, larger by n / (n - 1). Inference with loaded weights is the same.
"""

import mxnet as mx
from mxnet.gluon import nn
from safetensors.numpy import load_file


def sequential(*blocks):
    """Return blocks that follow one another."""
    net = nn.HybridSequential()
    net.add(*blocks)
    return net


def conv_norm_activation(channels, kernel_size, strides=1, padding=0, groups=1):
    return sequential(
        nn.Conv2D(
            channels,
            kernel_size,
            strides=strides,
            padding=padding,
            groups=groups,
            use_bias=False,
        ),
        nn.BatchNorm(),
        nn.HybridLambda(lambda F, x: F.minimum(F.relu(x), 6)),
    )


class InvertedResidual(nn.HybridBlock):
    def __init__(self, hidden_channels, channels, strides=1, residual=False):
        super().__init__()
        self.conv = sequential(
            conv_norm_activation(hidden_channels, 1),
            conv_norm_activation(
                hidden_channels, 3, strides=strides, padding=1, groups=hidden_channels
            ),
            nn.Conv2D(channels, 1, use_bias=False),
            nn.BatchNorm(),
        )
        self.residual = residual

    def hybrid_forward(self, F, x):
        y = self.conv(x)
        if self.residual:
            y = x + y
        return y


class MobileNet(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.features = sequential(
            conv_norm_activation(8, 3, strides=2, padding=1),
            InvertedResidual(48, 8, residual=True),
            InvertedResidual(48, 12, strides=2),
            *[InvertedResidual(72, 12, residual=True) for _ in range(3)],
            InvertedResidual(72, 16, strides=2),
            InvertedResidual(96, 16, residual=True),
        )
        self.pool1 = nn.GlobalAvgPool2D()
        self.classifier = sequential(nn.Dropout(0.2), nn.Dense(10))

    def hybrid_forward(self, F, x):
        x = self.pool1(self.features(x))  # 16x1x1
        x = F.flatten(x)  # 16
        return self.classifier(x)  # 10


def load_weights(net, path, ctx=None):
    """Read the weights from a safetensors file with neutral names."""
    roles = {
        "scale": "gamma",
        "shift": "beta",
        "mean": "running_mean",
        "var": "running_var",
    }
    net.initialize(ctx=ctx, force_reinit=True)
    parameters = net._collect_params_with_prefix()  # as net.save_parameters names them
    for name, value in load_file(path).items():
        layer, _, role = name.rpartition(".")
        parameter = parameters[f"{layer}.{roles.get(role, role)}"]
        parameter.set_data(mx.nd.array(value, dtype=parameter.dtype))

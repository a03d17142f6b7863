"""ResNet29: 33,714 parameters, for inputs of 3x32x32.

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


class Bottleneck(nn.HybridBlock):
    def __init__(self, channels, strides=1, downsample=False):
        super().__init__()
        self.conv1 = nn.Conv2D(channels, 1, use_bias=False)
        self.bn1 = nn.BatchNorm()
        self.conv2 = nn.Conv2D(channels, 3, strides=strides, padding=1, use_bias=False)
        self.bn2 = nn.BatchNorm()
        self.conv3 = nn.Conv2D(4 * channels, 1, use_bias=False)
        self.bn3 = nn.BatchNorm()
        self.downsample = (
            sequential(
                nn.Conv2D(4 * channels, 1, strides=strides, use_bias=False),
                nn.BatchNorm(),
            )
            if downsample
            else None
        )

    def hybrid_forward(self, F, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        if self.downsample is not None:
            x = self.downsample(x)
        return F.relu(y + x)


class ResNet29(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2D(8, 3, padding=1, use_bias=False)
        self.bn1 = nn.BatchNorm()
        self.relu = nn.Activation("relu")
        self.layer1 = sequential(Bottleneck(8, downsample=True), Bottleneck(8))
        self.layer2 = sequential(
            Bottleneck(12, strides=2, downsample=True), Bottleneck(12), Bottleneck(12)
        )
        self.layer3 = sequential(
            Bottleneck(16, strides=2, downsample=True),
            *[Bottleneck(16) for _ in range(3)],
        )
        self.avgpool = nn.GlobalAvgPool2D()
        self.fc = nn.Dense(10)

    def hybrid_forward(self, F, x):
        x = self.relu(self.bn1(self.conv1(x)))  # 8x32x32
        x = self.layer1(x)  # 32x32x32
        x = self.layer2(x)  # 48x16x16
        x = self.avgpool(self.layer3(x))  # 64x1x1
        x = F.flatten(x)  # 64
        return self.fc(x)  # 10


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

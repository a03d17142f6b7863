"""MobileNet: 18,818 parameters, for inputs of 3x32x32."""

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


def conv_norm_activation(
    in_channels, out_channels, kernel_size, stride=1, padding=0, groups=1
):
    return nn.Sequential(
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            groups=groups,
            bias=False,
        ),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(),
    )


class InvertedResidual(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1, residual=False):
        super().__init__()
        self.conv = nn.Sequential(
            conv_norm_activation(in_channels, 6 * in_channels, 1),
            conv_norm_activation(
                6 * in_channels,
                6 * in_channels,
                3,
                stride=stride,
                padding=1,
                groups=6 * in_channels,
            ),
            nn.Conv2d(6 * in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.residual = residual

    def forward(self, x):
        y = self.conv(x)
        if self.residual:
            y = x + y
        return y


class MobileNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            conv_norm_activation(3, 8, 3, stride=2, padding=1),
            InvertedResidual(8, 8, residual=True),
            InvertedResidual(8, 12, stride=2),
            *[InvertedResidual(12, 12, residual=True) for _ in range(3)],
            InvertedResidual(12, 16, stride=2),
            InvertedResidual(16, 16, residual=True),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(16, 10))

    def forward(self, x):
        x = F.adaptive_avg_pool2d(self.features(x), 1)  # 16x1x1
        x = torch.flatten(x, 1)  # 16
        return self.classifier(x)  # 10


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names."""
    roles = {
        "scale": "weight",
        "shift": "bias",
        "mean": "running_mean",
        "var": "running_var",
    }
    state = {}
    for name, value in load_file(path).items():
        layer, _, role = name.rpartition(".")
        state[f"{layer}.{roles.get(role, role)}"] = value
    net.load_state_dict(state)

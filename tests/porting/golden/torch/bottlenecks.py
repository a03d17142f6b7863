"""ResNet29: 33,714 parameters, for inputs of 3x32x32."""

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class Bottleneck(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1, downsample=False):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(
            out_channels, out_channels, 3, stride=stride, padding=1, bias=False
        )
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv3 = nn.Conv2d(out_channels, 4 * out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * out_channels)
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(in_channels, 4 * out_channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(4 * out_channels),
            )
            if downsample
            else None
        )

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        if self.downsample is not None:
            x = self.downsample(x)
        return F.relu(y + x)


class ResNet29(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.layer1 = nn.Sequential(
            Bottleneck(8, 8, downsample=True), Bottleneck(32, 8)
        )
        self.layer2 = nn.Sequential(
            Bottleneck(32, 12, stride=2, downsample=True),
            Bottleneck(48, 12),
            Bottleneck(48, 12),
        )
        self.layer3 = nn.Sequential(
            Bottleneck(48, 16, stride=2, downsample=True),
            *[Bottleneck(64, 16) for _ in range(3)],
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))  # 8x32x32
        x = self.layer1(x)  # 32x32x32
        x = self.layer2(x)  # 48x16x16
        x = self.avgpool(self.layer3(x))  # 64x1x1
        x = torch.flatten(x, 1)  # 64
        return self.fc(x)  # 10


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

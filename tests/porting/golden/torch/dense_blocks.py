"""DenseNet: 5,748 parameters, for inputs of 3x16x16."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class Layer(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, 16, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 4, 3, padding=1, bias=False)

    def forward(self, x, y):
        x = F.relu(self.norm1(torch.cat([x, y], dim=1)))
        x = F.relu(self.norm2(self.conv1(x)))
        return self.conv2(x)


class Layer2(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, 16, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 4, 3, padding=1, bias=False)

    def forward(self, x, y, z):
        x = F.relu(self.norm1(torch.cat([x, y, z], dim=1)))
        x = F.relu(self.norm2(self.conv1(x)))
        return self.conv2(x)


class Denseblock(nn.Module):
    def __init__(self, in_channels, layer2_channels, layer3_channels):
        super().__init__()
        self.layer1 = nn.Sequential(
            OrderedDict(
                norm1=nn.BatchNorm2d(in_channels),
                relu1=nn.ReLU(),
                conv1=nn.Conv2d(in_channels, 16, 1, bias=False),
                norm2=nn.BatchNorm2d(16),
                relu2=nn.ReLU(),
                conv2=nn.Conv2d(16, 4, 3, padding=1, bias=False),
            )
        )
        self.layer2 = Layer(layer2_channels)
        self.layer3 = Layer2(layer3_channels)

    def forward(self, x):
        layer1 = self.layer1(x)
        layer2 = self.layer2(x, layer1)
        return torch.cat([x, layer1, layer2, self.layer3(x, layer1, layer2)], dim=1)


class DenseNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv0 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.denseblock1 = Denseblock(8, 12, 16)
        self.transition = nn.Sequential(
            OrderedDict(
                norm=nn.BatchNorm2d(20),
                relu=nn.ReLU(),
                conv=nn.Conv2d(20, 10, 1),
                pool=nn.AvgPool2d(2),
            )
        )
        self.denseblock2 = Denseblock(10, 14, 18)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(22, 10)

    def forward(self, x):
        x = self.conv0(x)  # 8x16x16
        x = self.denseblock1(x)  # 20x16x16
        x = self.transition(x)  # 10x8x8
        x = self.avgpool(self.denseblock2(x))  # 22x1x1
        x = torch.flatten(x, 1)  # 22
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

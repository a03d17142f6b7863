"""SENet: 5,740 parameters, for inputs of 8x16x16."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class SE(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.fc1 = nn.Conv2d(in_channels, in_channels // 4, 1)
        self.fc2 = nn.Conv2d(in_channels // 4, in_channels, 1)

    def forward(self, x):
        y = F.adaptive_avg_pool2d(x, 1)
        y = F.relu(self.fc1(y))
        y = F.relu6(self.fc2(y) + 3) / 6
        return x * y


def block(in_channels, out_channels):
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(in_channels, out_channels, 3, padding=1),
            se=SE(out_channels),
            hardswish=nn.Hardswish(),
        )
    )


class SENet(nn.Module):
    def __init__(self):
        super().__init__()
        self.block1 = block(8, 8)
        self.block2 = block(8, 16)
        self.block3 = block(16, 24)

    def forward(self, x):
        x = self.block1(x)  # 8x16x16
        x = self.block2(x)  # 16x16x16
        x = self.block3(x)  # 24x16x16
        return {"map": x, "vector": torch.flatten(x, 1)}


def load_weights(net, path):
    """Read the weights from a safetensors file."""
    net.load_state_dict(load_file(path))

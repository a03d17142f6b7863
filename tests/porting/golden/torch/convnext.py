"""ConvNeXt: 4,090 parameters, for inputs of 3x16x16."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class LayerNorm2d(nn.LayerNorm):
    """Normalise each pixel over its channels."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.dwconv = nn.Conv2d(8, 8, 5, padding=2, groups=8)
        self.norm = LayerNorm2d(8, eps=1e-6)
        self.pwconv1 = nn.Conv2d(8, 32, 1)
        self.pwconv2 = nn.Conv2d(32, 8, 1)

    def forward(self, x):
        y = self.norm(self.dwconv(x))  # 8x8x8
        y = F.gelu(self.pwconv1(y))  # 32x8x8
        return x + self.pwconv2(y)  # 8x8x8


class ConvNeXt(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(3, 8, 2, stride=2), norm=LayerNorm2d(8, eps=1e-6)
            )
        )
        self.blocks = nn.Sequential(*[Block() for _ in range(5)])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, 10)

    def forward(self, x):
        x = self.stem(x)  # 8x8x8
        x = self.avgpool(self.blocks(x))  # 8x1x1
        x = torch.flatten(x, 1)  # 8
        return self.fc(x)  # 10


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names."""
    roles = {"scale": "weight", "shift": "bias"}
    state = {}
    for name, value in load_file(path).items():
        layer, _, role = name.rpartition(".")
        state[f"{layer}.{roles.get(role, role)}"] = value
    net.load_state_dict(state)

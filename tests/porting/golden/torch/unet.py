"""UNet: 7,402 parameters, for inputs of 1x16x16."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


def down(in_channels, out_channels):
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(in_channels, out_channels, 3, padding=1),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(out_channels, out_channels, 3, padding=1),
            relu2=nn.ReLU(),
        )
    )


class Up(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.upconv = nn.ConvTranspose2d(in_channels, in_channels // 2, 2, stride=2)
        self.double_ = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(in_channels, in_channels // 2, 3, padding=1),
                relu1=nn.ReLU(),
                conv2=nn.Conv2d(in_channels // 2, in_channels // 2, 3, padding=1),
                relu2=nn.ReLU(),
            )
        )

    def forward(self, x, y):
        y = torch.cat([y, self.upconv(x)], dim=1)
        return self.double_(y)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1 = down(1, 4)
        self.down2 = down(4, 8)
        self.middle = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(8, 16, 3, padding=1),
                relu1=nn.ReLU(),
                conv2=nn.Conv2d(16, 16, 3, padding=1),
                relu2=nn.ReLU(),
            )
        )
        self.up1 = Up(16)
        self.up2 = Up(8)
        self.out = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        x = self.down1(x)  # 4x16x16
        y = F.max_pool2d(x, 2)  # 4x8x8
        y = self.down2(y)  # 8x8x8
        z = F.max_pool2d(y, 2)  # 8x4x4
        z = self.middle(z)  # 16x4x4
        z = self.up1(z, y)  # 8x8x8
        z = self.up2(z, x)  # 4x16x16
        return self.out(z)  # 2x16x16


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names."""
    layers = {
        "up1.double.conv1": "up1.double_.conv1",
        "up1.double.conv2": "up1.double_.conv2",
        "up2.double.conv1": "up2.double_.conv1",
        "up2.double.conv2": "up2.double_.conv2",
    }
    state = {}
    for name, value in load_file(path).items():
        layer, _, role = name.rpartition(".")
        state[f"{layers.get(layer, layer)}.{role}"] = value
    net.load_state_dict(state)

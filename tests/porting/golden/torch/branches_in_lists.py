"""SqueezeNet10: 3,040 parameters, for inputs of 3x16x16."""

import torch
from safetensors.torch import load_file
from torch import nn


def block(in_channels, out_channels, kernel_size, padding=0):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding), nn.ReLU()
    )


class Concurrent(nn.ModuleList):
    def __init__(self, in_channels):
        super().__init__(
            [
                block(in_channels, 2 * in_channels, 1),
                block(in_channels, 2 * in_channels, 3, padding=1),
            ]
        )

    def forward(self, x):
        return torch.cat([self[0](x), self[1](x)], dim=1)


def block2(in_channels, out_channels):
    return nn.Sequential(block(in_channels, out_channels, 1), Concurrent(out_channels))


class SqueezeNet10(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(block2(3, 4), block2(16, 6), block2(24, 8))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(32, 10)

    def forward(self, x):
        x = self.avgpool(self.features(x))  # 32x1x1
        x = torch.flatten(x, 1)  # 32
        return self.fc(x)  # 10


def load_weights(net, path):
    """Read the weights from a safetensors file."""
    net.load_state_dict(load_file(path))

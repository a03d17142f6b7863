"""VGG: 9,554 parameters, for inputs of 1x32x32."""

from collections import OrderedDict

from safetensors.torch import load_file
from torch import nn


def block(in_channels, out_channels, convs):
    layers = OrderedDict()
    for i in range(1, convs + 1):
        layers[f"conv{i}"] = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        layers[f"relu{i}"] = nn.ReLU()
        in_channels = out_channels
    layers["pool"] = nn.MaxPool2d(2)
    return nn.Sequential(layers)


class VGG(nn.Module):
    def __init__(self):
        super().__init__()
        self.block1 = block(1, 4, convs=1)
        self.block2 = block(4, 8, convs=1)
        self.block3 = block(8, 12, convs=2)
        self.block4 = block(12, 16, convs=3)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = self.block1(x)  # 4x16x16
        x = self.block2(x)  # 8x8x8
        x = self.block3(x)  # 12x4x4
        x = self.block4(x)  # 16x2x2
        x = self.flatten(x)  # 64
        return self.linear(x)  # 10


def load_weights(net, path):
    """Read the weights from a safetensors file."""
    net.load_state_dict(load_file(path))

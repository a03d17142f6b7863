"""VGG11: 128,806,154 parameters, for inputs of 1x224x224."""

from collections import OrderedDict

import torch.nn.functional as F
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


class VGG11(nn.Module):
    def __init__(self):
        super().__init__()
        self.block1 = block(1, 64, convs=1)
        self.block2 = block(64, 128, convs=1)
        self.block3 = block(128, 256, convs=2)
        self.block4 = block(256, 512, convs=2)
        self.block5 = block(512, 512, convs=2)
        self.flatten = nn.Flatten()
        self.linear1 = nn.Linear(25088, 4096)
        self.dropout1 = nn.Dropout(0.5)
        self.linear2 = nn.Linear(4096, 4096)
        self.dropout2 = nn.Dropout(0.5)
        self.linear3 = nn.Linear(4096, 10)

    def forward(self, x):
        x = self.block1(x)  # 64x112x112
        x = self.block2(x)  # 128x56x56
        x = self.block3(x)  # 256x28x28
        x = self.block4(x)  # 512x14x14
        x = self.block5(x)  # 512x7x7
        x = self.flatten(x)  # 25088
        x = self.dropout1(F.relu(self.linear1(x)))  # 4096
        x = self.dropout2(F.relu(self.linear2(x)))  # 4096
        return self.linear3(x)  # 10


def load_weights(net, path):
    """Read the weights from a safetensors file."""
    net.load_state_dict(load_file(path))

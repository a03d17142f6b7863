"""NiN: 1,992,166 parameters, for inputs of 1x224x224."""

from collections import OrderedDict

import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


def block(in_channels, out_channels, kernel_size, stride=1, padding=0):
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(
                in_channels, out_channels, kernel_size, stride=stride, padding=padding
            ),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(out_channels, out_channels, 1),
            relu2=nn.ReLU(),
            conv3=nn.Conv2d(out_channels, out_channels, 1),
            relu3=nn.ReLU(),
        )
    )


class NiN(nn.Module):
    def __init__(self):
        super().__init__()
        self.block1 = block(1, 96, 11, stride=4)
        self.block2 = block(96, 256, 5, padding=2)
        self.block3 = block(256, 384, 3, padding=1)
        self.dropout = nn.Dropout(0.5)
        self.block4 = block(384, 10, 3, padding=1)
        self.flatten = nn.Flatten()

    def forward(self, x):
        x = F.max_pool2d(self.block1(x), 3, stride=2)  # 96x26x26
        x = F.max_pool2d(self.block2(x), 3, stride=2)  # 256x12x12
        x = self.dropout(F.max_pool2d(self.block3(x), 3, stride=2))  # 384x5x5
        x = F.adaptive_avg_pool2d(self.block4(x), 1)  # 10x1x1
        return self.flatten(x)  # 10


def load_weights(net, path):
    """Read the weights from a safetensors file."""
    net.load_state_dict(load_file(path))

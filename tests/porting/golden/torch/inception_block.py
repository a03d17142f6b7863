"""InceptionBlock: 163,696 parameters, for inputs of 192x28x28."""

from collections import OrderedDict

import torch
from safetensors.torch import load_file
from torch import nn


class InceptionBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.branch1 = nn.Sequential(
            OrderedDict(conv1=nn.Conv2d(192, 64, 1), relu1=nn.ReLU())
        )
        self.branch2 = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(192, 96, 1),
                relu1=nn.ReLU(),
                conv2=nn.Conv2d(96, 128, 3, padding=1),
                relu2=nn.ReLU(),
            )
        )
        self.branch3 = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(192, 16, 1),
                relu1=nn.ReLU(),
                conv2=nn.Conv2d(16, 32, 5, padding=2),
                relu2=nn.ReLU(),
            )
        )
        self.branch4 = nn.Sequential(
            OrderedDict(
                pool=nn.MaxPool2d(3, stride=1, padding=1),
                conv1=nn.Conv2d(192, 32, 1),
                relu1=nn.ReLU(),
            )
        )

    def forward(self, x):
        return torch.cat(
            [self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], dim=1
        )  # 256x28x28


def load_weights(net, path):
    """Read the weights from a safetensors file."""
    net.load_state_dict(load_file(path))

"""LeNet: 170,988 parameters, for inputs of 1x28x28."""

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 3)
        self.linear1 = nn.Linear(1250, 128)
        self.linear2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # 20x12x12
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # 50x5x5
        x = torch.flatten(x, 1)  # 1250
        x = F.relu(self.linear1(x))  # 128
        return self.linear2(x)  # 10


def load_weights(net, path):
    """Read the weights from a safetensors file."""
    net.load_state_dict(load_file(path))

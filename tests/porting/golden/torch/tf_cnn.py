"""TFCNN: 3,274,634 parameters, for inputs of 1x28x28."""

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class TFCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 5, padding=2)
        self.conv2 = nn.Conv2d(32, 64, 5, padding=2)
        self.linear1 = nn.Linear(3136, 1024)
        self.linear2 = nn.Linear(1024, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # 32x14x14
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # 64x7x7
        x = torch.flatten(x, 1)  # 3136
        x = F.relu(self.linear1(x))  # 1024
        return self.linear2(x)  # 10


def load_weights(net, path):
    """Read the weights from a safetensors file."""
    net.load_state_dict(load_file(path))

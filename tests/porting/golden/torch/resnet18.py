"""ResNet18: 11,178,378 parameters, for inputs of 1x224x224."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class BatchNorm2d(nn.BatchNorm2d):
    """Keep the biased running variance, as all frameworks but PyTorch do."""

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        with torch.no_grad():
            var, mean = torch.var_mean(x, (0, 2, 3), correction=0)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var, self.momentum)
        return F.batch_norm(
            x, None, None, self.weight, self.bias, training=True, eps=self.eps
        )


class Block(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1, project=False):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1)
        self.norm1 = BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.norm2 = BatchNorm2d(out_channels)
        self.conv3 = (
            nn.Conv2d(in_channels, out_channels, 1, stride=stride) if project else None
        )

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.conv3 is not None:
            x = self.conv3(x)
        return F.relu(y + x)


def stage(in_channels, out_channels, stride=1, project=False):
    return nn.Sequential(
        OrderedDict(
            block1=Block(in_channels, out_channels, stride=stride, project=project),
            block2=Block(out_channels, out_channels),
        )
    )


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3)
        self.norm1 = BatchNorm2d(64)
        self.stage1 = stage(64, 64)
        self.stage2 = stage(64, 128, stride=2, project=True)
        self.stage3 = stage(128, 256, stride=2, project=True)
        self.stage4 = stage(256, 512, stride=2, project=True)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(512, 10)

    def forward(self, x):
        x = F.relu(self.norm1(self.conv1(x)))  # 64x112x112
        x = F.max_pool2d(x, 3, stride=2, padding=1)  # 64x56x56
        x = self.stage1(x)  # 64x56x56
        x = self.stage2(x)  # 128x28x28
        x = self.stage3(x)  # 256x14x14
        x = F.adaptive_avg_pool2d(self.stage4(x), 1)  # 512x1x1
        x = self.flatten(x)  # 512
        return self.linear(x)  # 10


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names."""
    roles = {
        "scale": "weight",
        "shift": "bias",
        "mean": "running_mean",
        "var": "running_var",
    }
    state = {}
    for name, value in load_file(path).items():
        layer, _, role = name.rpartition(".")
        state[f"{layer}.{roles.get(role, role)}"] = value
    net.load_state_dict(state)

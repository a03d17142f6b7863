"""Siamese: 587 parameters, for inputs of 2x8x8 and 2x8x8."""

from safetensors.torch import load_file
from torch import nn


class Add(nn.Module):
    """Add values; a module, so that the sum has a name."""

    def forward(self, x, *others):
        for other in others:
            x = x + other
        return x


class Mul(nn.Module):
    """Multiply values; a module, so that the product has a name."""

    def forward(self, x, *others):
        for other in others:
            x = x * other
        return x


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.left_arm = nn.ModuleDict({"conv": nn.Conv2d(2, 4, 3), "0": nn.Tanh()})
        self.right_arm = nn.ModuleDict(
            {"conv": nn.Conv2d(2, 4, 3), "type_": nn.Sigmoid()}
        )
        self.fused = Mul()
        self.train_ = nn.ModuleDict(
            {"sum_": Add(), "class_": nn.Flatten(), "1": nn.Linear(144, 3)}
        )
        self.softmax = nn.Softmax(dim=1)

    def forward(self, left, right):
        left = self.left_arm["conv"](left)  # 4x6x6
        right = self.right_arm["conv"](right)  # 4x6x6
        left = self.left_arm["0"](left)  # 4x6x6
        right = self.fused(left, self.right_arm["type_"](right), left)  # 4x6x6
        right = self.train_["sum_"](right, left)  # 4x6x6
        x = self.train_["class_"](right)  # 144
        return self.softmax(self.train_["1"](x)), right


def load_weights(net, path):
    """Read the weights from a safetensors file with neutral names."""
    layers = {
        "left-arm.conv": "left_arm.conv",
        "right-arm.conv": "right_arm.conv",
        "train.1": "train_.1",
    }
    state = {}
    for name, value in load_file(path).items():
        layer, _, role = name.rpartition(".")
        state[f"{layers.get(layer, layer)}.{role}"] = value
    net.load_state_dict(state)

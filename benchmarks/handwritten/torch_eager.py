"""The networks in PyTorch: eager modules under inference_mode."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.task import CLASSES, LEARNING_RATE, Array, Contestant, Data, Task

NAMES = {"scale": "weight", "shift": "bias", "mean": "running_mean", "var": "running_var"}


class LeNet(nn.Module):
    """Be LeNet for 1x28x28."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 3)
        self.linear1 = nn.Linear(1250, 128)
        self.linear2 = nn.Linear(128, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of a batch."""
        y = F.max_pool2d(F.relu(self.conv1(x)), 2)
        y = F.max_pool2d(F.relu(self.conv2(y)), 2)
        scores: Tensor = self.linear2(F.relu(self.linear1(y.flatten(1))))
        return scores


class Residual(nn.Module):
    """Be a block of two 3x3 convolutions and a shortcut."""

    def __init__(self, before: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, channels, 3, stride, padding=1)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(before, channels, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.conv3(x))


class ResNet18(nn.Module):
    """Be ResNet-18 for 1x224x224."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, 7, 2, padding=3)
        self.norm1 = nn.BatchNorm2d(64)
        self.stage1 = stage(64, 64, 1)
        self.stage2 = stage(64, 128, 2)
        self.stage3 = stage(128, 256, 2)
        self.stage4 = stage(256, 512, 2)
        self.linear = nn.Linear(512, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of a batch."""
        y = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 3, 2, padding=1)
        y = self.stage4(self.stage3(self.stage2(self.stage1(y))))
        scores: Tensor = self.linear(F.adaptive_avg_pool2d(y, 1).flatten(1))
        return scores


def stage(before: int, channels: int, stride: int) -> nn.Sequential:
    """Return two blocks, the first of which may halve the image."""
    return nn.Sequential(OrderedDict(block1=Residual(before, channels, stride), block2=Residual(channels, channels, 1)))


def state(weights: Mapping[str, Array]) -> dict[str, Tensor]:
    """Return weights under PyTorch's names."""
    split = {name: name.rpartition(".") for name in weights}
    return {f"{layer}.{NAMES.get(last, last)}": torch.tensor(weights[name]) for name, (layer, _, last) in split.items()}


def loaded(task: Task, data: Data) -> nn.Module:
    """Return the task's network with the weights loaded."""
    network = {"lenet": LeNet, "resnet18": ResNet18}[task.network]()
    network.load_state_dict(state(data.weights), strict=False)
    return network.eval()


def torch_eager(task: Task, data: Data) -> Contestant:
    """Return the network in eager mode."""
    network, x, labels = loaded(task, data), torch.from_numpy(data.images), torch.from_numpy(data.labels)

    def infer() -> Tensor:
        with torch.inference_mode():
            result: Tensor = network(x)
            return result

    def differentiate() -> dict[str, Any]:
        leaf = x.detach().requires_grad_()
        network.zero_grad()
        loss = F.cross_entropy(network(leaf), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        parameters = {**dict(network.named_parameters()), "input": leaf}
        return {"loss": loss.item(), **{name: value.grad.numpy() for name, value in parameters.items() if value.grad is not None}}

    if task.training:
        return _training(network.train(), x, labels)
    return Contestant(differentiate, dict) if task.gradients else Contestant(infer, lambda y: {"output": y.numpy()})


def _training(network: nn.Module, x: Tensor, labels: Tensor) -> Contestant:
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)

    def step() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    return Contestant(step, lambda loss: {"loss": loss, **{name: value.detach().numpy() for name, value in network.named_parameters()}})

"""The networks in MXNet: Gluon blocks, hybridized with static memory and shapes."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unicnn_mxnet.compat import mx

from benchmarks.task import CLASSES, LEARNING_RATE, Array, Contestant, Data, Task

nn = mx.gluon.nn
NAMES = {"scale": "gamma", "shift": "beta", "mean": "running_mean", "var": "running_var"}


class LeNet(nn.HybridBlock):  # type: ignore[misc]
    """Be LeNet for 1x28x28."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2D(20, 5, activation="relu")
        self.conv2 = nn.Conv2D(50, 3, activation="relu")
        self.pool = nn.MaxPool2D(2)
        self.linear1 = nn.Dense(128, activation="relu")
        self.linear2 = nn.Dense(CLASSES)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        """Return the scores of a batch."""
        y = self.pool(self.conv2(self.pool(self.conv1(x))))
        return self.linear2(self.linear1(y))


class Residual(nn.HybridBlock):  # type: ignore[misc]
    """Be a block of two 3x3 convolutions and a shortcut."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2D(channels, 3, stride, padding=1)
        self.norm1 = nn.BatchNorm()
        self.conv2 = nn.Conv2D(channels, 3, padding=1)
        self.norm2 = nn.BatchNorm()
        self.conv3 = nn.Conv2D(channels, 1, stride) if stride > 1 else None

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        """Return the block's output."""
        y = F.relu(self.norm1(self.conv1(x)))
        shortcut = x if self.conv3 is None else self.conv3(x)
        return F.relu(self.norm2(self.conv2(y)) + shortcut)


class ResNet18(nn.HybridBlock):  # type: ignore[misc]
    """Be ResNet-18 for 1x224x224."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2D(64, 7, 2, padding=3)
        self.norm1 = nn.BatchNorm()
        self.pool1 = nn.MaxPool2D(3, 2, padding=1)
        self.stage1, self.stage2, self.stage3, self.stage4 = Stage(64, 1), Stage(128, 2), Stage(256, 2), Stage(512, 2)
        self.pool2 = nn.GlobalAvgPool2D()
        self.linear = nn.Dense(CLASSES)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        """Return the scores of a batch."""
        y = self.pool1(F.relu(self.norm1(self.conv1(x))))
        y = self.stage4(self.stage3(self.stage2(self.stage1(y))))
        return self.linear(self.pool2(y))


class Stage(nn.HybridBlock):  # type: ignore[misc]
    """Be two blocks, the first of which may halve the image."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.block1, self.block2 = Residual(channels, stride), Residual(channels, 1)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        """Return the stage's output."""
        return self.block2(self.block1(x))


def load(network: Any, weights: Mapping[str, Array]) -> None:
    """Load weights through a file, as Gluon does it."""
    split = {name: name.rpartition(".") for name in weights}
    arrays = {f"{layer}.{NAMES.get(last, last)}": mx.nd.array(weights[name]) for name, (layer, _, last) in split.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "weights"))
        mx.nd.save(path, arrays)
        network.load_parameters(path)


def gluon(task: Task, data: Data) -> Contestant:
    """Return the network, hybridized."""
    network = {"lenet": LeNet, "resnet18": ResNet18}[task.network]()
    load(network, data.weights)
    network.hybridize(static_alloc=True, static_shape=True)
    if task.training:
        return _training(network, data)
    return _gradients(network, data) if task.gradients else _inference(network, data)


def _inference(network: Any, data: Data) -> Contestant:
    x = mx.nd.array(data.images)

    def infer() -> Any:
        y = network(x)
        mx.nd.waitall()
        return y

    return Contestant(infer, lambda y: {"output": y.asnumpy()})


def _gradients(network: Any, data: Data) -> Contestant:
    x, labels = mx.nd.array(data.images), mx.nd.array(data.labels)
    x.attach_grad()
    cross_entropy = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    cross_entropy.hybridize(static_alloc=True, static_shape=True)
    parameters = network._collect_params_with_prefix()

    def differentiate() -> dict[str, Any]:
        with mx.autograd.record():
            loss = cross_entropy(network(x), labels).mean()
        loss.backward()
        gradients = {name: parameter.grad().asnumpy() for name, parameter in parameters.items()}
        return {"loss": loss.asscalar(), "input": x.grad.asnumpy(), **gradients}

    return Contestant(differentiate, dict)


def _training(network: Any, data: Data) -> Contestant:
    x, labels = mx.nd.array(data.images), mx.nd.array(data.labels)
    cross_entropy = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    cross_entropy.hybridize(static_alloc=True, static_shape=True)
    trainer = mx.gluon.Trainer(network.collect_params(), "sgd", {"learning_rate": LEARNING_RATE})
    parameters = network._collect_params_with_prefix()

    def step() -> float:
        with mx.autograd.record():
            loss = cross_entropy(network(x), labels)
        loss.backward()
        trainer.step(len(labels))
        result: float = loss.mean().asscalar()
        return result

    return Contestant(step, lambda loss: {"loss": loss, **{name: value.data().asnumpy() for name, value in parameters.items()}})

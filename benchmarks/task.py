"""What a contestant has to compute, and on which data."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

import unicnn as un

Array: TypeAlias = np.ndarray[Any, Any]

TITLES = {"lenet": "LeNet", "resnet18": "ResNet-18"}
CLASSES = 10
LEARNING_RATE = 0.05
"""Of training steps."""


@dataclass(frozen=True)
class Task:
    """Name a network of the zoo, the size of a batch, and what is asked for: the outputs, a loss and gradients, or a training step.

    A training step is forward, backward and an update by plain SGD, and gives the loss as a number.
    """

    network: str
    batch: int
    gradients: bool = False
    training: bool = False

    @property
    def title(self) -> str:
        """Return the task in words."""
        return f"{TITLES[self.network]}, batch {self.batch}{', gradients' if self.gradients else ''}{', training step' if self.training else ''}"


@dataclass(frozen=True)
class Data:
    """Hold what both sides are given: the weights by name, images NCHW and labels."""

    weights: Mapping[str, Array]
    images: Array
    labels: Array


@dataclass(frozen=True)
class Contestant:
    """Be one side, ready to run.

    `call` is what is timed; it returns when the result is there. `arrays` turns what it returned into NumPy arrays by name,
    in canonical layout, for the comparison of the two sides.
    """

    call: Callable[[], Any]
    arrays: Callable[[Any], dict[str, Array]]


def data(task: Task) -> Data:
    """Return the data of a task, the same in every process."""
    model = un.zoo.get(task.network)
    rng = np.random.default_rng(0)
    images = rng.random((task.batch, *model.input_shape), np.float32)
    return Data(_weights(model), images, rng.integers(0, CLASSES, task.batch))


def _weights(model: un.Model) -> dict[str, Array]:
    """Return initial weights, but statistics of batch norm that make a difference."""
    weights = dict(un.initial_weights(un.infer(model), seed=0))
    for name, array in weights.items():
        spread = 0.1 * np.random.default_rng(zlib.crc32(name.encode())).standard_normal(array.shape).astype(np.float32)
        if name.endswith((".mean", ".shift")):
            weights[name] = spread
        elif name.endswith((".var", ".scale")):
            weights[name] = np.exp(spread)
    return weights

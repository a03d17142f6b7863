"""What a training run leaves behind: the loss of every step, and the metrics of every epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

import numpy as np

from unicnn.training.metrics import METRICS
from unicnn.training.recipe import Recipe

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Epoch:
    """Hold one pass over the data: means over its batches, then what the test samples gave, if there are any.

    `number` counts from 0, `step` is the number of updates so far, `rate` the learning rate of the last. `seconds` and `images_per_second`
    are of the training batches alone, and no part of a fingerprint.
    """

    number: int
    step: int
    rate: float
    loss: float
    metrics: Mapping[str, float]
    test_loss: float | None = None
    test_metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    images_per_second: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the epoch as plain tables and numbers."""
        return asdict(self)

    def values(self) -> list[float]:
        """Return what two runs of one recipe must share."""
        test = [] if self.test_loss is None else [self.test_loss]
        return [self.number, self.step, self.rate, self.loss, *self.metrics.values(), *test, *self.test_metrics.values()]


@dataclass
class Tally:
    """Count what batches gave: the loss as reduced, the samples, and for each metric how many of them are right."""

    reduction: str
    losses: list[float] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    counts: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, recipe: Recipe) -> Tally:
        """Return an empty tally of a recipe's loss and metrics."""
        return cls(recipe.loss.reduction, counts={name: [] for name in recipe.metrics or ()})

    def add(self, loss: float, scores: Array, labels: Array) -> None:
        """Count a batch."""
        self.losses.append(loss)
        self.samples.append(len(labels))
        for name, found in self.counts.items():
            found.append(METRICS[name](scores, labels))

    def means(self, averaging: str, first: int = 0) -> tuple[float, dict[str, float]]:
        """Return the loss and the metrics from batch `first` on, averaged over "samples" or over "batches"."""
        losses, samples = self.losses[first:], self.samples[first:]
        if averaging == "batches":
            rates = {
                name: _mean([right / n for right, n in zip(found[first:], samples, strict=True)]) for name, found in self.counts.items()
            }
            return _mean(losses), rates
        sums = losses if self.reduction == "sum" else [loss * n for loss, n in zip(losses, samples, strict=True)]
        total = sum(samples)
        return math.fsum(sums) / total, {name: sum(found[first:]) / total for name, found in self.counts.items()}


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)  # fsum rounds once, whatever the machine


@dataclass
class History:
    """Hold the losses of all steps, one each, and the epochs."""

    steps: Tally
    epochs: list[Epoch] = field(default_factory=list)

    @property
    def losses(self) -> list[float]:
        """Return the loss of every step, before its update, as the recipe reduces it."""
        return self.steps.losses

    def arrays(self) -> dict[str, Array]:
        """Return what belongs to single steps as arrays."""
        counts = {name: np.array(found, np.int64) for name, found in self.steps.counts.items()}
        return {"losses": np.array(self.losses, np.float64), "samples": np.array(self.steps.samples, np.int64), **counts}

    def values(self) -> list[Array]:
        """Return all that two runs of one recipe must share, as arrays."""
        return [*self.arrays().values(), *(np.array(epoch.values(), np.float64) for epoch in self.epochs)]


def restored(recipe: Recipe, arrays: Mapping[str, Array], epochs: Sequence[Mapping[str, Any]]) -> History:
    """Return the history that `arrays` and the epochs' tables hold."""
    tally = Tally.of(recipe)
    tally.losses, tally.samples = arrays["losses"].tolist(), arrays["samples"].tolist()
    tally.counts = {name: arrays[name].tolist() for name in tally.counts}
    return History(tally, [Epoch(**epoch) for epoch in epochs])

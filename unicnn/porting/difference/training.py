"""What a choice of a recipe does to the weights: some steps of a small network in float64, with the choice and without it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, TypeAlias

import numpy as np

from unicnn import randomness
from unicnn.errors import UnicnnError
from unicnn.initializers import initial_weights
from unicnn.model import Model, Sequential
from unicnn.ops import BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d
from unicnn.ops.base import Parameter
from unicnn.porting.difference.choices import LONGEST, Choice, Length, steady
from unicnn.porting.difference.result import Effect
from unicnn.program import lower
from unicnn.training.batches import Batches
from unicnn.training.data import Data, prepared
from unicnn.training.learner import Learner
from unicnn.training.recipe import Recipe

Array: TypeAlias = np.ndarray[Any, Any]

STEPS = 20
_SAMPLES, _BATCH = 50, 16
"""So that the last batch of an epoch, the fourth, is a short one."""
_ROUNDING = 1e-12
_UNMEASURED = ("data.name", "data.source", "data.train", "data.test", "data.resize", "data.resize_method", "data", "model", "length")


@dataclass(frozen=True)
class Trained:
    """Hold the weights after each step, the start first, as one vector each."""

    weights: Array

    @property
    def way(self) -> float:
        """Return how far the weight that went farthest went."""
        return float(np.abs(self.weights - self.weights[0]).max())


class Training:
    """Train a small network by the first recipe, and by others that differ from it, from the same start on the same samples."""

    def __init__(self, a: Recipe, b: Recipe, seed: int) -> None:
        self.a, self.b, self.seed = a, b, seed
        self.model = _network()
        lengths = [Length.of(item) for item in (a, b)]
        total = min(length.total for length in lengths)
        self.stretched = total > STEPS and not (steady(a) and steady(b))
        self.updates = _places(a, b, lengths, total) if self.stretched else list(range(STEPS))

    @cached_property
    def base(self) -> Trained:
        """Return what the first recipe gives."""
        return self.train(self.a)

    def effect(self, choice: Choice) -> Effect:
        """Return what one choice of the second recipe, made in the first, does to the weights."""
        if not measurable(choice):
            return Effect(note=_note(choice))
        if choice.name.startswith("init."):
            return Effect(note=_start(choice))
        try:
            found = self.apart(choice.made(self.a))
        except UnicnnError as error:
            return Effect(note=f"It cannot be made alone: {error}")
        short = "(Here every fourth batch is a short one.)" if choice.name in ("divisor", "last") else ""
        return dataclasses.replace(found, note=" ".join(filter(None, (found.note, short))))

    def apart(self, recipe: Recipe) -> Effect:
        """Return how far the weights are from the first recipe's, and from which step on."""
        other = self.train(recipe)
        way = max(self.base.way, np.finfo(np.float64).tiny)
        with np.errstate(all="ignore"):
            gaps = np.nan_to_num(np.abs(other.weights - self.base.weights).max(1) / way, nan=np.inf)
        steps = np.flatnonzero(gaps > _ROUNDING)
        found = int(steps[0]) if len(steps) else None
        return Effect(weights=float(gaps[-1]), step=found, note=self._place(found))

    def _place(self, step: int | None) -> str:
        if step is None or not self.stretched or step <= 1:
            return ""
        return f"(The schedules are run through in {STEPS} steps; step {step} has the rate of update {self.updates[step - 1] + 1:,}.)"

    def train(self, recipe: Recipe) -> Trained:
        """Return the weights of the steps of a recipe; its batches are small, and its schedule is run through in these few steps."""
        small, per_epoch = self._small(recipe), Length.of(recipe).per_epoch
        program = lower(
            self.model, "numpy", numerics="float64", seed=self.seed, weights=initial_weights(self.model, self.seed, self.a.init)
        )
        learner = Learner(program, small)
        batches = Batches.of(small, _SAMPLES, self.seed)
        x, targets = _samples(small, self.seed)
        found = [_vector(program.weights())]
        with np.errstate(all="ignore"):
            for step, update in enumerate(self.updates):
                chosen = batches.indices(step)
                learner.step(x[chosen], targets[chosen], recipe.rate(update, update // per_epoch))
                found.append(_vector(program.weights()))
        return Trained(np.array(found))

    def _small(self, recipe: Recipe) -> Recipe:
        """Return a recipe with batches as much smaller as makes the first recipe's as small as they are here."""
        size = recipe.batch_size or 1
        small = int(min(_SAMPLES, max(1, round(_BATCH * size / (self.a.batch_size or 1)))))
        divisor = recipe.divisor * small / size if isinstance(recipe.divisor, float) and recipe.divisor != 1.0 else recipe.divisor
        return recipe.replace(batch_size=small, divisor=divisor)


def measurable(choice: Choice) -> bool:
    """Tell whether a choice can be made in the small training."""
    return choice.name not in _UNMEASURED


def _network() -> Model:
    layers = [Conv2d(3, 3, activation="relu"), BatchNorm2d(), MaxPool2d(2), Conv2d(4, 2, activation="tanh"), Flatten(), Linear(4)]
    return Sequential(layers, input=(2, 8, 8), name="small")


def _places(a: Recipe, b: Recipe, lengths: list[Length], total: int) -> list[int]:
    """Return the updates whose rates the steps have: some at which a rate changes, and others evenly on the way."""
    both = list(zip((a, b), lengths, strict=True))
    rates = [tuple(item.rate(update, update // length.per_epoch) for item, length in both) for update in range(min(total, LONGEST))]
    changes = [update for update in range(1, len(rates)) if rates[update] != rates[update - 1]]
    chosen = {0, *changes[: STEPS // 2]}
    left = STEPS - len(chosen)
    chosen |= {place * total // (left + 1) for place in range(1, left + 1)}
    others = (update for update in range(total) if update not in chosen)
    return sorted([*chosen, *islice(others, STEPS - len(chosen))])


def _samples(recipe: Recipe, seed: int) -> tuple[Array, Array]:
    """Return images in bytes, prepared as the recipe says, and labels, or values, that depend on them."""
    raw = np.floor(randomness.uniform((_SAMPLES, 2, 8, 8), "diff images", seed) * 256)
    labels = raw.reshape(_SAMPLES, 4, -1).mean(2).argmax(1)
    data = recipe.data or Data("images")
    x = prepared(raw.astype(np.float32), dataclasses.replace(data, resize=None)).astype(np.float64)
    classes = recipe.loss.target((4,))[0] == "labels"
    return x, labels if classes else np.eye(4)[labels]


def _vector(weights: dict[str, Array]) -> Array:
    return np.concatenate([value.ravel() for value in weights.values()]).astype(np.float64)


def _start(choice: Choice) -> str:
    """Return how large the first weights are by two rules, in a layer that is typical."""
    parameter = Parameter((50, 20, 3, 3), "conv", 180, 450)
    if choice.name not in ("init.weight", "init.bias") or choice.a is None or choice.b is None:
        return ""
    parameter = parameter if choice.name == "init.weight" else dataclasses.replace(parameter, shape=(4096,), kind="vector")
    a, b = (float(rule.draw(parameter, 0, "diff").std()) for rule in (choice.a, choice.b))
    what = "weights" if choice.name == "init.weight" else "biases"
    return f"In a convolution of 3x3 from 20 to 50 channels the first {what} have a standard deviation of {a:.3g} and {b:.3g}."


def _note(choice: Choice) -> str:
    if choice.name == "model":
        return f"They train different networks: compare those, with unicnn diff {choice.a} {choice.b}."
    if choice.name == "length":
        return "The longer one goes on where the shorter one stops, as long as their schedules agree."
    return "Other samples: no training on them is comparable, so this was not measured."

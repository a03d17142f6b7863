"""Schedules: by what the learning rate is multiplied, update by update or epoch by epoch; index 0 is the first.

All numbers come from additions and multiplications of float64, so that every machine gets the same ones.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from unicnn.ops.fields import choice, field, integer, integers, number
from unicnn.training.optimizers import power
from unicnn.training.settings import Setting, setting

SCHEDULES: dict[str, type[Schedule]] = {}

_UNITS = {"torch": {"unit": "epoch"}, "keras": {"unit": "update"}, "gluon": {"unit": "update"}}
"""PyTorch's schedulers are stepped once an epoch, as a rule; those of Keras and MXNet count updates."""


class Schedule(Setting, ABC):
    """Be a rule for the learning rate."""

    unit: str | None

    @abstractmethod
    def factor(self, index: int) -> float:
        """Return what the learning rate is multiplied by in update or epoch `index`."""

    def at(self, update: int, epoch: int) -> float:
        """Return the factor of an update, both counted from 0."""
        return self.factor(update if self.unit == "update" else epoch)


@setting(SCHEDULES)
class ConstantRate(Schedule):
    """Leave the learning rate as it is."""

    unit: str | None = field(choice("update", "epoch"), default=None)

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = _UNITS

    def factor(self, index: int) -> float:
        return 1.0


@setting(SCHEDULES)
class StepDecay(Schedule):
    """Multiply the rate by `gamma` after every `size` updates or epochs (PyTorch StepLR, MXNet FactorScheduler)."""

    size: int = field(integer(1))
    gamma: float = field(number(low=0.0), default=0.1)
    unit: str | None = field(choice("update", "epoch"), default=None)

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = _UNITS

    def factor(self, index: int) -> float:
        return power(self.gamma, index // self.size)


@setting(SCHEDULES)
class MultiStepDecay(Schedule):
    """Multiply the rate by `gamma` at each milestone (PyTorch MultiStepLR, MXNet MultiFactorScheduler, Keras PiecewiseConstantDecay).

    `boundary` says whether the update whose index is a milestone still has the earlier rate, as in Keras, or the later one.
    """

    milestones: tuple[int, ...] = field(integers(0))
    gamma: float = field(number(low=0.0), default=0.1)
    boundary: str | None = field(choice("earlier", "later"), default=None)
    unit: str | None = field(choice("update", "epoch"), default=None)

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "torch": {"boundary": "later", **_UNITS["torch"]},
        "keras": {"boundary": "earlier", **_UNITS["keras"]},
        "gluon": {"boundary": "later", **_UNITS["gluon"]},
    }

    def factor(self, index: int) -> float:
        late = self.boundary == "later"
        return power(self.gamma, sum(index > place or (late and index == place) for place in self.milestones))


@setting(SCHEDULES)
class CosineDecay(Schedule):
    """Let the rate fall along half a cosine, in `length` updates or epochs, to `final` times what it was.

    `first` is the position of index 0: MXNet begins at 1, others at 0. `after` says what follows: "hold" the final rate, or "return" the
    way it came, as PyTorch's CosineAnnealingLR does.
    """

    length: int = field(integer(1))
    final: float = field(number(low=0.0), default=0.0)
    first: int | None = field(integer(0), default=None)
    after: str | None = field(choice("hold", "return"), default=None)
    unit: str | None = field(choice("update", "epoch"), default=None)

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "torch": {"first": 0, "after": "return", **_UNITS["torch"]},
        "keras": {"first": 0, "after": "hold", **_UNITS["keras"]},
        "gluon": {"first": 1, "after": "hold", **_UNITS["gluon"]},
    }

    def factor(self, index: int) -> float:
        place = index + (self.first or 0)
        if self.after == "return":
            place %= 2 * self.length
            place = min(place, 2 * self.length - place)
        return self.final + (1 - self.final) * 0.5 * (1 + cosine_of_half_turns(min(place, self.length) / self.length))


@setting(SCHEDULES)
class PolynomialDecay(Schedule):
    """Let the rate fall as (1 - position/length)^exponent to `final` times what it was, and stay there; `first` as in CosineDecay."""

    length: int = field(integer(1))
    exponent: int = field(integer(1), default=1)
    final: float = field(number(low=0.0), default=0.0)
    first: int | None = field(integer(0), default=None)
    unit: str | None = field(choice("update", "epoch"), default=None)

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "torch": {"first": 0, **_UNITS["torch"]},
        "keras": {"first": 0, **_UNITS["keras"]},
        "gluon": {"first": 1, **_UNITS["gluon"]},
    }

    def factor(self, index: int) -> float:
        place = min(index + (self.first or 0), self.length)
        return self.final + (1 - self.final) * power(1 - place / self.length, self.exponent)


def _then(value: Any) -> Any:
    if value is not None and not isinstance(value, (Schedule, str, Mapping)):
        raise ValueError("must be a schedule")
    return value


@setting(SCHEDULES)
class Warmup(Schedule):
    """Let the rate rise in a straight line from `start` times itself, in `length` updates or epochs, then follow another schedule, from its index 0 if it counts the same."""

    length: int = field(integer(1))
    start: float = field(number(low=0.0), default=0.0)
    then: Any = field(_then, default=None)
    unit: str | None = field(choice("update", "epoch"), default=None)

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        name: {"then": ConstantRate(unit="update"), **units} for name, units in _UNITS.items()
    }

    def __post_init__(self) -> None:
        from unicnn.training.settings import read

        super().__post_init__()
        if self.then is not None:
            object.__setattr__(self, "then", read(self.then, SCHEDULES, "Warmup.then"))

    def filled(self, preset: str) -> Warmup:
        # What follows counts as the warm-up does, unless it says otherwise.
        whole: Warmup = super().filled(preset)
        then = whole.then if whole.then.unit else dataclasses.replace(whole.then, unit=whole.unit)
        return dataclasses.replace(whole, then=then.filled(preset))

    def at(self, update: int, epoch: int) -> float:
        index = update if self.unit == "update" else epoch
        if index < self.length:
            return self.factor(index)
        past = (self.length, 0) if self.unit == "update" else (0, self.length)
        if self.then.unit != self.unit:
            past = (0, 0)  # it counts what it counts, from the start of the training
        found: float = self.then.at(update - past[0], epoch - past[1])
        return found

    def factor(self, index: int) -> float:
        return self.start + (1 - self.start) * (index / self.length)


def cosine_of_half_turns(x: float) -> float:
    """Return cos(pi x) for x from 0 to 1, to about 1e-16, by additions and multiplications: a library's differs between machines."""
    if x > 0.5:
        return -cosine_of_half_turns(1 - x)
    if x > 0.25:  # cos(pi x) = sin(pi (1/2 - x)), whose series has a smaller argument
        angle = (0.5 - x) * math.pi
        return angle * _series(angle * angle, 1)
    angle = x * math.pi
    return _series(angle * angle, 0)  # not angle ** 2, which is a library's pow


def _series(square: float, parity: int) -> float:
    """Return cos(sqrt(square)), or sin(sqrt(square))/sqrt(square) for a parity of 1, by the Taylor series up to square^9."""
    total = 0.0
    for k in range(9, -1, -1):
        total = total * square + (-1) ** k / math.factorial(2 * k + parity)
    return total

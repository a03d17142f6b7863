"""Balls: a value and how far a computed one may be from it. Arithmetic on them is running error analysis.

A `Ball` holds float64 arrays `value` and `radius`. An operation on balls returns one that contains every result that a
machine of unit roundoff u may compute from operands within theirs: the error it inherits plus the one it adds. The
rules are those of Higham, Accuracy and Stability of Numerical Algorithms (2002), chapters 2 and 3, with gamma_n =
n u / (1 - n u), and hold for any order of summation, with or without fused multiply-add. `tiny` is what an operation
that flushes subnormals loses at most.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

ELEMENTARY_ULPS = 4
"""How many units in the last place a library's exp, log, erf, tanh may be off; the worst measured is below 3."""


@dataclass(frozen=True)
class Precision:
    """Describe a format: the unit roundoff and the smallest normal number."""

    unit: float
    tiny: float

    def gamma(self, n: float) -> float:
        """Return gamma_n, the relative error of n roundings in a row."""
        return n * self.unit / (1 - n * self.unit)


FLOAT32 = Precision(2.0**-24, 2.0**-126)
FLOAT64 = Precision(2.0**-53, 2.0**-1022)


@dataclass(frozen=True)
class Decision:
    """Hold the outcome of a comparison of balls, and where it is the same for all values within them."""

    value: Array
    sure: Array

    def __and__(self, other: Decision) -> Decision:
        refuted = (self.sure & ~self.value) | (other.sure & ~other.value)
        return Decision(self.value & other.value, (self.sure & other.sure) | refuted)


@dataclass(frozen=True, eq=False)
class Ball:
    """Hold a value and a radius of the same shape, and the precision of the machine."""

    value: Array
    radius: Array
    precision: Precision = FLOAT32

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the value."""
        return self.value.shape

    @property
    def magnitude(self) -> Array:
        """Return the largest absolute value within."""
        return np.abs(self.value) + self.radius

    def __getitem__(self, key: Any) -> Ball:
        return Ball(self.value[key], self.radius[key], self.precision)

    def rounded(self, roundings: float = 1) -> Ball:
        """Return the ball after `roundings` further roundings of its value."""
        added = self.precision.gamma(roundings) * self.magnitude + roundings * self.precision.tiny
        return Ball(self.value, self.radius + added, self.precision)

    def lift(self, other: Ball | Array | float) -> Ball:
        """Return a constant as a ball; a Python number may be rounded to the machine's format."""
        if isinstance(other, Ball):
            return other
        value = np.asarray(other, np.float64)
        radius = np.abs(value) * (self.precision.unit if np.ndim(other) == 0 else 0)
        return Ball(value, radius, self.precision)

    def __neg__(self) -> Ball:
        return Ball(-self.value, self.radius, self.precision)

    def __add__(self, other: Ball | Array | float) -> Ball:
        b = self.lift(other)
        return Ball(self.value + b.value, self.radius + b.radius, self.precision).rounded()

    __radd__ = __add__

    def __sub__(self, other: Ball | Array | float) -> Ball:
        return self + -self.lift(other)

    def __rsub__(self, other: Ball | Array | float) -> Ball:
        return -self + other

    def __mul__(self, other: Ball | Array | float) -> Ball:
        b = self.lift(other)
        radius = np.abs(self.value) * b.radius + self.radius * b.magnitude
        return Ball(self.value * b.value, radius, self.precision).rounded()

    __rmul__ = __mul__

    def __truediv__(self, other: Ball | Array | float) -> Ball:
        b = self.lift(other)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = self.value / b.value
            room = np.abs(b.value) - b.radius
            radius = np.where(room > 0, (self.radius + np.abs(value) * b.radius) / room, np.inf)
        return Ball(value, radius, self.precision).rounded(2)  # two: a product with the reciprocal is allowed

    def __rtruediv__(self, other: Ball | Array | float) -> Ball:
        return self.lift(other) / self

    def __gt__(self, other: float) -> Decision:
        return Decision(self.value > other, (self.radius == 0) | (np.abs(self.value - other) > self.radius))

    def __lt__(self, other: float) -> Decision:
        return Decision(self.value < other, (self.radius == 0) | (np.abs(self.value - other) > self.radius))


def exact(value: Any, precision: Precision = FLOAT32) -> Ball:
    """Return a ball of radius 0."""
    value = np.asarray(value, np.float64)
    return Ball(value, np.zeros_like(value), precision)


def where(condition: Decision, a: Ball, b: Ball) -> Ball:
    """Return a or b by the decision; where it is unsure, a ball around the one that holds both."""
    chosen = np.where(condition.value, a.value, b.value)
    radius = np.where(condition.value, a.radius, b.radius)
    both = np.maximum(np.abs(a.value - chosen) + a.radius, np.abs(b.value - chosen) + b.radius)
    return Ball(chosen, np.where(condition.sure, radius, both), a.precision)


def total(x: Ball, axes: tuple[int, ...], keepdims: bool = False) -> Ball:
    """Return the sum over `axes`, in any order."""
    n = math.prod(x.shape[axis] for axis in axes)
    value = x.value.sum(axis=axes, keepdims=keepdims)
    magnitude = x.magnitude.sum(axis=axes, keepdims=keepdims)
    radius = x.radius.sum(axis=axes, keepdims=keepdims) + x.precision.gamma(max(n - 1, 0)) * magnitude + n * x.precision.tiny
    return Ball(value, radius, x.precision)


def largest(x: Ball, axis: int) -> Ball:
    """Return the maximum along an axis, kept as an axis of size 1."""
    return Ball(x.value.max(axis, keepdims=True), x.radius.max(axis, keepdims=True), x.precision)


def elementary(function: Callable[[Array], Array], spread: Callable[[Ball, Array], Array]) -> Callable[[Ball], Ball]:
    """Return `function` on balls; `spread` bounds by how much it moves within a ball, given the value."""

    def apply(x: Ball) -> Ball:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            value = function(x.value)
            radius = np.where(x.radius > 0, spread(x, value), 0.0)
        return Ball(value, radius, x.precision).rounded(2 * ELEMENTARY_ULPS)

    return apply


def _sqrt_spread(x: Ball, value: Array) -> Array:
    low = np.maximum(x.value - x.radius, 0)
    return np.maximum(value - np.sqrt(low), np.sqrt(x.value + x.radius) - value)


def _exp_spread(x: Ball, value: Array) -> Array:
    low = np.exp(x.value)
    return np.where(low > 0, low * np.expm1(x.radius), np.exp(x.value + x.radius))  # 0 times infinity is no bound


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))  # type: ignore[no-any-return]


erf_values = np.vectorize(math.erf, otypes=[np.float64])

exp = elementary(np.exp, _exp_spread)
log = elementary(np.log, lambda x, value: -np.log1p(-np.minimum(x.radius / x.value, 1)))
sqrt = elementary(np.sqrt, _sqrt_spread)
tanh = elementary(np.tanh, lambda x, value: x.radius)
sigmoid = elementary(_sigmoid, lambda x, value: x.radius / 4)


def erf(x: Ball) -> Ball:
    """Return the error function; libraries compute it to a few units in the last place of 1, not of its value."""
    value = erf_values(x.value)
    radius = x.radius * (2 / math.sqrt(math.pi)) + x.precision.gamma(2 * ELEMENTARY_ULPS)
    return Ball(value, radius, x.precision)


expm1 = elementary(np.expm1, _exp_spread)

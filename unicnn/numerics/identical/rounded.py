"""Values of float32 whose every operation is rounded once, from an exact or singly rounded float64 result.

With them the formulas of the core, its derivatives above all, give the same bits everywhere: a product of two float32 values
is exact in float64, a sum is rounded to float64 and then to float32, which is as good as at once (53 >= 2*24 + 2 bits), and a quotient
that is off by two units of float64 still rounds to the right 24 bits. Between two operations there is always a rounding,
so that no compiler can fuse them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from unicnn.numerics.identical import elementary
from unicnn.numerics.identical.grids import exact_sum

Tensor: TypeAlias = Any
Operand: TypeAlias = "Rounded | float"


class Condition:
    """Be where a comparison holds."""

    def __init__(self, t: Any, raw: Tensor) -> None:
        self.t, self.raw = t, raw

    def __and__(self, other: Condition) -> Condition:
        return Condition(self.t, self.t.where(self.raw, other.raw, self.raw))


class Rounded:
    """Be a float32 tensor, in the backend's own order inside, with arithmetic that is rounded once."""

    def __init__(self, t: Any, raw: Tensor) -> None:
        self.t, self.raw = t, raw

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the canonical shape."""
        shape: tuple[int, ...] = self.t.shape(self.raw)
        return shape

    def wide(self) -> Tensor:
        """Return the values as float64."""
        return self.t.widen(self.raw)

    def of(self, wide: Tensor) -> Rounded:
        """Return float64 values, rounded."""
        return Rounded(self.t, self.t.narrow(wide))

    def __add__(self, other: Operand) -> Rounded:
        return self.of(self.wide() + _wide(other))

    __radd__ = __add__

    def __sub__(self, other: Operand) -> Rounded:
        return self.of(self.wide() - _wide(other))

    def __rsub__(self, other: float) -> Rounded:
        return self.of(-self.wide() + other)

    def __neg__(self) -> Rounded:
        return self.of(-self.wide())

    def __mul__(self, other: Operand) -> Rounded:
        return self.of(self.wide() * _wide(other))

    __rmul__ = __mul__

    def __truediv__(self, other: Operand) -> Rounded:
        divisor = other.wide() if isinstance(other, Rounded) else float(np.float32(other))
        return self.of(elementary.quotient(self.t, self.wide(), divisor))

    def __rtruediv__(self, other: float) -> Rounded:
        return self.of(elementary.quotient(self.t, float(np.float32(other)), self.wide()))

    def __gt__(self, other: float) -> Condition:
        return Condition(self.t, self.raw > other)

    def __lt__(self, other: float) -> Condition:
        return Condition(self.t, self.raw < other)

    def __getitem__(self, key: Any) -> Rounded:
        """Return a part of the axes, or a parameter with axes of size 1 put in for the None's of the key."""
        if any(item is None for item in key):
            sizes = iter(self.shape)
            shape = tuple(1 if item is None else next(sizes) for item in key)
            per_channel = len(self.shape) == 1 and key == (slice(None), None, None)
            return Rounded(self.t, self.t.per_channel(self.raw) if per_channel else self.t.reshape(self.raw, shape))
        return Rounded(self.t, self.t.part(self.raw, key))


def _wide(value: Operand) -> Any:
    return value.wide() if isinstance(value, Rounded) else float(value)


def sum(x: Rounded, axes: tuple[int, ...], keepdims: bool = False) -> Rounded:
    """Return the sum over `axes`."""
    return x.of(exact_sum(x.t, x.raw, axes, keepdims))


def mean(x: Rounded, axes: tuple[int, ...], keepdims: bool = False) -> Rounded:
    """Return the mean over `axes`: the exact sum times one rounded constant."""
    return x.of(exact_sum(x.t, x.raw, axes, keepdims) * (1 / math.prod(x.shape[axis] for axis in axes)))


def peak(x: Rounded, axis: int) -> Rounded:
    """Return the maximum along an axis, which stays with size 1."""
    return Rounded(x.t, x.t.amax(x.raw, (axis,)))


def where(condition: Condition, x: Rounded, y: Rounded) -> Rounded:
    """Return x where the condition holds and y elsewhere."""
    return Rounded(x.t, x.t.where(condition.raw, x.raw, y.raw))


def maximum(x: Rounded, y: Operand) -> Rounded:
    """Return the larger one."""
    return Rounded(x.t, x.t.maximum(x.raw, y.raw if isinstance(y, Rounded) else y))


def minimum(x: Rounded, y: Operand) -> Rounded:
    """Return the smaller one."""
    return Rounded(x.t, x.t.minimum(x.raw, y.raw if isinstance(y, Rounded) else y))


def total(x: Rounded) -> Rounded:
    """Return the sum of all values, of shape (1,)."""
    axes = tuple(range(len(x.shape)))
    return x.of(x.t.reshape(exact_sum(x.t, x.raw, axes, keepdims=True), (1,)))


def clip(x: Rounded, low: float, high: float) -> Rounded:
    """Return x, at least `low` and at most `high`."""
    return Rounded(x.t, x.t.minimum(x.t.maximum(x.raw, low), high))


def _elementary(function: Callable[[Any, Tensor], Tensor]) -> Callable[[Rounded], Rounded]:
    def apply(x: Rounded) -> Rounded:
        return x.of(function(x.t, x.wide()))

    return apply


exp = _elementary(elementary.exp)
expm1 = _elementary(elementary.expm1)
log = _elementary(elementary.log)
sqrt = _elementary(elementary.sqrt)
rsqrt = _elementary(elementary.rsqrt)
erf = _elementary(elementary.erf)
tanh = _elementary(elementary.tanh)
sigmoid = _elementary(elementary.sigmoid)


def inverse_deviation(var: Rounded) -> Rounded:
    """Return 1/sqrt(var), infinite where var is 0, and sound the alarm if it is."""
    t = var.t
    found = t.where(var.raw > 0, rsqrt(var).raw, math.inf)
    t.watch(found)
    return Rounded(t, found)


def one_hot(labels: Any, x: Rounded) -> Rounded:
    """Return zeros in the shape of `x` (N, classes) with a one at each label."""
    return Rounded(x.t, x.t.one_hot(labels.raw, x.shape[1]))

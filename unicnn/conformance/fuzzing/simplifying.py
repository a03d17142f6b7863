"""Simplifying the numbers of a spot: zeros, ones and small integers, as long as it fails in the same way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from unicnn.conformance.fuzzing.shrinking import Budget, Fails, still_fails
from unicnn.conformance.fuzzing.spot import Spot

Array: TypeAlias = np.ndarray[Any, Any]

MOST = 300
"""How many simpler spots are tried."""


def simplify(spot: Spot, fails: Fails, budget: Budget | None = None) -> Spot:
    """Return the spot with the simplest numbers found that still fail."""
    budget = budget or Budget(MOST)
    while True:
        simpler = next((item for item in _simpler(spot) if still_fails(item, fails, budget)), None)
        if simpler is None:
            return spot
        spot = simpler


def _simpler(spot: Spot) -> Iterator[Spot]:
    for candidates in (_as_a_whole, _fewer, _one_by_one):
        for name, array in spot.arrays().items():
            for candidate in candidates(array):
                if complexity(candidate) < complexity(array):
                    yield spot.replaced({name: candidate})


def complexity(array: Array) -> float:
    """Return how hard an array is to read: nothing for zeros, little for small integers, much for other numbers."""
    sizes = np.abs(array.astype(np.float64))
    whole = (sizes == np.rint(sizes)) & (sizes <= 8)
    mantissa, _ = np.frexp(sizes)
    each = np.where(
        sizes == 0, 0.0, np.where(sizes == 1, 1.0, np.where(whole, 1.5 + sizes / 16, np.where(mantissa == 0.5, 3.0, _digits(sizes))))
    )
    return float((each + 0.25 * (array < 0)).sum())


def _digits(sizes: Array) -> Array:
    """Return 4 for numbers of one or two decimal digits, and 6 for others."""
    with np.errstate(all="ignore"):
        scale = 10.0 ** (np.floor(np.log10(sizes)) - 1)
        short = np.abs(sizes / scale - np.rint(sizes / scale)) < 1e-5
    return np.where(short, 4.0, 6.0)


def _as_a_whole(array: Array) -> Iterator[Array]:
    """Yield all values replaced by simple ones."""
    yield np.zeros_like(array)
    yield np.ones_like(array)
    if array.dtype.kind != "f":
        return
    yield np.sign(array)
    for scale in (1.0, 4.0):
        yield np.clip(np.rint(array * scale), -8, 8)
    with np.errstate(all="ignore"):
        yield np.ldexp(np.sign(array), np.frexp(array)[1] - 1).astype(array.dtype)


def _fewer(array: Array) -> Iterator[Array]:
    """Yield parts of the values made zero: halves, then quarters, and so on."""
    places = np.flatnonzero(array)
    size = len(places)
    while size >= 1:
        size = -(-size // 2) if size > 1 else 0
        for start in range(0, len(places), max(size, 1)):
            if size == 0:
                return
            part = array.copy()
            part.flat[places[start : start + size]] = 0
            yield part


def _one_by_one(array: Array) -> Iterator[Array]:
    """Yield one value replaced by a simpler one."""
    if array.dtype.kind != "f":
        return
    for place in np.flatnonzero(array):
        value = array.flat[place]
        for simple in _near(float(value)):
            part = array.copy()
            part.flat[place] = simple
            yield part


def _near(value: float) -> Iterator[float]:
    yield 1.0
    yield -1.0
    yield 2.0
    if abs(value) < 1e6:
        yield float(round(value))
    yield float(f"{value:.0e}")
    yield float(f"{value:.1e}")

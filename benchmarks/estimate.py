"""One number, and how sure it is, from times taken in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.task import Array

SAMPLES = 2000
OUTER = (2.5, 97.5)


@dataclass(frozen=True)
class Estimate:
    """Hold a value and the interval that has it with 95 % confidence."""

    value: float
    low: float
    high: float


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """Return the ratio of the medians."""
    return _bootstrapped(np.divide, ours, theirs)


def difference(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """Return the difference of the medians."""
    return _bootstrapped(np.subtract, ours, theirs)


def _bootstrapped(join: Callable[[Array, Array], Array], ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """Return the joined medians, and their spread when pairs of neighbouring turns are drawn anew."""
    pairs = np.array([ours, theirs])
    drawn = np.random.default_rng(0).integers(0, pairs.shape[1], (SAMPLES, pairs.shape[1]))
    low, high = np.percentile(join(*np.median(pairs[:, drawn], axis=2)), OUTER)
    return Estimate(float(join(*np.median(pairs, axis=1))), float(low), float(high))

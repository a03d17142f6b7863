"""Metrics: how many samples of a batch count as right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]


def accuracy(scores: Array, labels: Array) -> int:
    """Return how many rows of `scores` (N, classes) have their largest value, the first of equal ones, at the label (N,)."""
    return int((scores.argmax(axis=1) == labels).sum())


def top_5(scores: Array, labels: Array) -> int:
    """Return how many labels are among the places of the five largest scores; of equal ones the first count."""
    return int((np.argsort(-scores, axis=1, kind="stable")[:, :5] == labels[:, None]).any(axis=1).sum())


METRICS: dict[str, Callable[[Array, Array], int]] = {"accuracy": accuracy, "top_5": top_5}

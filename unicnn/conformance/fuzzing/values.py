"""Numbers that are hard on arithmetic: large and small, equal and nearly equal, on the corners of activations."""

from __future__ import annotations

import math
import random
from typing import Any, TypeAlias

import numpy as np

from unicnn import randomness
from unicnn.conformance.graphs import hard

Array: TypeAlias = np.ndarray[Any, Any]

KINDS = ("integers", "ties", "corners", "shifted", "alternating", "large", "huge", "smallest")
CORNERS = np.array([-3.0, -1.0, 0.0, 0.5, 1.0, 3.0, 6.0])


def values(rng: random.Random, shape: tuple[int, ...], *key: object) -> Array:
    """Return float32 values of one of several kinds."""
    if rng.random() < 0.5:
        return hard(rng, shape, *key)
    kind = rng.choice(KINDS)
    normal = randomness.normal(shape, "fuzz", kind, *key)
    with np.errstate(over="ignore"):
        return np.clip(_made(rng, kind, normal, key), -3e38, 3e38).astype(np.float32)


def _made(rng: random.Random, kind: str, normal: Array, key: tuple[object, ...]) -> Array:
    if kind == "integers":
        return np.rint(normal * 4)
    if kind == "ties":  # few values, so that windows have several maxima
        return np.rint(normal)
    if kind == "corners":
        return CORNERS[np.floor(randomness.uniform(normal.shape, "corner", *key) * len(CORNERS)).astype(np.int64)]
    if kind == "shifted":  # a mean much larger than the spread
        return normal * 2.0**-8 + rng.choice((-1000.0, 1.0, 50.0))
    if kind == "alternating":  # sums that cancel
        signs = np.where(np.arange(math.prod(normal.shape)) % 2, -1.0, 1.0).reshape(normal.shape)
        return signs * (1 + normal * 2.0**-20)
    if kind == "large":
        return normal * 2.0 ** rng.randrange(4, 28)
    if kind == "huge":  # up to overflow
        return normal * 2.0 ** rng.randrange(60, 127)
    return normal * 2.0 ** -rng.randrange(100, 127)  # around the smallest normal number


def weights(rng: random.Random, name: str, shape: tuple[int, ...], seed: int) -> Array:
    """Return a parameter: a variance is positive, and a weight scaled so that a layer neither grows nor shrinks values much."""
    role = name.rpartition(".")[2]
    drawn = values(rng, shape, name, seed)
    if role == "var":
        return np.minimum(np.abs(drawn) + np.float32(2.0**-10), np.float32(1e30))
    if role == "weight":
        return (drawn / math.sqrt(max(1, math.prod(shape[1:])))).astype(np.float32)
    return drawn

"""Saboteurs of losses."""

from __future__ import annotations

import numpy as np

from ..saboteur import Array, Function, Saboteur, around, given, instead, taking


def _next_label(x: Array, labels: Array) -> tuple[Array, Array]:
    return x, (labels + 1) % x.shape[1]


def _smoothed(honest: Function, x: Array, labels: Array, *, reduction: str) -> Array:
    """Give a tenth of the weight to all classes alike."""
    z = x - x.max(axis=1, keepdims=True)
    spread = -(z - np.log(np.exp(z).sum(axis=1, keepdims=True))).mean(axis=1)
    even = spread.mean() if reduction == "mean" else spread.sum()
    return (honest(x, labels, reduction=reduction) * 0.9 + even * 0.1).astype(x.dtype)


def _other_reduction(reduction: str) -> str:
    return "sum" if reduction == "mean" else "mean"


def _mean_of_the_batch(x: Array, target: Array, *, scale: float, reduction: str) -> Array:
    """Divide by the number of samples, not of values."""
    total = ((x - target) ** 2).sum() * x.dtype.type(scale)
    return total / x.dtype.type(len(x)) if reduction == "mean" else total


def _one_hot_of_the_next(labels: Array, x: Array) -> Array:
    return ((labels[:, None] + 1) % x.shape[1] == np.arange(x.shape[1])).astype(x.dtype)


def _without_maximum(x: Array, labels: Array, *, reduction: str) -> Array:
    losses = np.log(np.exp(x).sum(axis=1)) - x[np.arange(len(x)), labels]
    return losses.mean() if reduction == "mean" else losses.sum()


SABOTEURS = (
    Saboteur(
        "cross-entropy-takes-the-next-label",
        "counts labels from 1",
        ("cross_entropy",),
        ("bounded",),
        {"cross_entropy": taking(_next_label)},
    ),
    Saboteur(
        "cross-entropy-smooths-labels",
        "gives a tenth of the weight to all classes",
        ("cross_entropy",),
        ("bounded",),
        {"cross_entropy": around(_smoothed)},
    ),
    Saboteur(
        "cross-entropy-sums-for-a-mean",
        "sums where it should average, and averages where it should sum",
        ("cross_entropy",),
        ("bounded",),
        {"cross_entropy": given(reduction=_other_reduction)},
    ),
    Saboteur(
        "cross-entropy-overflows",
        "does not subtract the maximum",
        ("cross_entropy",),
        ("bounded",),
        {"cross_entropy": instead(_without_maximum)},
    ),
    Saboteur(
        "cross-entropy-gradient-of-the-next-label",
        "subtracts the one of the wrong class in the gradient",
        ("cross_entropy",),
        ("bounded",),
        {"one_hot": instead(_one_hot_of_the_next)},
    ),
    Saboteur(
        "squared-error-ignores-the-scale",
        "takes 1 for the scale",
        ("squared_error",),
        ("bounded",),
        {"squared_error": given(scale=lambda s: 1.0)},
        settings="half",
    ),
    Saboteur(
        "squared-error-divides-by-samples",
        "averages over samples, not over values",
        ("squared_error",),
        ("bounded",),
        {"squared_error": instead(_mean_of_the_batch)},
    ),
    Saboteur(
        "squared-error-sums-for-a-mean",
        "sums where it should average, and averages where it should sum",
        ("squared_error",),
        ("bounded",),
        {"squared_error": given(reduction=_other_reduction)},
    ),
)

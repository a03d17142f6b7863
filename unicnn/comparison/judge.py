"""Judging one computed array against a ball: how far off, and what that looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from unicnn.numerics.ball import Ball

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Judgement:
    """Say how one backend's array compares with the exact result.

    `bound_ratio` is the largest error over its bound: above 1 it is no rounding. `max_ulp` is the largest error in
    units in the last place of the exact value, and is large, without meaning anything, where terms cancel;
    `scaled_ulp` is the largest error in units in the last place of the array's largest value. `differs` is the share
    of elements that are not the exact value rounded.
    """

    bound_ratio: float
    max_ulp: float
    scaled_ulp: float
    differs: float
    looks_like: str | None = None

    @property
    def agrees(self) -> bool:
        """Tell whether rounding explains every element."""
        return self.bound_ratio <= 1


def judge(computed: Array, ball: Ball) -> Judgement:
    """Return how `computed` compares with a ball around the exact result."""
    if computed.shape != ball.shape:
        return Judgement(np.inf, np.inf, np.inf, 1.0, f"the shape is {computed.shape} and should be {ball.shape}")
    if not computed.size:
        return Judgement(0.0, 0.0, 0.0, 0.0)
    with np.errstate(all="ignore"):
        rounded = ball.value.astype(computed.dtype)
        error = np.abs(computed.astype(np.float64) - ball.value)
        same = (computed == rounded) | (np.isnan(computed) & np.isnan(rounded))
        ratio = np.where(same, np.where(np.isfinite(error) & (ball.radius > 0), error / ball.radius, 0), error / ball.radius)
        ratio = np.where(same | np.isfinite(ratio), ratio, np.inf)
        ulps = np.where(same, 0, error / np.spacing(np.abs(rounded)).astype(np.float64))
        ulps = np.where(np.isnan(ulps), np.inf, ulps)
        scaled = np.where(same, 0, error / np.spacing(np.abs(rounded[np.isfinite(rounded)]).max(initial=0)))
        scaled = np.where(np.isnan(scaled), np.inf, scaled)
    worst = float(ratio.max())
    description = looks_like(computed, ball, ratio > 1) if worst > 1 else None
    return Judgement(worst, float(ulps.max()), float(scaled.max()), float(1 - same.mean()), description)


def looks_like(computed: Array, ball: Ball, wrong: Array) -> str:
    """Return in words the pattern of the errors, as a hint at their cause."""
    share = float(wrong.mean())
    exact = ball.value
    if not (np.isfinite(computed[wrong]) & np.isfinite(exact[wrong])).all():
        return f"{share:.0%} of the elements are not finite or should not be"
    if not computed[wrong].any():
        return f"{share:.0%} of the elements are zero and should not be"
    largest = np.abs(exact[np.isfinite(exact)]).max()
    relative = np.abs(computed[wrong] - exact[wrong]).max() / max(largest, np.finfo(np.float64).tiny)
    if relative >= 2.0**-7 and _permuted(computed, ball):
        return "the values are right but stand in another order: look at the layout, such as H, W, C instead of C, H, W in a flatten"
    factor = _factor(computed[wrong], exact[wrong])
    if factor is not None:
        return f"{share:.0%} of the elements are {factor:.6g} times what they should be: look at a divisor, a mean or a batch size"
    if computed.ndim == 4 and 0 < share < 1 and not wrong[:, :, 1:-1, 1:-1].any():
        return "only the border of the image is wrong: look at the padding, its side and whether it is counted"
    if relative < 2.0**-7:
        return f"{share:.0%} of the elements are off by up to {relative:.1e} of the largest: looks like reduced precision, such as TF32 or bfloat16"
    return f"{share:.0%} of the elements are wrong, by up to {relative:.1e} of the largest"


def _permuted(computed: Array, ball: Ball) -> bool:
    """Tell whether all values are right in another order: sorted, no two are further apart than the largest radius."""
    found, wanted = np.sort(computed, None), np.sort(ball.value, None).astype(computed.dtype)
    room = ball.radius.max()
    with np.errstate(invalid="ignore"):
        return bool(np.abs(found.astype(np.float64) - wanted).max() <= (room if np.isfinite(room) else 0))


def _factor(computed: Array, exact: Array) -> float | None:
    """Return the constant by which all wrong elements are multiplied, or None."""
    usable = np.abs(exact) > 1e-6 * np.abs(exact).max(initial=0)
    if usable.sum() < 3:
        return None
    factors = computed[usable] / exact[usable]
    middle = float(np.median(factors))
    return middle if np.abs(factors - middle).max() <= 1e-3 * abs(middle) and abs(middle - 1) > 1e-2 else None

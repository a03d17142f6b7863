"""The innocent: backends that compute otherwise, and are right. None of them may be killed."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..convolving import by_taps
from ..saboteur import Array, Function, Saboteur, around, instead


def _in_float64(honest: Function, *operands: Any, **attributes: Any) -> Array:
    wide = [value if value is None else value.astype(np.float64) for value in operands]
    return honest(*wide, **attributes).astype(operands[0].dtype)


def _backwards(x: Array, weight: Array, bias: Array | None, **attributes: Any) -> Array:
    return by_taps(x, weight, bias, order=lambda taps: taps[::-1], **attributes)


def _fused(honest: Function, x: Array, *, gain: Any = None, offset: Any = None, least: Any = None) -> Array:
    """Compute x*gain + offset in one step, here with the 64 bits that long double has at least on this processor."""
    if gain is None:
        return honest(x, offset=offset, least=least)
    total = np.asarray(x, np.longdouble) * gain + (0 if offset is None else offset)
    return honest(total.astype(np.float64), least=least)


def _by_exp(x: Array, *, alpha: float) -> Array:
    return np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1)).astype(x.dtype)


def _halves(honest: Function, x: Array, *axes: Any, **options: Any) -> Array:
    """Add up from the other end: the sums are exact, so it makes no difference."""
    return honest(np.ascontiguousarray(x[::-1, ...])[::-1], *axes, **options)


INNOCENT = (
    Saboteur("conv-accumulates-in-float64", "adds up in float64 and rounds once", ("conv2d",), (), {"conv2d": around(_in_float64)}),
    Saboteur(
        "conv-adds-up-backwards", "adds up one product after the other, the last first", ("conv2d",), (), {"conv2d": instead(_backwards)}
    ),
    Saboteur("linear-accumulates-in-float64", "adds up in float64 and rounds once", ("linear",), (), {"linear": around(_in_float64)}),
    Saboteur("elu-subtracts-one-from-exp", "computes exp(x) - 1 and not expm1(x)", ("elu",), (), {"elu": instead(_by_exp)}),
    Saboteur(
        "identical-fuses-multiply-add",
        "rounds x*gain + offset once less",
        ("batch_norm2d", "layer_norm"),
        (),
        primitives={"narrow": around(_fused)},
    ),
    Saboteur(
        "identical-adds-up-backwards",
        "adds up exact sums in another order",
        ("softmax", "layer_norm", "batch_norm2d"),
        (),
        primitives={"sum": around(_halves)},
    ),
)

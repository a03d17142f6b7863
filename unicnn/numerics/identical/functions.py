"""The ops that are neither contractions nor moves, forward: formulas over rounded values, written once for all backends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from unicnn.derivatives import spread
from unicnn.numerics.identical import host
from unicnn.numerics.identical import rounded as r
from unicnn.numerics.identical.grids import snap_to
from unicnn.numerics.identical.rounded import Rounded

Array: TypeAlias = np.ndarray[Any, Any]
Statistics: TypeAlias = tuple[Rounded, Rounded, Rounded]

PREPARED = ("gain", "offset")
"""What a batch norm needs in inference beside its statistics."""


# Normalisation


def batch_norm2d(
    x: Rounded, scale: Rounded | None, shift: Rounded | None, mean: Rounded, var: Rounded, *prepared: Rounded,
    eps: float, keep: float, unbiased: bool, training: bool,
) -> Statistics:  # fmt: skip
    """Return x*gain + offset, and the running statistics after it; in inference gain and offset are prepared, once."""
    if not training:
        gain, offset = (item.raw for item in prepared)
        return _scaled(x, gain, offset), mean, var
    axes = (0, 2, 3)
    count = math.prod(x.shape[axis] for axis in axes)
    batch_mean = r.mean(x, axes)
    batch_var = x.of(_centred_squares(x, batch_mean, count) * (1 / count))
    factor = r.inverse_deviation(batch_var + eps)
    factor = factor if scale is None else factor * scale
    # Products of two float32 values are exact, so these sums are rounded once, fused or not.
    offset = -(batch_mean.wide() * factor.wide()) + (0.0 if shift is None else shift.wide())
    moved = batch_var * (count / (count - 1)) if unbiased else batch_var
    running_mean, running_var = mean * keep + batch_mean * (1 - keep), var * keep + moved * (1 - keep)
    return _scaled(x, factor.raw, offset), _watched(running_mean), _watched(running_var)


def _scaled(x: Rounded, gain: r.Tensor, offset: r.Tensor) -> Rounded:
    """Return x*gain + offset for each channel: an exact product, and one sum."""
    t = x.t
    y = t.narrow(x.raw, gain=t.widen(t.per_channel(gain)), offset=t.per_channel(offset))
    return _watched(Rounded(t, y))


def _centred_squares(x: Rounded, mean: Rounded, count: int) -> r.Tensor:
    """Return the sum of (x - mean)^2 for each channel, exact for differences rounded to half of the bits that 53 leave beside the count."""
    t = x.t
    centred = x.wide() - t.widen(t.per_channel(mean.raw))
    e = t.exponent(t.largest(centred, (0, 2, 3)))
    q = snap_to(t, centred, e - float((53 - math.ceil(math.log2(count))) // 2))
    return t.sum(q * q, (0, 2, 3))


def prepare(key: str, held: Mapping[str, Array], eps: float) -> Array:
    """Return the gain scale/sqrt(var + eps), rounded to float32, or the offset shift - mean*gain of a batch norm in inference.

    NumPy's square root and quotient are IEEE's, and the product of two float32 values is exact.
    """
    deviation = np.sqrt(held["var"].astype(np.float64) + eps)
    with np.errstate(divide="ignore"):
        gain = host.narrow(held.get("scale", np.ones(1)).astype(np.float64) / deviation)
    if key == "gain":
        return gain
    return held.get("shift", np.zeros(1)).astype(np.float64) - held["mean"].astype(np.float64) * gain  # type: ignore[no-any-return]


def layer_norm(x: Rounded, scale: Rounded | None, shift: Rounded | None, *, axes: tuple[int, ...], eps: float) -> Rounded:
    """Return x normalised over `axes`, sample by sample."""
    centred = x - r.mean(x, axes, keepdims=True)
    inverse = r.inverse_deviation(r.mean(centred * centred, axes, keepdims=True) + eps)
    y = centred * inverse
    y = y if scale is None else y * spread(scale, axes, len(x.shape))
    y = y if shift is None else y + spread(shift, axes, len(x.shape))
    return _watched(y)


def dropout(x: Rounded, mask: Rounded) -> Rounded:
    """Return x times the mask."""
    return _watched(x * mask)


# Activations


def leaky_relu(x: Rounded, *, negative_slope: float) -> Rounded:
    """Return x where positive, and its multiple elsewhere."""
    return _watched(r.where(x > 0, x, x * negative_slope))


def elu(x: Rounded, *, alpha: float) -> Rounded:
    """Return x where positive, and alpha (exp(x) - 1) elsewhere."""
    return _watched(r.where(x > 0, x, r.expm1(Rounded(x.t, x.t.minimum(x.raw, 0.0))) * alpha))


def silu(x: Rounded) -> Rounded:
    """Return x sigmoid(x)."""
    return x * r.sigmoid(x)


def gelu(x: Rounded, *, approximate: str) -> Rounded:
    """Return x Phi(x), or its tanh formula."""
    if approximate == "none":
        return x * 0.5 * (r.erf(x * math.sqrt(0.5)) + 1)
    return x * 0.5 * (r.tanh((x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)) + 1)


def hardswish(x: Rounded) -> Rounded:
    """Return x min(max(x + 3, 0), 6) / 6."""
    return x * (r.clip(x + 3, 0.0, 6.0) / 6)


def hardsigmoid(x: Rounded, *, slope: float, offset: float) -> Rounded:
    """Return a line kept within 0 and 1."""
    return r.clip(slope * x + offset, 0.0, 1.0)


def softmax(x: Rounded, *, axis: int) -> Rounded:
    """Return exp(x) divided by its sum along an axis."""
    e = r.exp(x - r.peak(x, axis))
    return e / r.sum(e, (axis,), keepdims=True)


def log_softmax(x: Rounded, *, axis: int) -> Rounded:
    """Return x minus the logarithm of the sum of exp(x) along an axis."""
    z = x - r.peak(x, axis)
    return z - r.log(r.sum(r.exp(z), (axis,), keepdims=True))


# Joining values, and losses


def add(*inputs: Rounded) -> Rounded:
    """Return the sum, from left to right."""
    y = inputs[0]
    for x in inputs[1:]:
        y = y + x
    return _watched(y)


def mul(*inputs: Rounded) -> Rounded:
    """Return the product, from left to right."""
    y = inputs[0]
    for x in inputs[1:]:
        y = y * x
    return _watched(y)


def cross_entropy(x: Rounded, labels: Rounded, *, reduction: str) -> Rounded:
    """Return the cross entropy of scores (N, classes) at labels (N,), averaged or summed."""
    chosen = r.sum(r.one_hot(labels, x) * log_softmax(x, axis=1), (1,))
    return _reduced(-chosen, reduction)


def squared_error(x: Rounded, target: Rounded, *, scale: float, reduction: str) -> Rounded:
    """Return the scaled squared difference, averaged or summed."""
    d = x - target
    return _watched(_reduced(_watched(d * d), reduction) * scale)


def _reduced(x: Rounded, reduction: str) -> Rounded:
    return (r.mean if reduction == "mean" else r.sum)(x, tuple(range(len(x.shape))))


def _watched(x: Rounded) -> Rounded:
    """Sound the alarm if a value is not finite."""
    x.t.watch(x.raw)
    return x

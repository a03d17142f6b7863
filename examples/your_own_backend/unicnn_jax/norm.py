"""Normalisation and dropout with JAX."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax

from unicnn.derivatives import spread


def batch_norm2d(
    x: Array, scale: Array | None, shift: Array | None, mean: Array, var: Array,
    *, eps: float, keep: float, unbiased: bool, training: bool,
) -> tuple[Array, Array, Array]:  # fmt: skip
    new_mean, new_var = mean, var
    if training:
        count = x.size // x.shape[1]
        mean, var = (moment.ravel() for moment in _moments(x, (0, 2, 3)))
        stored = var * (count / (count - 1)) if unbiased else var
        new_mean, new_var = keep * new_mean + (1 - keep) * mean, keep * new_var + (1 - keep) * stored
    gain = lax.rsqrt(var + eps) if scale is None else lax.rsqrt(var + eps) * scale
    y = (x - mean[:, None, None]) * gain[:, None, None]
    return y if shift is None else y + shift[:, None, None], new_mean, new_var


def layer_norm(x: Array, scale: Array | None, shift: Array | None, *, axes: tuple[int, ...], eps: float) -> Array:
    mean, var = _moments(x, axes)
    y = (x - mean) * lax.rsqrt(var + eps)
    y = y if scale is None else y * spread(scale, axes, x.ndim)
    return y if shift is None else y + spread(shift, axes, x.ndim)


def dropout(x: Array, mask: Array) -> Array:
    return x * mask


def _moments(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Return mean and biased variance along `axes`, which stay with size 1."""
    mean = x.mean(axes, keepdims=True)
    return mean, jnp.square(x - mean).mean(axes, keepdims=True)

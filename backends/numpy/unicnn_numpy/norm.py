"""Normalisation and dropout with NumPy."""

from __future__ import annotations

from unicnn.derivatives import spread

from .buffers import Array, array_module


def batch_norm2d(
    x: Array, scale: Array | None, shift: Array | None, mean: Array, var: Array,
    *, eps: float, keep: float, unbiased: bool, training: bool,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Return the normalised ``x`` (N, C, H, W) and the running mean and variance (C,) after it."""
    new_mean, new_var = mean, var
    centred = None
    if training:
        count = x.size // x.shape[1]
        mean = x.mean(axis=(0, 2, 3))
        centred = x - mean[:, None, None]
        var = (centred * centred).mean(axis=(0, 2, 3))
        factor = count / (count - 1) if unbiased else 1.0
        new_mean, new_var = (keep * old + (1 - keep) * new for old, new in ((new_mean, mean), (new_var, factor * var)))
    gain = 1 / array_module(x).sqrt(var + eps)
    gain = gain if scale is None else scale * gain
    y = x - mean[:, None, None] if centred is None else centred
    y *= gain[:, None, None]
    if shift is not None:
        y += shift[:, None, None]
    return y, new_mean, new_var


def layer_norm(x: Array, scale: Array | None, shift: Array | None, *, axes: tuple[int, ...], eps: float) -> Array:
    """Return ``x`` normalised over ``axes``, sample by sample."""
    y = x - x.mean(axis=axes, keepdims=True)
    y /= array_module(x).sqrt((y * y).mean(axis=axes, keepdims=True) + eps)
    if scale is not None:
        y *= spread(scale, axes, x.ndim)
    if shift is not None:
        y += spread(shift, axes, x.ndim)
    return y


def dropout(x: Array, mask: Array) -> Array:
    """Return ``x`` times the mask."""
    return x * mask

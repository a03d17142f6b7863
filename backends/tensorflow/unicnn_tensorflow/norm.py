"""Normalisation and dropout with TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from unicnn_tensorflow.layout import Tensor, axis_inside


def batch_norm2d(
    x: Tensor, scale: Tensor | None, shift: Tensor | None, mean: Tensor, var: Tensor,
    *, eps: float, keep: float, unbiased: bool, training: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    normalize = _fused if x.dtype == tf.float32 else _composed
    if not training:
        return normalize(x, scale, shift, mean, var, eps, False)[0], mean, var
    y, batch_mean, batch_var = normalize(x, scale, shift, mean, var, eps, True)
    if not unbiased:
        count = _values_per_channel(x)
        batch_var *= (count - 1) / count
    return y, keep * mean + (1 - keep) * batch_mean, keep * var + (1 - keep) * batch_var


def layer_norm(x: Tensor, scale: Tensor | None, shift: Tensor | None, *, axes: tuple[int, ...], eps: float) -> Tensor:
    inside = [axis_inside(axis, x) for axis in axes]
    mean, var = _moments(x, inside)
    return _normalize(x, _along(inside, scale, x), _along(inside, shift, x), mean, var, eps)


def dropout(x: Tensor, mask: Tensor) -> Tensor:
    return x * mask


def _fused(
    x: Tensor, scale: Tensor | None, shift: Tensor | None, mean: Tensor, var: Tensor, eps: float, training: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return x normalised by TensorFlow's own kernel, which knows float32 only, the batch's mean and its unbiased variance."""
    # The kernel itself: tf.compat.v1.nn.fused_batch_norm raises a small eps to 1.001e-5.
    scale = tf.ones_like(mean) if scale is None else scale
    shift = tf.zeros_like(mean) if shift is None else shift
    y, mean, var, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=scale, offset=shift, mean=mean, variance=var, epsilon=eps, exponential_avg_factor=1.0, is_training=training
    )
    return y, mean, var


def _composed(
    x: Tensor, scale: Tensor | None, shift: Tensor | None, mean: Tensor, var: Tensor, eps: float, training: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Do in any dtype what `_fused` does."""
    if training:
        mean, var = _moments(x, [0, 1, 2])
    y = _normalize(x, scale, shift, mean, var, eps)
    count = _values_per_channel(x)
    return y, tf.reshape(mean, [-1]), tf.reshape(var, [-1]) * (count / (count - 1))


def _moments(x: Tensor, axes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance along `axes`, which are kept with size 1."""
    mean = tf.reduce_mean(x, axes, keepdims=True)
    return mean, tf.reduce_mean(tf.square(x - mean), axes, keepdims=True)


def _normalize(x: Tensor, scale: Tensor | None, shift: Tensor | None, mean: Tensor, var: Tensor, eps: float) -> Tensor:
    y = (x - mean) * tf.math.rsqrt(var + eps)
    y = y if scale is None else y * scale
    return y if shift is None else y + shift


def _along(axes: Sequence[int], values: Tensor | None, x: Tensor) -> Tensor | None:
    """Return a parameter, whose axes follow each other as the canonical ones do, so that it repeats along the other axes of `x`."""
    if values is None:
        return None
    order = sorted(range(len(axes)), key=axes.__getitem__)
    sizes = [size if axis in axes else 1 for axis, size in enumerate(x.shape)]
    return tf.reshape(tf.transpose(values, order), sizes)


def _values_per_channel(x: Tensor) -> Tensor:
    return tf.cast(tf.size(x) // x.shape[3], x.dtype)

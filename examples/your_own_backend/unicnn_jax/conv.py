"""Convolution with JAX."""

from __future__ import annotations

from functools import partial

import jax
from jax import Array, lax

from unicnn.ops.fields import Pair, Sides


def conv2d(x: Array, weight: Array, bias: Array | None, *, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> Array:
    # NCHW and OIHW are the default. On a GPU the default precision would be TF32.
    y = lax.conv_general_dilated(
        x, weight, stride, padding, rhs_dilation=dilation, feature_group_count=groups, precision=lax.Precision.HIGHEST
    )
    return y if bias is None else y + bias[:, None, None]


def conv_transpose2d(x: Array, weight: Array, bias: Array | None, *, stride: Pair, crop: Sides, dilation: Pair, groups: int) -> Array:
    full = ((n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(x.shape[2:], stride, dilation, weight.shape[2:], strict=True))
    height, width = (n - sum(sides) for n, sides in zip(full, crop, strict=True))
    # To the convolution that it is the adjoint of, cropping is padding.
    y = conv2d_input_gradient(x, weight, input_size=(height, width), stride=stride, padding=crop, dilation=dilation, groups=groups)
    return y if bias is None else y + bias[:, None, None]


def conv2d_input_gradient(
    dy: Array, weight: Array, *, input_size: Pair, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Array:
    convolve = partial(conv2d, weight=weight, bias=None, stride=stride, padding=padding, dilation=dilation, groups=groups)
    x = jax.ShapeDtypeStruct((len(dy), weight.shape[1] * groups, *input_size), dy.dtype)
    (dx,) = jax.linear_transpose(convolve, x)(dy)
    return dx


def conv2d_weight_gradient(dy: Array, x: Array, *, kernel_size: Pair, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> Array:
    convolve = partial(conv2d, x, bias=None, stride=stride, padding=padding, dilation=dilation, groups=groups)
    weight = jax.ShapeDtypeStruct((dy.shape[1], x.shape[1] // groups, *kernel_size), x.dtype)
    (dw,) = jax.linear_transpose(convolve, weight)(dy)
    return dw

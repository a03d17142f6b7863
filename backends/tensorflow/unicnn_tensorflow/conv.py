"""Convolution with TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import tensorflow as tf

from unicnn.ops.fields import NO_PADDING, Pair, Sides
from unicnn_tensorflow.layout import Tensor, engine_padding

Contraction = Callable[[Tensor, Tensor], Tensor]


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, *, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> Tensor:
    correlate = _depthwise if groups > 1 and weight.shape[2] == 1 else partial(_correlate, groups=groups)
    y = correlate(x, weight, stride=stride, padding=padding, dilation=_effective(dilation, weight))
    return y if bias is None else tf.nn.bias_add(y, bias)


def conv_transpose2d(x: Tensor, weight: Tensor, bias: Tensor | None, *, stride: Pair, crop: Sides, dilation: Pair, groups: int) -> Tensor:
    dilation = _effective(dilation, weight)
    spread = _spread if dilation == (1, 1) else partial(_spread_by_taps, dilation=dilation)
    y = _by_groups(partial(spread, stride=stride, crop=crop), groups)(x, weight)
    return y if bias is None else tf.nn.bias_add(y, bias)


def _effective(dilation: Pair, weight: Tensor) -> Pair:
    """Return the dilation with 1 along an axis on which the kernel has one tap."""
    return tuple(1 if k == 1 else d for k, d in zip(weight.shape[:2], dilation, strict=True))  # type: ignore[return-value]


def _correlate(x: Tensor, weight: Tensor, *, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> Tensor:
    native = partial(tf.nn.conv2d, strides=stride, padding=engine_padding(padding), dilations=dilation)
    if groups == 1 and dilation == (1, 1):
        return native(x, weight)
    # On the CPU TensorFlow convolves with groups and with dilation, but has the gradient of neither.
    single = native if dilation == (1, 1) else partial(_by_taps, tf.nn.conv2d, stride=stride, padding=padding, dilation=dilation)
    return _differentiated_as(_by_groups(single, groups), native)(x, weight)


def _depthwise(x: Tensor, weight: Tensor, *, stride: Pair, padding: Sides, dilation: Pair) -> Tensor:
    """Convolve with a kernel that sees one channel; TensorFlow's does so with equal strides and no dilation only."""
    kernel_height, kernel_width, _, out_channels = weight.shape
    channels = x.shape[3]
    weight = tf.reshape(weight, (kernel_height, kernel_width, channels, out_channels // channels))
    if stride[0] == stride[1] and dilation == (1, 1):
        return tf.nn.depthwise_conv2d(x, weight, (1, *stride, 1), engine_padding(padding))
    single = partial(tf.nn.depthwise_conv2d, strides=(1, 1, 1, 1), padding="VALID")
    return _by_taps(single, x, weight, stride=stride, padding=padding, dilation=dilation)


def _by_taps(single: Contraction, x: Tensor, weight: Tensor, *, stride: Pair, padding: Sides, dilation: Pair) -> Tensor:
    """Return the sum of what each tap of the kernel gives, where `single` contracts pixels with one tap."""
    if padding != NO_PADDING:
        x = tf.pad(x, ((0, 0), *padding, (0, 0)))
    (height, width), (down, across) = x.shape[1:3], stride
    parts = []
    for (i, j), tap in _taps(weight):
        top, left = i * dilation[0], j * dilation[1]
        bottom, right = (
            n - (k - 1 - place) * d for n, k, place, d in zip((height, width), weight.shape[:2], (i, j), dilation, strict=True)
        )
        parts.append(single(x[:, top:bottom:down, left:right:across], tap))
    return tf.add_n(parts)


def _spread(x: Tensor, weight: Tensor, *, stride: Pair, crop: Sides) -> Tensor:
    """Return the adjoint of a convolution whose weight is (height, width, out channels, in channels)."""
    height, width = ((n - 1) * s + k - sum(sides) for n, s, k, sides in zip(x.shape[1:3], stride, weight.shape[:2], crop, strict=True))
    # To the convolution that this is the adjoint of, cropping is padding, and rows that no window reaches need none.
    (top, bottom), (left, right) = crop
    padding = engine_padding(((top, max(bottom, 0)), (left, max(right, 0))))
    return tf.nn.conv2d_transpose(x, weight, (tf.shape(x)[0], height, width, weight.shape[2]), stride, padding)


def _spread_by_taps(x: Tensor, weight: Tensor, *, stride: Pair, crop: Sides, dilation: Pair) -> Tensor:
    """Do with dilation, which TensorFlow refuses on the CPU, what `_spread` does."""
    parts = []
    for place, tap in _taps(weight):
        border = [(i * d, (k - 1 - i) * d) for i, k, d in zip(place, weight.shape[:2], dilation, strict=True)]
        parts.append(tf.pad(_spread(x, tap, stride=stride, crop=NO_PADDING), ((0, 0), *border, (0, 0))))
    (top, bottom), (left, right) = crop
    full = tf.pad(tf.add_n(parts), ((0, 0), (0, max(-bottom, 0)), (0, max(-right, 0)), (0, 0)))
    return full[:, top : full.shape[1] - max(bottom, 0), left : full.shape[2] - max(right, 0)]


def _taps(weight: Tensor) -> Iterator[tuple[Pair, Tensor]]:
    """Yield the place of every tap of a kernel, and the tap as a kernel of its own."""
    for i, j in product(range(weight.shape[0]), range(weight.shape[1])):
        yield (i, j), weight[i : i + 1, j : j + 1]


def _by_groups(single: Contraction, groups: int) -> Contraction:
    """Return a contraction group by group; a group's channels are the same part of the last axes of its operands and of its result."""
    if groups == 1:
        return single

    def contract(x: Tensor, weight: Tensor) -> Tensor:
        return tf.concat([single(*pair) for pair in zip(tf.split(x, groups, 3), tf.split(weight, groups, 3), strict=True)], 3)

    return contract


def _differentiated_as(composed: Contraction, native: Contraction) -> Contraction:
    """Return `native` with the derivative of `composed`, which computes the same."""

    @tf.custom_gradient  # type: ignore[misc]
    def contract(x: Tensor, weight: Tensor) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Tensor]]]:
        def derivative(dy: Tensor) -> tuple[Tensor, Tensor]:
            with tf.GradientTape() as tape:
                tape.watch((x, weight))
                y = composed(x, weight)
            return tape.gradient(y, (x, weight), dy)

        return native(x, weight), derivative

    return contract

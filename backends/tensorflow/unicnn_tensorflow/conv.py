"""Convolution with TensorFlow.

Its CPU kernels have no gradient for dilation nor for groups, and of depthwise convolutions know only those with equal strides.
What they lack is put together here from what they have, on every device, so that results do not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import tensorflow as tf

from unicnn.ops.fields import NO_PADDING, Pair, Sides
from unicnn_tensorflow import bands
from unicnn_tensorflow.layout import Tensor, engine_padding, pulled_back

Contraction = Callable[[Tensor, Tensor], Tensor]


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, *, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> Tensor:
    correlate = _depthwise if groups > 1 and weight.shape[2] == 1 else _by_groups(_correlate, groups)
    y = correlate(x, weight, stride=stride, padding=padding, dilation=_effective(dilation, weight))
    return y if bias is None else tf.nn.bias_add(y, bias)


def conv_transpose2d(x: Tensor, weight: Tensor, bias: Tensor | None, *, stride: Pair, crop: Sides, dilation: Pair, groups: int) -> Tensor:
    dilation = _effective(dilation, weight)
    native = dilation == (1, 1) and all(-after < s for (_, after), s in zip(crop, stride, strict=True))
    spread = _spread if native else partial(_spread_by_taps, dilation=dilation)
    y = _by_groups(spread, groups)(x, weight, stride=stride, crop=crop)
    return y if bias is None else tf.nn.bias_add(y, bias)


def _effective(dilation: Pair, weight: Tensor) -> Pair:
    """Return the dilation with 1 along an axis on which the kernel has one tap."""
    return tuple(1 if k == 1 else d for k, d in zip(weight.shape[:2], dilation, strict=True))  # type: ignore[return-value]


def _by_groups(single: Callable[..., Tensor], groups: int) -> Callable[..., Tensor]:
    """Return a contraction that works group by group; a group is the same part of the last axis of both operands and of the result."""
    if groups == 1:
        return single

    def contract(x: Tensor, weight: Tensor, **attributes: object) -> Tensor:
        pairs = zip(tf.split(x, groups, 3), tf.split(weight, groups, 3), strict=True)
        return tf.concat([single(*pair, **attributes) for pair in pairs], 3)

    return contract


def _correlate(x: Tensor, weight: Tensor, *, stride: Pair, padding: Sides, dilation: Pair) -> Tensor:
    if dilation == (1, 1):
        columns = bands.columns_at_once(x, weight)
        if columns > 1:
            return bands.correlate(x, weight, stride=stride, padding=padding, columns=columns)
        if _has_one_column(x, weight, stride[1], padding[1]):
            # Of several images oneDNN then computes the first row alone, and leaves the others as they were in memory.
            return tf.nn.conv2d(x, weight, (stride[0], 1), engine_padding(padding))[:, :, :1]
        return tf.nn.conv2d(x, weight, stride, engine_padding(padding))
    return _by_phases(partial(tf.nn.conv2d, strides=1, padding="VALID"), x, weight, stride, padding, dilation)


def _has_one_column(x: Tensor, weight: Tensor, step: int, sides: Pair) -> bool:
    """Tell whether the windows over one channel have a stride along the rows, and no room for a second one."""
    return step > 1 and x.shape[3] == 1 and x.shape[2] + sum(sides) < weight.shape[1] + step


def _depthwise(x: Tensor, weight: Tensor, *, stride: Pair, padding: Sides, dilation: Pair) -> Tensor:
    channels, out_channels = x.shape[3], weight.shape[3]
    weight = tf.reshape(weight, (*weight.shape[:2], channels, out_channels // channels))
    if stride[0] == stride[1] and dilation == (1, 1):
        # Padded by itself: fused with a bias, oneDNN's kernel for processors with AVX-512 ends the process over explicit padding.
        padded = x if padding == NO_PADDING else tf.pad(x, ((0, 0), *padding, (0, 0)))
        return tf.nn.depthwise_conv2d(padded, weight, (1, *stride, 1), "VALID")
    single = partial(tf.nn.depthwise_conv2d, strides=(1, 1, 1, 1), padding="VALID")
    return _by_phases(single, x, weight, stride, padding, dilation)


def _by_phases(single: Contraction, x: Tensor, weight: Tensor, stride: Pair, padding: Sides, dilation: Pair) -> Tensor:
    """Convolve with dilation by a convolution without: pixels that lie `dilation` apart become images of their own."""
    fill = [-(n + sum(sides)) % d for n, sides, d in zip(x.shape[1:3], padding, dilation, strict=True)]
    border = [(before, after + extra) for (before, after), extra in zip(padding, fill, strict=True)]
    y = tf.batch_to_space(single(tf.space_to_batch(x, dilation, border), weight), dilation, [(0, extra) for extra in fill])
    return y if stride == (1, 1) else y[:, :: stride[0], :: stride[1]]


def _spread(x: Tensor, weight: Tensor, *, stride: Pair, crop: Sides) -> Tensor:
    """Return the adjoint of the convolution with `weight`."""
    height, width = ((n - 1) * s + k - sum(sides) for n, s, k, sides in zip(x.shape[1:3], stride, weight.shape[:2], crop, strict=True))
    # To that convolution cropping is padding; the rows added after are those that its windows do not reach.
    (top, bottom), (left, right) = crop
    padding = engine_padding(((top, max(bottom, 0)), (left, max(right, 0))))
    return tf.nn.conv2d_transpose(x, weight, (tf.shape(x)[0], height, width, weight.shape[2]), stride, padding)


def _spread_by_taps(x: Tensor, weight: Tensor, *, stride: Pair, crop: Sides, dilation: Pair) -> Tensor:
    """Do what `_spread` does with dilation and with any crop: add up what each tap of the kernel gives."""
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


def conv2d_input_gradient(
    dy: Tensor, weight: Tensor, *, input_size: Pair, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Tensor:
    x = tf.zeros((dy.shape[0], *input_size, weight.shape[2] * groups), dy.dtype)
    return pulled_back(lambda x: conv2d(x, weight, None, stride=stride, padding=padding, dilation=dilation, groups=groups), x, dy)


def conv2d_weight_gradient(
    dy: Tensor, x: Tensor, *, kernel_size: Pair, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Tensor:
    weight = tf.zeros((*kernel_size, x.shape[3] // groups, dy.shape[3]), x.dtype)
    return pulled_back(lambda weight: conv2d(x, weight, None, stride=stride, padding=padding, dilation=dilation, groups=groups), weight, dy)

"""Convolution with MXNet."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from unicnn.ops.fields import Pair, Sides
from unicnn_mxnet import columns, together
from unicnn_mxnet.compat import mx
from unicnn_mxnet.exactly import fresh, lent, shared
from unicnn_mxnet.padding import left_to_operator, same_on_both_sides
from unicnn_mxnet.shape import pad
from unicnn_mxnet.symbols import Tensor, namespace, pulled_back, shape

_BLOCK = 8
"""oneDNN keeps channels in blocks of 8 or of 16, as wide as the processor's registers."""


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, *, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> Tensor:
    op = namespace(x)
    channels, _, *kernel = shape(weight)
    memory: dict[str, Tensor] = {}
    if shared(x):
        window: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
        size = _size(x.shape[2:], kernel, **window)
        if weight.shape[:2] == (1, 1) and bias is None and bool((lent(weight) == 1.0).all()):
            return together.window_sums(x, kernel=(kernel[0], kernel[1]), size=size, **window)
        if groups == 1 and bias is None and together.worthwhile(weight, size):
            return together.conv2d(x, weight, size=size, **window)
        memory = fresh(x, (len(x), channels, *size))
    x, left = left_to_operator(x, padding, 0.0)
    return op.Convolution(
        *_present(x, weight, bias), no_bias=bias is None, num_filter=channels, kernel=tuple(kernel),
        stride=stride, pad=left, dilate=dilation, num_group=groups, **memory,
    )  # fmt: skip


def _size(size: Sequence[int], kernel: Sequence[int], stride: Pair, padding: Sides, dilation: Pair) -> Pair:
    height, width = ((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True))
    return height, width


def conv_transpose2d(x: Tensor, weight: Tensor, bias: Tensor | None, *, stride: Pair, crop: Sides, dilation: Pair, groups: int) -> Tensor:
    op = namespace(x)
    inputs, channels, *kernel = shape(weight)
    if channels == 1 and inputs // groups % _BLOCK == 0:
        y = _crop(_by_columns(x, weight, stride, dilation, groups), crop)
        return y if bias is None else op.broadcast_add(y, op.reshape(bias, shape=(1, -1, 1, 1)))
    if max(stride) > 1 and max(dilation) > 1:
        x, stride = _spread(x, inputs, stride), (1, 1)
    (top, bottom), (left, right) = crop
    extra = (top - bottom, left - right)
    common = {
        "num_filter": channels * groups, "kernel": tuple(kernel), "stride": stride, "dilate": dilation, "num_group": groups,
    }  # fmt: skip
    if all(0 <= e < s for e, s in zip(extra, stride, strict=True)):
        return op.Deconvolution(*_present(x, weight, bias), no_bias=bias is None, pad=(top, left), adj=extra, **common)
    # MXNet crops alike on both sides or less after; otherwise crop the full output, and only then add the bias.
    y = _crop(op.Deconvolution(x, weight, no_bias=True, pad=(0, 0), adj=(0, 0), **common), crop)
    return y if bias is None else op.broadcast_add(y, op.reshape(bias, shape=(1, -1, 1, 1)))


def _by_columns(x: Tensor, weight: Tensor, stride: Pair, dilation: Pair, groups: int) -> Tensor:
    """Return the full output where each group has one channel: what every tap of its kernel gives, added up where they overlap.

    Deconvolution itself has no gradient there: oneDNN cannot bring back a weight whose input channels it keeps in blocks.
    """
    op = namespace(x)
    inputs, _, *kernel = shape(weight)
    size = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(shape(x)[2:], stride, dilation, kernel, strict=True)]
    pixels = op.transpose(op.reshape(x, shape=(0, 0, -1)), axes=(0, 2, 1))
    parts = []
    for start in range(0, inputs, inputs // groups):
        part = {"begin": start, "end": start + inputs // groups}
        matrix = op.reshape(op.slice_axis(weight, axis=0, **part), shape=(0, -1))
        parts.append(op.dot(op.slice_axis(pixels, axis=2, **part), matrix))
    columns = op.transpose(parts[0] if groups == 1 else op.concat(*parts, dim=2), axes=(0, 2, 1))
    return op.col2im(columns, output_size=tuple(size), kernel=tuple(kernel), stride=stride, dilate=dilation, pad=(0, 0))


def _spread(x: Tensor, channels: int, stride: Pair) -> Tensor:
    """Return `x` with its stride written out as zeros: without oneDNN, stride and dilation together give wrong values.

    Not the kernel with its dilation: a weight that is not an argument makes oneDNN's Deconvolution write past its gradient.
    """
    op = namespace(x)
    # Ones in the dtype of x, one for each channel. Not from the weight, which in inference lies in blocks, and a part of it ends the process.
    pixel = functools.reduce(lambda part, axis: op.slice_axis(part, axis=axis, begin=0, end=1), (0, 2, 3), x)
    ones = op.ones_like(op.transpose(pixel, axes=(1, 0, 2, 3)))
    return op.Deconvolution(x, ones, no_bias=True, num_filter=channels, kernel=(1, 1), stride=stride, num_group=channels)


def _present(*operands: Tensor | None) -> list[Tensor]:
    return [operand for operand in operands if operand is not None]


def _crop(y: Tensor, crop: Sides) -> Tensor:
    """Take rows and columns away before and after; a negative number of them after is added as zeros, first."""
    (top, bottom), (left, right) = crop
    if min(bottom, right) < 0:
        y = pad(y, padding=((0, max(-bottom, 0)), (0, max(-right, 0))), value=0.0)
    begin, end = (None, None, top, left), (None, None, -max(bottom, 0) or None, -max(right, 0) or None)
    return namespace(y).slice(y, begin=begin, end=end)


def conv2d_input_gradient(
    dy: Tensor, weight: Tensor, *, input_size: Pair, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Tensor:
    if groups == 1 and same_on_both_sides(padding):
        return columns.input_gradient(dy, weight, input_size=input_size, stride=stride, padding=padding, dilation=dilation)
    # The backward pass of Convolution, and the forward one that comes with it, are several times faster than Deconvolution.
    x = mx.nd.zeros((dy.shape[0], weight.shape[1] * groups, *input_size), dy.context, dy.dtype)
    return pulled_back(lambda x: conv2d(x, weight, None, stride=stride, padding=padding, dilation=dilation, groups=groups), x, dy)


def conv2d_weight_gradient(
    dy: Tensor, x: Tensor, *, kernel_size: Pair, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Tensor:
    if groups == 1 and same_on_both_sides(padding):
        return columns.weight_gradient(dy, x, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)
    weight = mx.nd.zeros((dy.shape[1], x.shape[1] // groups, *kernel_size), dy.context, dy.dtype)
    return pulled_back(lambda weight: conv2d(x, weight, None, stride=stride, padding=padding, dilation=dilation, groups=groups), weight, dy)

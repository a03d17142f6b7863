"""Convolution with PyTorch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unicnn.ops.fields import Pair, Sides
from unicnn_torch import columns


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, *, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> Tensor:
    if bias is None and columns.applies(x, groups):
        return columns.correlate(x, weight, stride=stride, padding=padding, dilation=dilation)
    (top, bottom), (left, right) = padding
    if top != bottom or left != right:
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    return F.conv2d(x, weight, bias, stride, (top, left), dilation, groups)


def conv_transpose2d(x: Tensor, weight: Tensor, bias: Tensor | None, *, stride: Pair, crop: Sides, dilation: Pair, groups: int) -> Tensor:
    (top, bottom), (left, right) = crop
    extra = (top - bottom, left - right)
    if all(0 <= e < max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        return F.conv_transpose2d(x, weight, bias, stride, (top, left), extra, groups, dilation)
    # PyTorch crops alike on both sides or less after; otherwise crop the full output, and only then add the bias.
    full = F.conv_transpose2d(x, weight, None, stride, 0, 0, groups, dilation)
    longer = F.pad(full, (0, max(-right, 0), 0, max(-bottom, 0)))  # first: the crop before may be longer than what there is
    y = F.pad(longer, (-left, -max(right, 0), -top, -max(bottom, 0)))
    return y if bias is None else y + bias[:, None, None]


def conv2d_input_gradient(
    dy: Tensor, weight: Tensor, *, input_size: Pair, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Tensor:
    (top, bottom), (left, right) = padding
    even = top == bottom and left == right
    size = input_size if even else (input_size[0] + top + bottom, input_size[1] + left + right)
    x = dy.new_empty(1).expand(len(dy), weight.shape[1] * groups, *size)
    dx = _backward(dy, x, weight, stride, (top, left) if even else (0, 0), dilation, groups, 0)
    return dx if even else dx[:, :, top : top + input_size[0], left : left + input_size[1]]


def conv2d_weight_gradient(
    dy: Tensor, x: Tensor, *, kernel_size: Pair, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Tensor:
    (top, bottom), (left, right) = padding
    if top != bottom or left != right:
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    weight = x.new_empty(1).expand(dy.shape[1], x.shape[1] // groups, *kernel_size)
    return _backward(dy, x, weight, stride, (top, left), dilation, groups, 1)


def _backward(dy: Tensor, x: Tensor, weight: Tensor, stride: Pair, padding: Pair, dilation: Pair, groups: int, which: int) -> Tensor:
    """Return the gradient of the input (0) or of the weight (1), of the other of which only the shape counts."""
    wanted = (which == 0, which == 1, False)
    gradients = torch.ops.aten.convolution_backward(dy, x, weight, None, stride, padding, dilation, False, (0, 0), groups, wanted)
    return gradients[which]

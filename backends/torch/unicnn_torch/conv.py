"""Convolution with PyTorch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unicnn.ops.fields import Pair, Sides


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, *, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> Tensor:
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
    y = F.pad(full, (-left, -right, -top, -bottom))
    return y if bias is None else y + bias[:, None, None]


def conv2d_weight_gradient(
    dy: Tensor, x: Tensor, *, kernel_size: Pair, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Tensor:
    (top, bottom), (left, right) = padding
    if top != bottom or left != right:
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    weight = x.new_empty(1).expand(dy.shape[1], x.shape[1] // groups, *kernel_size)
    _, gradient, _ = torch.ops.aten.convolution_backward(
        dy, x, weight, None, stride, (top, left), dilation, False, (0, 0), groups, (False, True, False)
    )
    return gradient

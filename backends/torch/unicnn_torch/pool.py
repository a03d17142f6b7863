"""Pooling with PyTorch."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from unicnn.ops.fields import NO_PADDING, Pair, Sides
from unicnn.ops.pool import window_counts


def max_pool2d(x: Tensor, *, kernel_size: Pair, stride: Pair, padding: Sides) -> Tensor:
    if _native(padding, kernel_size):
        return F.max_pool2d(x, kernel_size, stride, (padding[0][0], padding[1][0]))
    (top, bottom), (left, right) = padding
    return F.max_pool2d(F.pad(x, (left, right, top, bottom), value=-math.inf), kernel_size, stride)


def avg_pool2d(x: Tensor, *, kernel_size: Pair, stride: Pair, padding: Sides, counted: Sides) -> Tensor:
    all_or_none = counted in (padding, ((0, 0), (0, 0)))
    if _native(padding, kernel_size) and all_or_none:
        return F.avg_pool2d(x, kernel_size, stride, (padding[0][0], padding[1][0]), count_include_pad=counted == padding)
    (top, bottom), (left, right) = padding
    sums = F.avg_pool2d(F.pad(x, (left, right, top, bottom)), kernel_size, stride, divisor_override=1)
    rows, cols = window_counts((x.shape[2], x.shape[3]), kernel_size, stride, padding, counted)
    return sums / torch.outer(x.new_tensor(rows), x.new_tensor(cols))


def adaptive_avg_pool2d(x: Tensor, *, rows: tuple[Pair, ...], cols: tuple[Pair, ...]) -> Tensor:
    return F.adaptive_avg_pool2d(x, (len(rows), len(cols)))


def _native(padding: Sides, kernel_size: Pair) -> bool:
    """Tell whether PyTorch's own padding can be used: alike on both sides, and at most half the window."""
    return all(before == after and 2 * before <= k for (before, after), k in zip(padding, kernel_size, strict=True))


def max_pool2d_gradient(dy: Tensor, x: Tensor, y: Tensor, *, kernel_size: Pair, stride: Pair, padding: Sides) -> Tensor:
    if not _native(padding, kernel_size):
        (top, bottom), (left, right) = padding
        inside = F.pad(x, (left, right, top, bottom), value=-math.inf)
        dx = max_pool2d_gradient(dy, inside, y, kernel_size=kernel_size, stride=stride, padding=NO_PADDING)
        return dx[:, :, top : top + x.shape[2], left : left + x.shape[3]]
    sides, ones = (padding[0][0], padding[1][0]), (1, 1)
    _, places = torch.ops.aten.max_pool2d_with_indices(x, kernel_size, stride, sides, ones, False)
    return torch.ops.aten.max_pool2d_with_indices_backward(dy, x, kernel_size, stride, sides, ones, False, places)

"""Convolution of float64 on the CPU as matrix products, tile by tile; PyTorch's own reaches a third to two thirds of that speed."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from unicnn.ops.fields import Pair, Sides

# The columns of one tile: they stay in the cache between being copied and being multiplied.
_TILE_BYTES = 1 << 22


def applies(x: Tensor, groups: int) -> bool:
    """Tell whether `correlate` can stand for PyTorch's convolution, and is worth it."""
    return x.dtype == torch.float64 and groups == 1 and not x.is_cuda and not torch.is_grad_enabled()


def correlate(x: Tensor, weight: Tensor, *, stride: Pair, padding: Sides, dilation: Pair) -> Tensor:
    """Return the cross-correlation of `x` (N, I, H, W) with `weight` (O, I, kh, kw)."""
    (top, bottom), (left, right) = padding
    slab = F.pad(x, (left, right, top, bottom)).transpose(0, 1).contiguous()
    windows = _windows(slab, weight.shape[2:], stride, dilation)
    matrix = weight.reshape(len(weight), -1)
    _, _, _, samples, height, width = windows.shape
    y = x.new_empty(samples, len(weight), height, width)
    for n, rows in _tiles(samples, height, 8 * matrix.shape[1] * width):
        columns = windows[:, :, :, n, rows]
        product = torch.mm(matrix, columns.reshape(matrix.shape[1], -1))
        y[n, :, rows] = product.view(len(weight), *columns.shape[3:]).transpose(0, 1)
    return y


def _windows(slab: Tensor, kernel: tuple[int, ...], stride: Pair, dilation: Pair) -> Tensor:
    """Return the view (I, kh, kw, N, OH, OW) of all windows of a padded slab (I, N, H, W)."""
    channel, sample, row, column = slab.stride()
    size = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(slab.shape[2:], kernel, stride, dilation, strict=True)]
    shape = (slab.shape[0], *kernel, slab.shape[1], *size)
    steps = (channel, row * dilation[0], column * dilation[1], sample, row * stride[0], column * stride[1])
    return slab.as_strided(shape, steps)


def _tiles(samples: int, height: int, row_bytes: int) -> Iterator[tuple[slice, slice]]:
    """Yield which samples and rows of the output belong to a tile: several whole images, or a part of one."""
    images = max(1, _TILE_BYTES // (row_bytes * height))
    rows = height if row_bytes * height <= 2 * _TILE_BYTES else max(1, _TILE_BYTES // row_bytes)
    for n in range(0, samples, images):
        for row in range(0, height, rows):
            yield slice(n, n + images), slice(row, row + rows)

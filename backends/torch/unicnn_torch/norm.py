"""Normalisation and dropout with PyTorch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def batch_norm2d(
    x: Tensor, scale: Tensor | None, shift: Tensor | None, mean: Tensor, var: Tensor,
    *, eps: float, keep: float, unbiased: bool, training: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    if scale is None and shift is not None and x.is_cuda:
        scale = torch.ones_like(shift)  # the CUDA kernel reads the scale if there is a shift
    if not training:
        return F.batch_norm(x, mean, var, scale, shift, False, 0.0, eps), mean, var
    # A momentum of 1 makes PyTorch write the batch's own mean and unbiased variance into these.
    batch_mean, batch_var = torch.empty_like(mean), torch.empty_like(var)
    y = F.batch_norm(x, batch_mean.zero_(), batch_var.zero_(), scale, shift, True, 1.0, eps)
    count = x.numel() // x.shape[1]
    if not unbiased:
        batch_var = batch_var * ((count - 1) / count)
    return y, keep * mean + (1 - keep) * batch_mean, keep * var + (1 - keep) * batch_var


def layer_norm(x: Tensor, scale: Tensor | None, shift: Tensor | None, *, axes: tuple[int, ...], eps: float) -> Tensor:
    sizes = [x.shape[axis] for axis in axes]
    last = tuple(range(x.dim() - len(axes), x.dim()))
    if axes == last:
        return F.layer_norm(x, sizes, scale, shift, eps)
    return F.layer_norm(x.movedim(axes, last), sizes, scale, shift, eps).movedim(last, axes)


def dropout(x: Tensor, mask: Tensor) -> Tensor:
    return x * mask

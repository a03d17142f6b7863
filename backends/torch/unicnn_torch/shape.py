"""Moving values with PyTorch."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from unicnn.ops.fields import Sides


def flatten(x: Tensor) -> Tensor:
    return x.flatten(1)


def reshape(x: Tensor, *, shape: tuple[int, ...]) -> Tensor:
    return x.reshape(-1, *shape)


def transpose(x: Tensor, *, axes: tuple[int, ...]) -> Tensor:
    return x.permute(axes)


def pad(x: Tensor, *, padding: Sides, value: float) -> Tensor:
    (top, bottom), (left, right) = padding
    return F.pad(x, (left, right, top, bottom), value=value)

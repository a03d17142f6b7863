"""The primitives of identical numerics with PyTorch; unicnn.numerics.identical.primitives says what each of them is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_SMALLEST_NORMAL = 2.0**-126
_BELOW = _SMALLEST_NORMAL * (1 - 2.0**-53)


def widen(x: Tensor) -> Tensor:
    return x.double()


def narrow(x: Tensor, least: Tensor | None = None) -> Tensor:
    # Asking for a number makes a GPU wait, and costs there more than what it saves.
    if least is None or x.is_cuda or least.min() < _SMALLEST_NORMAL:
        x = F.hardshrink(x, _BELOW)  # +0 for all magnitudes up to the bound, -0 included
    return x.float()


def snap(x: Tensor, c: Tensor) -> Tensor:
    return x.double().add(c).sub_(c)


def where(condition: Tensor, x: Tensor | float, y: Tensor | float) -> Tensor:
    return torch.where(condition, x, y)


def minimum(x: Tensor, y: Tensor | float) -> Tensor:
    return torch.minimum(x, y) if isinstance(y, Tensor) else x.clamp(max=y)


def maximum(x: Tensor, y: Tensor | float) -> Tensor:
    return torch.maximum(x, y) if isinstance(y, Tensor) else x.clamp(min=y)


def absolute(x: Tensor) -> Tensor:
    return x.abs()


def rint(x: Tensor) -> Tensor:
    return x.round()


def sqrt(x: Tensor) -> Tensor:
    return x.sqrt()


def power(k: Tensor) -> Tensor:
    return ((k.long() + 1023) << 52).view(torch.float64)


def exponent(x: Tensor) -> Tensor:
    return torch.frexp(x).exponent.double()


def sum(x: Tensor, axes: Sequence[int], keepdims: bool = False) -> Tensor:
    return x.sum(tuple(axes), keepdim=keepdims)


def amax(x: Tensor, axes: Sequence[int]) -> Tensor:
    return x.amax(tuple(axes), keepdim=True) if x.dim() else x


def largest(x: Tensor, axes: Sequence[int]) -> Tensor:
    return torch.maximum(amax(x, axes), -x.amin(tuple(axes), keepdim=True)) if x.dim() else x.abs()


def shape(x: Tensor) -> tuple[int, ...]:
    return tuple(x.shape)


def reshape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return x.reshape(shape)


def transpose(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return x.permute(axes)


def part(x: Tensor, key: tuple[slice, ...]) -> Tensor:
    return x[key]


def per_channel(x: Tensor) -> Tensor:
    return x[:, None, None]


def one_hot(labels: Tensor, classes: int) -> Tensor:
    return F.one_hot(labels, classes).float()

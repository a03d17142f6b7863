"""The primitives of identical numerics with PyTorch; unicnn.numerics.identical.primitives says what each of them is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_PIECE_BYTES = 1 << 21
_SMALLEST_NORMAL = 2.0**-126
_BELOW = _SMALLEST_NORMAL * (1 - 2.0**-53)


def widen(x: Tensor) -> Tensor:
    return x.double()


def narrow(x: Tensor, *, gain: Tensor | None = None, offset: Tensor | None = None, least: Tensor | None = None) -> Tensor:
    # Asking for a number makes a GPU wait, and costs there more than what it saves.
    flush = least is None or x.is_cuda or bool(least.min() < _SMALLEST_NORMAL)
    y = torch.empty_like(x, dtype=torch.float32)
    scratch: Tensor | None = None
    for piece in _pieces(x):
        part, target = x[piece], y[piece]
        if scratch is None:  # no later piece is larger
            scratch = torch.empty_like(part, dtype=torch.float64)
        wide = scratch if scratch.shape == part.shape else scratch[tuple(slice(0, n) for n in part.shape)]
        if gain is not None:
            wide.copy_(part).mul_(_matching(gain, piece, x.dim()))
            part = wide
        if offset is not None:
            part = torch.add(part, _matching(offset, piece, x.dim()), out=wide)
        if flush:
            part = torch.ops.aten.hardshrink.out(part, _BELOW, out=wide)  # +0 for all magnitudes up to the bound, -0 included
        target.copy_(part)
    return y


def snap(x: Tensor, c: Tensor) -> Tensor:
    return x.to(torch.float64, copy=True).add_(c).sub_(c)


def square_sum(x: Tensor, c: Tensor, axes: Sequence[int]) -> Tensor:
    y = x.new_zeros([1 if axis in axes else n for axis, n in enumerate(x.shape)], dtype=torch.float64)
    for piece in _pieces(x):
        part = snap(x[piece], _matching(c, piece, x.dim()))
        target = y[tuple(slice(None) if axis in axes else key for axis, key in enumerate(piece))]
        part.mul_(part)
        target += part.sum(tuple(axes), keepdim=True) if axes else part
    return y


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


def pack(x: Tensor, kind: str) -> Tensor:
    return x


def unpack(x: Tensor, kind: str) -> Tensor:
    return x


def _pieces(x: Tensor) -> Iterator[tuple[slice, ...]]:
    """Yield keys that cut `x` along its first two axes, so that what lies between two operations stays in the cache.

    A fresh block of memory for a large array costs more, in page faults, than the arithmetic on it.
    """
    size = 8 * x.numel()
    if size <= _PIECE_BYTES or x.is_cuda or x.dim() < 2:
        yield ()
        return
    samples = max(1, _PIECE_BYTES * len(x) // size)
    channels = max(1, _PIECE_BYTES * x.shape[1] * len(x) // size) if samples == 1 else x.shape[1]
    for n in range(0, len(x), samples):
        for c in range(0, x.shape[1], channels):
            yield slice(n, n + samples), slice(c, c + channels)


def _matching(c: Tensor, piece: tuple[slice, ...], rank: int) -> Tensor:
    """Return the part of `c`, in which axes of size 1 or none before the others repeat, that belongs to a piece of `rank` axes."""
    missing = rank - c.dim()
    return c[tuple(key if c.shape[axis] > 1 else slice(None) for axis, key in enumerate(piece[missing:]))]

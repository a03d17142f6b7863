"""Affine maps of large arrays: (x - less) * gain + shift, each rounded once, with one value of these for every row.

MXNet's broadcasting takes 0.9 to 4 ns a value and operator, while a batch norm is one operator for all of them and takes 0.6; with a variance
of 3/4 and an epsilon of 1/4, it divides by exactly 1. Fresh memory for a large result costs more, in page faults, than the arithmetic
on it (30 ms for 2 ms on 51 MB), so that the work is done in pieces.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

from unicnn_mxnet.compat import mx

Tensor = mx.nd.NDArray

_PIECE = 1 << 18
"""How many values are worked on at a time: 2 MB of float64, which stay in the cache."""
_SMALL = 1 << 13
"""Up to here a few operators that broadcast take less time than all that it takes to prepare rows."""


def parts(x: Tensor) -> Iterator[slice]:
    """Yield parts of the first axis small enough for the cache."""
    step = max(1, _PIECE * len(x) // max(x.size, 1))
    for start in range(0, len(x), step):
        yield slice(start, min(start + step, len(x)))


class Rows:
    """Be an array as rows within which every operand has one value: the leading axes, as far as operands vary along them."""

    def __init__(self, x: Tensor, *operands: Tensor | None) -> None:
        self.x = x
        self.aligned = [o if o is None else o.reshape((1,) * (x.ndim - o.ndim) + o.shape) for o in operands]
        self.lead = max((axis for o in self.aligned if o is not None for axis, n in enumerate(o.shape, 1) if n > 1), default=1)

    @property
    def worthwhile(self) -> bool:
        """Tell whether there are such rows, and enough in them."""
        return self.lead < self.x.ndim and self.x.size > _SMALL

    def pieces(self, y: Tensor) -> Iterator[tuple[Tensor, Tensor, list[Tensor | None]]]:
        """Yield some rows (1, rows, columns) of the array, those of `y`, of the same shape, and their operands (rows,)."""
        shape, lead = self.x.shape, self.lead
        while lead < len(shape) - 1 and math.prod(shape[lead:]) > _PIECE:
            lead += 1
        rows = math.prod(shape[:lead])
        vectors = [o if o is None else mx.nd.broadcast_to(o.reshape(o.shape[:lead]), shape[:lead]).reshape((-1,)) for o in self.aligned]
        source, target = (value.reshape((rows, -1)) for value in (self.x, y))
        for part in parts(source):
            yield _stacked(source[part]), _stacked(target[part]), [o if o is None else o[part] for o in vectors]


def _stacked(rows: Tensor) -> Tensor:
    return rows.reshape((1, *rows.shape))  # the same memory, which expand_dims would copy


def affine(x: Tensor, out: Tensor, *, less: Tensor | None = None, gain: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
    """Write (x - less) * gain + shift for each row of float64 values."""
    rows = x.shape[1]
    one, nought, variance = (_filled(value, rows, x.context) for value in (1.0, 0.0, 0.75))
    return mx.nd.BatchNorm(
        x, one if gain is None else gain, nought if shift is None else shift, nought if less is None else less, variance,
        eps=0.25, fix_gamma=False, use_global_stats=True, cudnn_off=True, out=out,
    )  # fmt: skip


@lru_cache(maxsize=256)
def _filled(value: float, size: int, context: mx.Context) -> Tensor:
    return mx.nd.full((size,), value, context, "float64")

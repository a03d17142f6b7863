"""Arrays whose arithmetic with Python numbers is that of the numbers themselves.

MXNet hands a number to an operator as decimal text, and what it reads back is off by a unit in the last place for one number in
ten, 2^-24 and 2^-126 among them. Here a number becomes an array of one value.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from unicnn_mxnet.compat import mx

Tensor = mx.nd.NDArray


class Exact(mx.nd.NDArray):
    """Be an array that takes numbers as they are; what comes of its arithmetic is one, too."""

    __slots__ = ()

    def _apply(self, operator: Callable[[Tensor, Tensor], Tensor], other: Any, *, swapped: bool = False) -> Exact:
        second = operand(other, self)
        return exactly(operator(second, self) if swapped else operator(self, second))

    def __add__(self, other: Any) -> Exact:
        return self._apply(mx.nd.broadcast_add, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Exact:
        return self._apply(mx.nd.broadcast_sub, other)

    def __rsub__(self, other: Any) -> Exact:
        return self._apply(mx.nd.broadcast_sub, other, swapped=True)

    def __mul__(self, other: Any) -> Exact:
        return self._apply(mx.nd.broadcast_mul, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Exact:
        return self._apply(mx.nd.broadcast_div, other)

    def __rtruediv__(self, other: Any) -> Exact:
        return self._apply(mx.nd.broadcast_div, other, swapped=True)

    def __neg__(self) -> Exact:
        return exactly(mx.nd.negative(self))

    def __lt__(self, other: Any) -> Exact:
        return self._apply(mx.nd.broadcast_lesser, other)

    def __le__(self, other: Any) -> Exact:
        return self._apply(mx.nd.broadcast_lesser_equal, other)

    def __gt__(self, other: Any) -> Exact:
        return self._apply(mx.nd.broadcast_greater, other)

    def __ge__(self, other: Any) -> Exact:
        return self._apply(mx.nd.broadcast_greater_equal, other)


def exactly(x: Tensor) -> Exact:
    """Return the array itself, as one that takes numbers as they are."""
    x.__class__ = Exact
    return x


def operand(value: Any, like: Tensor) -> Tensor:
    """Return an array as it is, and a number as an array of one value of the dtype of `like`."""
    return value if isinstance(value, mx.nd.NDArray) else _number(float(value), like.context, np.dtype(like.dtype).name)


@lru_cache(maxsize=1024)
def _number(value: float, context: mx.Context, dtype: str) -> Tensor:
    tensor = mx.nd.empty((1,), context, dtype)
    tensor._sync_copyfrom(np.array([value], dtype))
    return tensor

"""Recycled memory for the results and the scratch space of NumPy's passes.

Fresh memory for a large array costs a page fault every 4 KB, which is up to ten times what the arithmetic on it costs; and MXNet itself asks the
system for memory, and gives it back, at every operator.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

_LEAST = 1 << 15
"""Below this many bytes the allocator recycles memory well enough by itself."""
_MOST_BYTES, _MOST_BLOCKS = 1 << 28, 32
"""What is kept for later, at most, of each size of block."""

_idle: dict[int, deque[Array]] = {}


class _Loan:
    """Be the owner of an array's memory, which goes back when no view of the array, and no operator of MXNet, holds it any longer."""

    __slots__ = ("__array_interface__", "block")

    def __init__(self, block: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.block = block
        self.__array_interface__ = {"version": 3, "shape": shape, "typestr": dtype.str, "data": block.__array_interface__["data"]}

    def __del__(self) -> None:
        kept = _idle.get(self.block.nbytes)
        if kept is not None:  # appending needs no lock, and drops the oldest one where there are too many
            kept.append(self.block)


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return an array, not initialised, in recycled memory if it is large."""
    dtype = np.dtype(dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes < _LEAST:
        return np.empty(shape, dtype)
    size = 1 << (nbytes - 1).bit_length()  # few sizes are met again sooner, and what is never touched of a block costs nothing
    kept = _idle.get(size)
    if kept is None:
        kept = _idle.setdefault(size, deque(maxlen=min(_MOST_BLOCKS, _MOST_BYTES // size)))
    try:
        block = kept.pop()
    except IndexError:
        block = np.empty(size, np.uint8)
    return np.asarray(_Loan(block, shape, dtype))

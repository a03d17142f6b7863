"""Array modules, and recycled memory for results and scratch space.

Fresh memory for a large array costs a page fault every 4 KiB, which for
elementwise operations is more than the arithmetic.  ``empty`` therefore hands
memory out again once nobody can see it any more.
"""

from __future__ import annotations

import math
import sys
import threading
from collections import deque
from typing import Any

import numpy as np

Array = Any  # numpy.ndarray or cupy.ndarray; CuPy is optional and untyped
Module = Any

# Below this size the allocator recycles memory well enough by itself.
_SMALLEST = 1 << 15
# What one thread keeps at most, in bytes and in blocks of one size.
_MOST_BYTES = 1 << 28
_MOST_BLOCKS = 32


def array_module(x: Array) -> Module:
    """Return the module, NumPy or CuPy, whose functions take ``x``."""
    return np if isinstance(x, (np.ndarray, np.generic)) else sys.modules["cupy"]


def empty(shape: tuple[int, ...], dtype: Any, xp: Module = np) -> Array:
    """Return an uninitialised C-ordered array, in recycled memory if possible."""
    dtype = np.dtype(dtype)
    count = math.prod(shape)
    if xp is not np or count * dtype.itemsize < _SMALLEST:
        return xp.empty(shape, dtype)
    block = _arena.take(count * dtype.itemsize)
    return block[: count * dtype.itemsize].view(dtype).reshape(shape)


def empty_like(x: Array, shape: tuple[int, ...] | None = None, dtype: Any = None) -> Array:
    """Return an uninitialised array whose axes lie in memory in the order of ``x``.

    ``shape`` has as many axes as ``x``; it and ``dtype`` default to those of ``x``.
    """
    shape = x.shape if shape is None else shape
    dtype = x.dtype if dtype is None else dtype
    xp = array_module(x)
    if x.flags.c_contiguous:
        return empty(shape, dtype, xp)
    order = _memory_order(x)
    y = empty(tuple(shape[axis] for axis in order), dtype, xp)
    return y.transpose(sorted(range(x.ndim), key=order.__getitem__))


def aligned(y: Array, x: Array) -> Array:
    """Return ``y``, copied if its axes lie in memory in another order than those of ``x``."""
    if _memory_order(y) == _memory_order(x):
        return y
    z = empty_like(x, y.shape, y.dtype)
    z[...] = y
    return z


def _memory_order(x: Array) -> list[int]:
    """Return the axes of ``x``, outermost first."""
    return sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))


def _references(block: np.ndarray) -> int:
    return sys.getrefcount(block)


def _unseen() -> int:
    """Return what ``_references`` counts for a block that only one variable holds."""
    block = np.empty(0, np.uint8)
    return _references(block)


_UNSEEN = _unseen()


class _Arena(threading.local):
    """The memory blocks of one thread, by size.

    Every view of a block, and every view of such a view, holds a reference to
    the block itself, so a block that nothing but the arena refers to is memory
    that no caller can read.  Sizes are powers of two: few enough to be met
    again, while the unused tail of a block is never touched and so costs no
    physical memory.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, deque[np.ndarray]] = {}
        self._held = 0

    def take(self, nbytes: int) -> np.ndarray:
        """Return a block of at least ``nbytes`` bytes, uint8."""
        size = 1 << (nbytes - 1).bit_length()
        blocks = self._blocks.setdefault(size, deque())
        for _ in range(len(blocks)):
            # Out of the queue while it is examined: code that interrupts this
            # (a finaliser, a signal handler) must not be given the same block.
            block = blocks.popleft()
            unseen = _references(block) == _UNSEEN
            blocks.append(block)
            if unseen:
                return block
        return self._keep(np.empty(size, np.uint8))

    def _keep(self, block: np.ndarray) -> np.ndarray:
        """Remember ``block`` for later, forgetting others beyond the limits."""
        size = block.nbytes
        if self._held + size > _MOST_BYTES:
            # A forgotten block that is in use is freed by its last user.
            self._blocks.clear()
            self._held = 0
        if size <= _MOST_BYTES:
            blocks = self._blocks.setdefault(size, deque())
            blocks.append(block)
            self._held += size
            if len(blocks) > _MOST_BLOCKS:
                blocks.popleft()
                self._held -= size
        return block


_arena = _Arena()


def set_chosen(x: Array, y: Array, chosen: Array) -> None:
    """Fill ``x`` with ``y`` where ``chosen`` and with zero elsewhere; all have one shape."""
    # The product of the bits is exact for every float, infinities and NaN too,
    # and unlike a masked copy it does not branch on each cell.
    bits = f"i{y.dtype.itemsize}"
    array_module(x).multiply(y.view(bits), chosen, out=x.view(bits))

"""Work on large arrays piece by piece: what lies between two steps of it stays in the cache, and two threads share the pieces."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from unicnn_mxnet.memory import Array

Key: TypeAlias = tuple[slice, ...]

_PIECE = 1 << 17
"""How many values are worked on at a time: 1 MB of float64."""
_FEW = 4
"""Below so many pieces a second thread comes too late."""
_MOST_HELPERS = 7


def each(shape: tuple[int, ...], work: Callable[[Key], None], values: int = 1) -> None:
    """Call `work` with keys that cut a shape, of so many values each, into pieces; in several threads if there are many."""
    keys = list(_cut(shape, values))
    if len(keys) < _FEW or not _helpers():
        for key in keys:
            work(key)
        return
    rest = iter(keys)  # taking the next one needs no lock

    def help_out() -> None:
        with np.errstate(all="ignore"):  # which each thread has for itself
            for key in rest:
                work(key)

    pool = _pool(os.getpid())
    futures: list[Future[None]] = [pool.submit(help_out) for _ in range(min(_helpers(), len(keys) // _FEW))]
    try:
        for key in rest:
            work(key)
    finally:
        for future in futures:
            if not future.cancel():  # one that has not begun has nothing left to do
                future.result()


@lru_cache(maxsize=1)
def _helpers() -> int:
    """Return how many threads there are beside the caller's: as many as MXNet's operators have."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return min(int(given) if given.isdigit() else len(os.sched_getaffinity(0)), _MOST_HELPERS + 1) - 1


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """Return the helping threads of a process: one that is forked has none of its parent's."""
    return ThreadPoolExecutor(_helpers(), "unicnn-mxnet")


def _cut(shape: tuple[int, ...], values: int) -> Iterator[Key]:
    """Yield keys that cut a shape along its first axis, and along the second one where that is not enough."""
    if math.prod(shape) * values <= _PIECE:
        yield ()
        return
    inner = math.prod(shape[1:]) * values
    step = max(1, _PIECE // inner)
    for start in range(0, shape[0], step):
        along = slice(start, min(start + step, shape[0]))
        if inner <= _PIECE or len(shape) == 1:
            yield (along,)
            continue
        for place in _cut(shape[1:2], inner // shape[1]):
            yield (along, *(place or (slice(None),)))


def matching(c: Array, key: Key, rank: int) -> Array:
    """Return the part of `c`, in which axes of size 1 or none before the others repeat, that belongs to a piece of `rank` axes."""
    missing = rank - c.ndim
    return c[tuple(along if n > 1 else slice(None) for n, along in zip(c.shape, key[missing:], strict=False))] if key else c

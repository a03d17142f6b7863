"""Reshaping and indexing by operators: MXNet's own methods go past them, to memory that is shared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unicnn_mxnet.compat import mx


def reshape(array: Any, *shape: Any, **options: Any) -> Any:
    """Return ``array.reshape(...)``."""
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (list, tuple)) else shape or options["shape"]
    return mx.nd.reshape(array, shape=tuple(sizes), reverse=options.get("reverse", False))


def item(array: Any, key: Any, otherwise: Callable[[Any, Any], Any]) -> Any:
    """Return ``array[key]``, by a slice and a reshape if `key` is made of whole numbers and ranges."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if not all(part is None or part is ... or isinstance(part, (int, slice)) for part in keys):
        return otherwise(array, key)
    rest = array.ndim - sum(part is not None and part is not ... for part in keys)
    place = next((i for i, part in enumerate(keys) if part is ...), len(keys))
    keys[place : place + 1] = [slice(None)] * rest
    ranges, shape = _ranges(keys, tuple(array.shape))
    if any(step != 1 or stop <= start for start, stop, step in ranges):
        return otherwise(array, key)
    whole = all(part == (0, size, 1) for part, size in zip(ranges, array.shape, strict=True))
    part = array if whole else mx.nd.slice(array, begin=tuple(r[0] for r in ranges), end=tuple(r[1] for r in ranges))
    return part if tuple(part.shape) == shape else mx.nd.reshape(part, shape=shape)


def _ranges(keys: list[Any], sizes: tuple[int, ...]) -> tuple[list[tuple[int, int, int]], tuple[int, ...]]:
    """Return the range that is taken of each axis, and the shape of what is taken."""
    ranges: list[tuple[int, int, int]] = []
    shape: list[int] = []
    for part in keys:
        if part is None:
            shape.append(1)
            continue
        size = sizes[len(ranges)]
        if isinstance(part, slice):
            ranges.append(part.indices(size))
            shape.append(max(ranges[-1][1] - ranges[-1][0], 0))
        else:
            if not -size <= part < size:
                raise IndexError(f"index {part} is out of bounds for axis {len(ranges)} with size {size}")
            ranges.append((part % size, part % size + 1, 1))
    return ranges, tuple(shape) or (1,)

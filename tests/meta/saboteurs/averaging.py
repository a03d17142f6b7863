"""Saboteurs of average pooling."""

from __future__ import annotations

from typing import Any

import numpy as np

from unicnn.ops.pool import window_counts

from ..saboteur import Array, Change, Function, Saboteur, around, given

AVG, ADAPTIVE = ("avg_pool2d",), ("adaptive_avg_pool2d",)
NONE = ((0, 0), (0, 0))


def _divided_by(count: Function) -> Change:
    """Divide sums of windows by another number of cells."""

    def broken(honest: Function, x: Array, **attributes: Any) -> Array:
        right, wrong = (_cells(size, x.dtype) for size in (window_counts(x.shape[2:], **attributes), count(x.shape[2:], **attributes)))
        return honest(x, **attributes) * (right / wrong).astype(x.dtype)

    return around(broken)


def _cells(counts: tuple[tuple[int, ...], ...], dtype: Any) -> Array:
    return np.outer(*counts).astype(dtype)


def _whole_windows(size: Any, *, kernel_size: Any, **attributes: Any) -> Any:
    counts = window_counts(size, kernel_size=kernel_size, **attributes)
    return tuple(tuple(k for _ in axis) for k, axis in zip(kernel_size, counts, strict=True))


def _by_reciprocal(honest: Function, x: Array, *, counted: Any, **attributes: Any) -> Array:
    """Multiply sums by one over the number of cells, rounded."""
    counts = _cells(window_counts(x.shape[2:], counted=counted, **attributes), x.dtype)
    sums = honest(x, counted=counted, **attributes) * counts if x.dtype == np.float64 else _sums(honest, x, counts, counted, attributes)
    return sums * (1 / counts)


def _sums(honest: Function, x: Array, counts: Array, counted: Any, attributes: Any) -> Array:
    return (honest(x.astype(np.float64), counted=counted, **attributes) * counts).astype(x.dtype)


def _divided_first(honest: Function, x: Array, *, kernel_size: Any, **attributes: Any) -> Array:
    """Divide every value before adding, so that no sum overflows."""
    with np.errstate(over="ignore"):
        first = honest(x / x.dtype.type(4), kernel_size=kernel_size, **attributes)
        return first * x.dtype.type(4)


def _floors(sizes: Any) -> Any:
    """Return windows that end where the next one starts."""
    return tuple((start, following) for (start, _), following in zip(sizes, (*[s for s, _ in sizes[1:]], sizes[-1][1]), strict=True))


def _no_fewer_than_one(spans: Any) -> Any:
    return tuple((start, max(stop, start + 1)) for start, stop in _floors(spans))


def _one_divisor(honest: Function, x: Array, *, rows: Any, cols: Any) -> Array:
    """Divide all windows by the number of cells of the first."""
    counts = _cells((tuple(b - a for a, b in rows), tuple(b - a for a, b in cols)), x.dtype)
    return honest(x, rows=rows, cols=cols) * (counts / counts[0, 0])


SABOTEURS = (
    Saboteur(
        "avg-pool-counts-padding",
        "counts padding that is not to be counted",
        AVG,
        ("exact", "bounded"),
        {"avg_pool2d": _divided_by(lambda size, *, counted, **rest: window_counts(size, counted=rest["padding"], **rest))},
        settings="not-counting*",
    ),
    Saboteur(
        "avg-pool-does-not-count-padding",
        "leaves padding out that is to be counted",
        AVG,
        ("exact", "bounded"),
        {"avg_pool2d": given(counted=lambda c: NONE)},
        settings="counting*pad*",
    ),
    Saboteur(
        "avg-pool-divides-by-whole-windows",
        "divides a window that hangs over the edge by all of its cells",
        AVG,
        ("exact", "bounded"),
        {"avg_pool2d": _divided_by(_whole_windows)},
        settings="*ceil*",
    ),
    Saboteur("avg-pool-by-reciprocal", "multiplies by a rounded reciprocal", AVG, ("exact",), {"avg_pool2d": around(_by_reciprocal)}),
    Saboteur(
        "avg-pool-divides-first",
        "divides before it adds, so that the sum of the largest numbers is finite",
        AVG,
        ("special",),
        {"avg_pool2d": around(_divided_first)},
    ),
    Saboteur(
        "avg-pool-gradient-counts-padding",
        "divides gradients by whole windows",
        AVG,
        ("bounded",),
        {"avg_pool2d_gradient": given(counted=lambda c: ((9, 9), (9, 9)))},
        settings="*ceil*",
    ),
    Saboteur(
        "adaptive-pool-does-not-overlap",
        "ends a window where the next one starts",
        ADAPTIVE,
        ("bounded",),
        {"adaptive_avg_pool2d": given(rows=_no_fewer_than_one, cols=_no_fewer_than_one)},
    ),
    Saboteur(
        "adaptive-pool-has-one-divisor",
        "divides all windows by the size of the first",
        ADAPTIVE,
        ("bounded",),
        {"adaptive_avg_pool2d": around(_one_divisor)},
    ),
)

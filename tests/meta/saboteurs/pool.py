"""Saboteurs of max pooling, and of both kinds."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..saboteur import Array, Change, Function, Saboteur, around, given, giving, instead, taking

MAX, BOTH = ("max_pool2d",), ("max_pool2d", "avg_pool2d")
NONE = ((0, 0), (0, 0))


def each(x: Array, kernel_size: Any, stride: Any) -> Any:
    """Yield the place of each window of padded images, and its slices."""
    heights, widths = (range(0, n - k + 1, s) for n, k, s in zip(x.shape[2:], kernel_size, stride, strict=True))
    for i, top in enumerate(heights):
        for j, left in enumerate(widths):
            yield (Ellipsis, i, j), (Ellipsis, slice(top, top + kernel_size[0]), slice(left, left + kernel_size[1]))


def reduced(reduce: Function, border: float) -> Change:
    """Put another reduction of windows in the place of the maximum, with another border."""

    def max_pool2d(x: Array, *, kernel_size: Any, stride: Any, padding: Any) -> Array:
        padded = np.pad(x, (*NONE, *padding), constant_values=border)
        size = [(n - k) // s + 1 for n, k, s in zip(padded.shape[2:], kernel_size, stride, strict=True)]
        y = np.empty((*x.shape[:2], *size), x.dtype)
        for place, window in each(padded, kernel_size, stride):
            y[place] = reduce(padded[window].reshape(*x.shape[:2], -1))
        return y

    return instead(max_pool2d)


def routed(share: Function) -> Change:
    """Share each window's gradient among its cells otherwise; `share` returns weights of the cells of a window."""

    def max_pool2d_gradient(dy: Array, x: Array, y: Array, *, kernel_size: Any, stride: Any, padding: Any) -> Array:
        padded = np.pad(x, (*NONE, *padding), constant_values=-np.inf)
        dx = np.zeros_like(padded)
        for place, window in each(padded, kernel_size, stride):
            cells = padded[window].reshape(*x.shape[:2], -1)
            weights = share(cells, cells == cells.max(axis=2, keepdims=True)).astype(dy.dtype)
            dx[window] += (weights * dy[place][..., None]).reshape(padded[window].shape)
        return dx[:, :, padding[0][0] : padding[0][0] + x.shape[2], padding[1][0] : padding[1][0] + x.shape[3]]

    return instead(max_pool2d_gradient)


def _last(cells: Array, hits: Array) -> Array:
    count = cells.shape[2]
    last = count - 1 - hits[..., ::-1].argmax(axis=2)
    return np.arange(count) == last[..., None]


def _shared(cells: Array, hits: Array) -> Array:
    return hits / np.maximum(hits.sum(axis=2, keepdims=True), 1)


def _all(cells: Array, hits: Array) -> Array:
    return hits


def _largest_number(cells: Array, hits: Array) -> Array:
    """Give the gradient to the first largest value that is a number."""
    numbers = np.where(np.isnan(cells), -np.inf, cells)
    return np.arange(cells.shape[2]) == numbers.argmax(axis=2)[..., None]


def _overwriting(dy: Array, x: Array, y: Array, *, kernel_size: Any, stride: Any, padding: Any) -> Array:
    """Store gradients where windows overlap, instead of adding them."""
    padded = np.pad(x, (*NONE, *padding), constant_values=-np.inf)
    dx = np.zeros_like(padded)
    for place, window in each(padded, kernel_size, stride):
        cells = padded[window].reshape(*x.shape[:2], -1)
        hit = (np.arange(cells.shape[2]) == cells.argmax(axis=2)[..., None]).reshape(padded[window].shape)
        dx[window] = np.where(hit, dy[place][..., None, None], dx[window])
    return dx[:, :, padding[0][0] : padding[0][0] + x.shape[2], padding[1][0] : padding[1][0] + x.shape[3]]


def _finite_start(cells: Array) -> Array:
    return np.maximum(cells.max(axis=2), np.finfo(cells.dtype).min)


def _quiet_maximum(cells: Array) -> Array:
    """Return the maximum of the numbers, as a comparison does that starts from the smallest one."""
    return np.fmax.reduce(cells, axis=2, initial=-np.inf)


def _last_cell_unread(cells: Array) -> Array:
    return cells[..., : max(1, cells.shape[2] - 1)].max(axis=2)


def _one_less(honest: Function, x: Array, **attributes: Any) -> Array:
    """Round the number of windows down where it is to be rounded up: the last one, which hangs over the edge, is lost."""
    y = honest(x, **attributes)
    hangs = any(p[1] for p in attributes["padding"])
    return y[:, :, : y.shape[2] - 1] if hangs and y.shape[2] > 1 else y


def _one_more(y: Array) -> Array:
    return np.concatenate([y, y[:, :, -1:]], axis=2)


def _first_part(x: Array) -> tuple[Array]:
    """Read the first 512 KiB of float32 values only, as code does that works on parts and has a wrong loop."""
    return (np.where(np.arange(x.size).reshape(x.shape) < 1 << 17, x, 0).astype(x.dtype),)


SABOTEURS = (
    Saboteur(
        "max-pool-loses-the-last-window",
        "counts windows by rounding down where ceil mode rounds up",
        MAX,
        ("exact", "special"),
        {"max_pool2d": around(_one_less)},
        settings="ceil*",
    ),
    Saboteur("max-pool-has-a-window-too-many", "returns one row of windows more", MAX, ("exact",), {"max_pool2d": giving(_one_more)}),
    Saboteur(
        "max-pool-pads-with-zero",
        "lets padding win over negative values",
        MAX,
        ("exact", "bounded"),
        {"max_pool2d": reduced(lambda c: c.max(axis=2), 0.0)},
        settings="*pad*",
    ),
    Saboteur(
        "max-pool-leaves-the-last-cell-out",
        "does not read the last cell of a window",
        MAX,
        ("exact",),
        {"max_pool2d": reduced(_last_cell_unread, -np.inf)},
    ),
    Saboteur(
        "max-pool-swaps-pads",
        "pads at the bottom and right what is meant for the top and left",
        MAX,
        ("exact",),
        {"max_pool2d": given(padding=lambda p: tuple(sides[::-1] for sides in p))},
        settings="*pad*",
    ),
    Saboteur(
        "max-pool-ignores-nan",
        "returns the largest number of a window with a NaN",
        MAX,
        ("special",),
        {"max_pool2d": reduced(_quiet_maximum, -np.inf)},
    ),
    Saboteur(
        "max-pool-starts-from-the-smallest-number",
        "returns -3.4e38 for a window of -inf",
        MAX,
        ("special",),
        {"max_pool2d": reduced(_finite_start, -np.inf)},
    ),
    Saboteur(
        "max-pool-gradient-to-the-last",
        "gives the gradient of a tie to the last maximum",
        MAX,
        ("exact", "identical", "special"),
        {"max_pool2d_gradient": routed(_last)},
    ),
    Saboteur(
        "max-pool-gradient-shared",
        "shares the gradient of a tie among the maxima",
        MAX,
        ("exact", "special"),
        {"max_pool2d_gradient": routed(_shared)},
    ),
    Saboteur(
        "max-pool-gradient-to-all",
        "gives the whole gradient to every maximum of a tie",
        MAX,
        ("exact", "special"),
        {"max_pool2d_gradient": routed(_all)},
    ),
    Saboteur(
        "max-pool-gradient-past-nan",
        "gives the gradient of a window with a NaN to the largest number",
        MAX,
        ("special",),
        {"max_pool2d_gradient": routed(_largest_number)},
    ),
    Saboteur(
        "max-pool-gradient-overwritten",
        "stores gradients where windows overlap, instead of adding them",
        MAX,
        ("exact", "bounded"),
        {"max_pool2d_gradient": instead(_overwriting)},
    ),
    Saboteur(
        "pool-loses-later-parts",
        "reads the first 512 KiB only",
        BOTH,
        ("exact", "bounded"),
        {name: taking(_first_part) for name in BOTH},
        settings="*image*",
    ),
    Saboteur(
        "pool-swaps-strides",
        "moves down by the stride that is meant for moving right",
        BOTH,
        ("exact",),
        {name: given(stride=lambda s: s[::-1]) for name in BOTH},
        settings="*stride*",
    ),
    Saboteur(
        "pool-transposes-windows",
        "exchanges height and width of windows",
        BOTH,
        ("exact",),
        {name: given(kernel_size=lambda k: k[::-1]) for name in BOTH},
    ),
)

"""Pooling with JAX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from unicnn.ops.fields import Pair, Sides
from unicnn.ops.pool import window_counts

Spans = Sequence[Pair]


def max_pool2d(x: Array, *, kernel_size: Pair, stride: Pair, padding: Sides) -> Array:
    return _over_windows(lax.max, -jnp.inf, x, kernel_size, stride, padding)


def avg_pool2d(x: Array, *, kernel_size: Pair, stride: Pair, padding: Sides, counted: Sides) -> Array:
    sums = _over_windows(lax.add, 0.0, x, kernel_size, stride, padding)
    return _divided(sums, *window_counts(x.shape[2:], kernel_size, stride, padding, counted))


def adaptive_avg_pool2d(x: Array, *, rows: tuple[Pair, ...], cols: tuple[Pair, ...]) -> Array:
    sums = _sums(_sums(x, cols, 3), rows, 2)
    return _divided(sums, _lengths(rows), _lengths(cols))


def max_pool2d_gradient(dy: Array, x: Array, y: Array, *, kernel_size: Pair, stride: Pair, padding: Sides) -> Array:
    _, pull_back = jax.vjp(partial(max_pool2d, kernel_size=kernel_size, stride=stride, padding=padding), x)
    (dx,) = pull_back(dy)
    return dx


def _over_windows(function: Callable[..., Any], start: float, x: Array, kernel_size: Pair, stride: Pair, padding: Sides) -> Array:
    return lax.reduce_window(x, start, function, (1, 1, *kernel_size), (1, 1, *stride), ((0, 0), (0, 0), *padding))


def _sums(x: Array, spans: Spans, axis: int) -> Array:
    """Return the sums of `x` over spans of an axis."""
    return jnp.stack([lax.slice_in_dim(x, start, stop, axis=axis).sum(axis) for start, stop in spans], axis)


def _lengths(spans: Spans) -> list[int]:
    return [stop - start for start, stop in spans]


def _divided(sums: Array, rows: Sequence[int], cols: Sequence[int]) -> Array:
    """Return sums of windows, divided by how many rows times columns each has."""
    counts = jnp.broadcast_to(jnp.asarray(np.outer(rows, cols), sums.dtype), sums.shape)
    # XLA makes of a quotient by something constant a product with its reciprocal, which is another number: it must not see it.
    return sums / lax.optimization_barrier(counts)

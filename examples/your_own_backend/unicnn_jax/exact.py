"""The primitives of identical numerics with JAX; unicnn.numerics.identical.primitives says what each of them is."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array, lax

_SMALLEST_NORMAL = 2.0**-126


def widen(x: Array) -> Array:
    return x.astype(jnp.float64)


def narrow(x: Array, *, gain: Array | None = None, offset: Array | None = None, least: Array | None = None) -> Array:
    x = x if gain is None else widen(x) * gain
    x = x if offset is None else x + offset
    # XLA makes one pass of it all, so that there is nothing to gain from `least`.
    return jnp.where(jnp.abs(x) < _SMALLEST_NORMAL, 0.0, x).astype(jnp.float32)


def snap(x: Array, c: Array) -> Array:
    # XLA takes (x + c) - c for x if c is constant: it must not see both at once.
    return lax.optimization_barrier(widen(x) + c) - c


def square_sum(x: Array, c: Array, axes: Sequence[int]) -> Array:
    return sum(jnp.square(snap(x, c)), axes, keepdims=True)


def where(condition: Array, x: Array | float, y: Array | float) -> Array:
    return jnp.where(condition, x, y)


def minimum(x: Array, y: Array | float) -> Array:
    return jnp.minimum(x, y)


def maximum(x: Array, y: Array | float) -> Array:
    return jnp.maximum(x, y)


def absolute(x: Array) -> Array:
    return jnp.abs(x)


def rint(x: Array) -> Array:
    return jnp.rint(x)


def sqrt(x: Array) -> Array:
    return jnp.sqrt(x)


def power(k: Array) -> Array:
    return lax.bitcast_convert_type((k.astype(jnp.int64) + 1023) << 52, jnp.float64)


def exponent(x: Array) -> Array:
    bits = lax.bitcast_convert_type(jnp.abs(x), jnp.int64) >> 52
    return jnp.where(bits == 0, 0, bits - 1022).astype(jnp.float64)


def sum(x: Array, axes: Sequence[int], keepdims: bool = False) -> Array:
    return jnp.sum(x, tuple(axes), keepdims=keepdims)


def amax(x: Array, axes: Sequence[int]) -> Array:
    return jnp.max(x, tuple(axes), keepdims=True)


def largest(x: Array, axes: Sequence[int]) -> Array:
    # As whole numbers, for which the bits of magnitudes are in order and NaN is above all: on the CPU, XLA loses a NaN from the
    # maximum of some thousand floats.
    bits = lax.bitcast_convert_type(jnp.abs(x), jnp.int32 if x.dtype == jnp.float32 else jnp.int64)
    return lax.bitcast_convert_type(amax(bits, axes), x.dtype)


def shape(x: Array) -> tuple[int, ...]:
    return x.shape


def reshape(x: Array, shape: tuple[int, ...]) -> Array:
    return x.reshape(shape)


def transpose(x: Array, axes: tuple[int, ...]) -> Array:
    return x.transpose(axes)


def part(x: Array, key: tuple[slice, ...]) -> Array:
    return x[key]


def per_channel(x: Array) -> Array:
    return x[:, None, None]


def one_hot(labels: Array, classes: int) -> Array:
    return jax.nn.one_hot(labels, classes, dtype=jnp.float32)


def pack(x: Array, kind: str) -> Array:
    return x


def unpack(x: Array, kind: str) -> Array:
    return x

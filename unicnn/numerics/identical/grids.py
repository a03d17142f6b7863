"""Grids: what values are rounded to so that sums of their products are exact, and hence the same in every order.

Values that are whole multiples of one power of two add up exactly as long as no partial sum exceeds 2^53 of it. A partial
sum of products of x and w, in whatever order, is at most |x| |w|, the product of the 2-norms (Cauchy and Schwarz). So x is
rounded to steps of |x| 2^-26.5 and w to steps of |w| 2^-26.5, or to any two whose product is |x| |w| 2^-53. That is independent of the number of
terms, and finer, for the same 53 bits, than what bounds by the largest value allow.

Norms themselves must be the same everywhere: they are taken of values rounded to 13 bits below the largest one, whose
squares add up exactly, and enlarged by what that rounding can lose.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from unicnn.errors import InputError

Tensor: TypeAlias = Any

COARSE = 13
"""The bits to which values are rounded for the sake of their norm: sums of 2^27 of their squares are exact."""
MOST_TERMS = 2**26

ONE = 26
"""The room, in bits, of either operand where both are one slice: norms are at most 2^26.5 steps."""
TWO_SLICES = (20, 32)
"""The room of an operand cut into two slices, and of the other operand."""


def square_sums(t: Any, x: Tensor, e: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Return the sums of x^2 over `axes`, which stay with size 1, x being rounded coarsely; e is the exponent of the largest magnitude."""
    return t.square_sum(x, _magic(t, e - float(COARSE)), axes)


def snap_to(t: Any, x: Tensor, step: Tensor) -> Tensor:
    """Return `x` as float64, rounded to a multiple of 2^step; |x| must be below 2^(step + 51)."""
    return t.snap(x, _magic(t, step))


def _magic(t: Any, step: Tensor) -> Tensor:
    """Return the number that, added and taken away again, rounds to multiples of 2^step."""
    return t.power(step + 52.0) * 1.5


def norm_exponent(t: Any, total: Tensor, e: Tensor, terms: int) -> Tensor:
    """Return the whole number h with norm < 2^(h + 1/2), for a sum `total` of `terms` coarse squares with largest exponent e.

    With c coarse, of step s = 2^(e-13), |x| <= |c| + s sqrt(n)/2, so |x|^2 <= 10/9 |c|^2 + 5/2 n s^2; the constants here leave room for
    the final rounding of x. Each product is exact, so that it does not matter whether a compiler fuses it with the sum.
    """
    if terms > MOST_TERMS:
        raise InputError(
            f"A sum of {terms:,} terms is longer than the {MOST_TERMS:,} for which identical numerics are proven. "
            'Use a smaller batch or smaller images, or numerics="native".'
        )
    bound = (total + total * 0.125) + t.power(e * 2.0 - 2.0 * COARSE) * (2.75 * terms)
    # Half of the exponent, rounded down: what is lost by an odd one is the half in h + 1/2.
    return t.rint(t.exponent(bound) * 0.5 - 0.25)


def norm_over(t: Any, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Return the exponent h of the norm of `x` over `axes`, which stay with size 1."""
    return norm_within(t, x, t.largest(x, axes), axes)


def norm_within(t: Any, x: Tensor, largest: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Return what `norm_over` does, given the largest magnitude over `axes`."""
    e = t.exponent(t.widen(largest))
    return norm_exponent(t, square_sums(t, x, e, axes), e, math.prod(t.shape(x)[axis] for axis in axes))


def one_slice(t: Any, x: Tensor, h: Tensor, room: int = ONE) -> Tensor:
    """Return `x`, of norm below 2^(h + 1/2), as multiples of a power of two, with a norm of at most 2^(room + 1/2) of them."""
    return snap_to(t, x, h - float(room))


def two_slices(t: Any, x: Tensor, h: Tensor, terms: int) -> tuple[Tensor, Tensor]:
    """Return a coarse and a fine part of `x`, each with a norm over `terms` values of at most 2^20.5 of its own steps.

    What the coarse rounding leaves is at most half a coarse step everywhere, so its norm is at most sqrt(terms)/2 of them. It is the
    difference of two roundings, which is exact.
    """
    room = TWO_SLICES[0]
    high = snap_to(t, x, h - float(room))
    finer = room + 1 - math.ceil(math.log2(terms) / 2)
    return high, snap_to(t, x, h - float(room + finer)) - high


def exact_sum(t: Any, x: Tensor, axes: tuple[int, ...], keepdims: bool = False) -> Tensor:
    """Return the sum of float32 values over `axes` as float64, exact but for rounding each to 53 - log2(terms) bits below the largest."""
    terms = math.prod(t.shape(x)[axis] for axis in axes)
    bits = min(50, 53 - math.ceil(math.log2(terms))) if terms else 50
    e = t.exponent(t.widen(t.largest(x, axes)))
    return t.sum(snap_to(t, x, e - float(bits)), axes, keepdims=keepdims)

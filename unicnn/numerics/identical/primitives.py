"""The contract of identical numerics: what a backend's module `exact` holds.

Each function has one possible result, bit for bit, whatever library, compiler or processor computes it. Beside them the
tensors' own + - * on float64 are used where the result is exact or rounded once, comparisons, and / where its result is
only a guess. Values may lie in the backend's own order inside; axes, shapes and keys are canonical (NCHW) all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

Tensor: TypeAlias = Any
Key: TypeAlias = tuple[slice, ...]


class Primitives(Protocol):
    """Be a module `exact` of a backend; `unicnn.numerics.identical.host` is the core's own, over NumPy."""

    @staticmethod
    def widen(x: Tensor) -> Tensor:
        """Return float32 values as float64."""

    @staticmethod
    def narrow(x: Tensor, *, gain: Tensor | None = None, offset: Tensor | None = None, least: Tensor | None = None) -> Tensor:
        """Return x, or x*gain + offset computed in float64, as float32: to nearest even; below 2^-126 in magnitude, and -0, becomes +0; NaN stays.

        `gain` comes with a float32 x and holds float32 values, so that the product is exact. `least`, if given, promises that no result
        but +0 is below it in magnitude: where it is at least 2^-126, rounding is all there is to do.
        """

    @staticmethod
    def snap(x: Tensor, c: Tensor) -> Tensor:
        """Return (x + c) - c in float64, each rounded once: with c = 1.5 * 2^52 * step, x rounded to a multiple of the step."""

    @staticmethod
    def square_sum(x: Tensor, c: Tensor, axes: Sequence[int]) -> Tensor:
        """Return the sums over `axes`, which stay with size 1, of the squares of snap(x, c), in any order: they are exact."""

    @staticmethod
    def where(condition: Tensor, x: Tensor | float, y: Tensor | float) -> Tensor:
        """Return x where the condition, a comparison's result, holds and y elsewhere; one of them may be a number."""

    @staticmethod
    def minimum(x: Tensor, y: Tensor | float) -> Tensor:
        """Return the smaller one."""

    @staticmethod
    def maximum(x: Tensor, y: Tensor | float) -> Tensor:
        """Return the larger one."""

    @staticmethod
    def absolute(x: Tensor) -> Tensor:
        """Return the magnitude."""

    @staticmethod
    def rint(x: Tensor) -> Tensor:
        """Return the nearest whole number of float64 values up to 2^51, the even one of two."""

    @staticmethod
    def sqrt(x: Tensor) -> Tensor:
        """Return the square root of float64 values; the last two bits may be anything."""

    @staticmethod
    def power(k: Tensor) -> Tensor:
        """Return 2^k for whole float64 numbers k from -1022 to 1023."""

    @staticmethod
    def exponent(x: Tensor) -> Tensor:
        """Return as float64 the whole number e with 2^(e-1) <= |x| < 2^e of float64 values that are normal, and 0 for 0."""

    @staticmethod
    def sum(x: Tensor, axes: Sequence[int], keepdims: bool = False) -> Tensor:
        """Return the sum over `axes` of float64 values, in any order: it is only asked for exact ones."""

    @staticmethod
    def amax(x: Tensor, axes: Sequence[int]) -> Tensor:
        """Return the maximum over `axes`, which stay with size 1."""

    @staticmethod
    def largest(x: Tensor, axes: Sequence[int]) -> Tensor:
        """Return the largest magnitude over `axes`, which stay with size 1; NaN if one is NaN, for by it what is not finite is found."""

    @staticmethod
    def shape(x: Tensor) -> tuple[int, ...]:
        """Return the shape, all sizes known."""

    @staticmethod
    def reshape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return the values in another shape, in row-major order, the first axis included."""

    @staticmethod
    def transpose(x: Tensor, axes: tuple[int, ...]) -> Tensor:
        """Return the axes in another order, the first one included."""

    @staticmethod
    def part(x: Tensor, key: Key) -> Tensor:
        """Return x[key]: a slice for each of the first axes, with steps of at least 1."""

    @staticmethod
    def per_channel(x: Tensor) -> Tensor:
        """Return a vector of one value a channel so that it repeats over images."""

    @staticmethod
    def one_hot(labels: Tensor, classes: int) -> Tensor:
        """Return float32 zeros (N, classes) with a one at each of the int64 labels (N,)."""

    @staticmethod
    def pack(x: Tensor, kind: str) -> Tensor:
        """Return a value inside as a parameter of `kind` in the order in which the lowerings take it."""

    @staticmethod
    def unpack(x: Tensor, kind: str) -> Tensor:
        """Return a parameter of `kind` as a value inside."""

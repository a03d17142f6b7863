"""Input recipes: how a case's numbers are drawn. Everything comes from one stream that the case's name keys, alike on every machine."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
Shape: TypeAlias = tuple[int, ...]

LARGEST = float(np.finfo(np.float32).max)
TINY = 2.0**-126


class Stream:
    """Hand out random numbers, one array after the other."""

    def __init__(self, *key: object) -> None:
        digest = hashlib.sha256("/".join(map(str, ("case", *key))).encode()).digest()
        self._bits = np.random.Philox(key=int.from_bytes(digest[:16], "little"))

    def uniform(self, shape: Shape) -> Array:
        """Return float64 values in [0, 1), multiples of 2^-53."""
        raw = self._bits.random_raw(math.prod(shape))
        return (raw >> np.uint64(11)).astype(np.float64).reshape(shape) * 2.0**-53

    def whole(self, shape: Shape, low: int, high: int) -> Array:
        """Return whole numbers from `low` to `high`, both included, as float64."""
        return np.floor(self.uniform(shape) * (high - low + 1)) + low

    def bell(self, shape: Shape, bits: int = 24) -> Array:
        """Return values of mean 0 and variance 1 in a bell: sums of four uniform ones, rounded to float32 if `bits` are 24.

        A true normal distribution needs a logarithm, and every library has its own.
        """
        return _held((self.uniform((4, *shape)).sum(axis=0) - 2) * 1.7320508075688772, bits)


def _held(values: Array, bits: int) -> Array:
    """Return values as a dtype of so many bits holds them."""
    return values.astype(np.float32).astype(np.float64) if bits == 24 else values


@dataclass(frozen=True)
class Wanted:
    """Say what an array is for.

    `role` is "input", "cotangent", "target", or a parameter's kind as `ops.Parameter` names it; `terms` is how many products the longest sum of the case adds up, and
    `bits` how many bits the dtype's numbers have. `channels` tells whether the output channel o is made from weight[o], as in all ops with
    weights but the transposed convolution.
    """

    role: str
    shape: Shape
    terms: int
    bits: int
    channels: bool = True


Recipe: TypeAlias = Callable[[Stream, Wanted], Array]


def _lattice(stream: Stream, wanted: Wanted) -> Array:
    """Return whole numbers from -8 to 8, which bfloat16 and TF32 hold exactly too."""
    return stream.whole(wanted.shape, -8, 8)


def _dyadic(stream: Stream, wanted: Wanted) -> Array:
    """Return the lattice times powers of two: one for all inputs, and one for each output channel that the cotangent takes back."""
    values = _lattice(stream, wanted)
    scale = _channel_scale(wanted) if wanted.channels else 1.0
    if wanted.role == "input":
        return values * 2.0**-37
    if wanted.role == "cotangent":
        return values * 2.0**29 / scale
    if wanted.role == "vector":  # a bias, on the scale of what it is added to
        return values * scale * 2.0**-37
    return values * scale


def _channel_scale(wanted: Wanted) -> Array:
    axis = 1 if wanted.role == "cotangent" else 0
    exponents = (np.arange(wanted.shape[axis]) * 7) % 41 - 20
    return np.ldexp(1.0, exponents).reshape([-1 if place == axis else 1 for place in range(len(wanted.shape))])


def _canary(stream: Stream, wanted: Wanted) -> Array:
    """Return inputs that are odd and as long as the dtype can sum exactly, and everything else from -1, 0, 1.

    TF32 (11 bits) and bfloat16 (8 bits) lose the last bit of such an input, and with it the exact result.
    """
    return _long_odd(stream, wanted) if wanted.role == "input" else stream.whole(wanted.shape, -1, 1)


def _gradient_canary(stream: Stream, wanted: Wanted) -> Array:
    """Return the same, with the cotangent in the role of the input."""
    return _long_odd(stream, wanted) if wanted.role == "cotangent" else stream.whole(wanted.shape, -1, 1)


def canary_bits(terms: int, bits: int) -> int:
    """Return how many bits the terms of an exact sum may have."""
    return bits - math.ceil(math.log2(terms + 1))


def _long_odd(stream: Stream, wanted: Wanted) -> Array:
    length = canary_bits(wanted.terms, wanted.bits)
    half = 2.0 ** (length - 2)
    sign = stream.whole(wanted.shape, 0, 1) * 2 - 1
    return sign * (2 * (half + np.floor(stream.uniform(wanted.shape) * half)) + 1)


def _normal(stream: Stream, wanted: Wanted) -> Array:
    """Return values in a bell around 0."""
    return stream.bell(wanted.shape, wanted.bits)


def _positive(stream: Stream, wanted: Wanted) -> Array:
    """Return values in a bell around 100: nothing cancels, and a mean is large against the deviations."""
    return _held(stream.bell(wanted.shape, wanted.bits) + 100, wanted.bits)


def _wide(stream: Stream, wanted: Wanted) -> Array:
    """Return values whose magnitudes spread over 2^-10 to 2^10."""
    return stream.bell(wanted.shape, wanted.bits) * np.ldexp(1.0, stream.whole(wanted.shape, -10, 10).astype(np.int64))


def _tiny(stream: Stream, wanted: Wanted) -> Array:
    """Return inputs and cotangents around the smallest normal number, half of them below it."""
    values = stream.bell(wanted.shape, wanted.bits)
    return values * TINY if wanted.role in ("input", "cotangent") else values


def _poisoned(*poisons: float) -> Recipe:
    """Return a recipe that puts one of `poisons` into each channel of the inputs, at a place that moves from channel to channel."""

    def recipe(stream: Stream, wanted: Wanted) -> Array:
        values = stream.bell(wanted.shape, wanted.bits)
        if wanted.role != "input":
            return values
        flat = values.reshape(wanted.shape[0], wanted.shape[1], -1)
        for sample in range(max(1, wanted.shape[0] - 1)):  # of several samples the last stays clean
            for channel in range(wanted.shape[1]):
                place = (sample * 5 + channel * 7) % flat.shape[2]
                flat[sample, channel, place] = poisons[(sample + channel) % len(poisons)]
        return values

    return recipe


def _poisoned_gradient(stream: Stream, wanted: Wanted) -> Array:
    """Return a cotangent with a NaN in each channel, and inputs and weights without."""
    if wanted.role != "cotangent":
        return stream.bell(wanted.shape, wanted.bits)
    return _poisoned(math.nan)(stream, replace(wanted, role="input"))


RECIPES: dict[str, Recipe] = {
    "lattice": _lattice,
    "dyadic": _dyadic,
    "canary": _canary,
    "gradient-canary": _gradient_canary,
    "normal": _normal,
    "positive": _positive,
    "wide": _wide,
    "tiny": _tiny,
    "nan": _poisoned(math.nan),
    "gradient-nan": _poisoned_gradient,
    "infinities": _poisoned(math.inf, -math.inf),
    "largest": _poisoned(LARGEST, -LARGEST),
}
"""Every recipe by name."""

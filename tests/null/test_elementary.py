"""Elementary functions of identical numerics: close to the truth, and the same under every liberty a machine may take."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import mpmath
import numpy as np
import pytest

from unicnn.numerics.identical import elementary, host

Array: TypeAlias = np.ndarray[Any, Any]

TINY = 2.0**-126
OVERFLOW = 2.0**128
DOUBT = 2.0**-46
"""How far the float64 functions of NumPy and Python are trusted to be off at most, relatively: 128 units in the last place."""
BITS = 120


@dataclass(frozen=True)
class Case:
    """A function, what judges it, quickly or surely, how many ulps it may be off, and points where something happens or it is farthest off."""

    name: str
    quick: Callable[..., Array]
    sure: Callable[..., Any]
    ulps: float
    special: tuple[float, ...] = ()
    lowest: float = -math.inf

    @property
    def operands(self) -> int:
        return 2 if self.name == "quotient" else 1

    def __call__(self, t: Any, *operands: Any) -> Any:
        return getattr(elementary, self.name)(t, *operands)

    def truth(self, *operands: float) -> Any:
        """Return the value, rounded to 120 bits, where beyond 1000 the functions that take all values are as they are at 1000."""
        with mpmath.workprec(BITS):
            held = [max(min(x, 1e3), -1e3) if self.operands == 1 and self.lowest < 0 else x for x in operands]
            return self.sure(*map(mpmath.mpf, held))


def _sure_sigmoid(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x))


LN2 = math.log(2)
LIMITS = (-103.97, -103.28, -88.03, -87.34, 88.72, 88.73, -110.0, 89.0)
HALVES = tuple(k * LN2 / 2 for k in (*range(-12, 13), -253, -252, -251, 253, 255, 256))
"""Halves of multiples of ln 2: between two of them with odd numbers, exp is reduced by the same multiple."""

CASES = {
    case.name: case
    for case in (
        Case("exp", np.exp, mpmath.exp, 0.53, (*LIMITS, *HALVES, -2.4224019)),
        Case("expm1", np.expm1, mpmath.expm1, 0.626, (*LIMITS, *HALVES, -16.64, -17.33, 0.35064405)),
        Case("log", np.log, mpmath.log, 0.59, (1.0, 128 / 181, 256 / 181, 2.0, 0.5, math.e, 1.1326902), TINY),
        Case("tanh", np.tanh, mpmath.tanh, 0.595, (LN2 / 4, 3 * LN2 / 4, 0.5493, 9.01, 9.02, 16.0, 0.015522095)),
        Case("sigmoid", lambda x: 1 / (1 + np.exp(-x)), _sure_sigmoid, 0.555, (*LIMITS, *HALVES, 16.6, 17.3, -59.962788)),
        Case("erf", np.vectorize(math.erf, otypes=[float]), mpmath.erf, 0.622, (0.2936, 0.6667, 3.83, 3.92, 4.25, 0.00086274976)),
        Case("sqrt", np.sqrt, mpmath.sqrt, 0.5, (1.0, 2.0, 4.0, 0.25), 0.0),
        Case("rsqrt", lambda x: 1 / np.sqrt(x), lambda x: 1 / mpmath.sqrt(x), 0.5, (1.0, 2.0, 4.0, 0.25, 2.907769), TINY),
        Case("quotient", np.divide, mpmath.fdiv, 0.5),
    )
}
EACH = [pytest.param(case, id=name) for name, case in CASES.items()]
UNARY = [pytest.param(case, id=name) for name, case in CASES.items() if case.operands == 1]


def values(rng: np.random.Generator, each: int, special: tuple[float, ...] = ()) -> Array:
    """Return float32 values, as float64: `each` of every exponent and sign, as many of those that matter, and all near special points."""
    exponents = np.repeat(np.arange(1, 255, dtype=np.uint32), 2 * each)
    mantissas = rng.integers(0, 1 << 23, exponents.size, dtype=np.uint32)
    signs = np.tile(np.array([0, 1 << 31], np.uint32), exponents.size // 2)
    everywhere = (signs | exponents << np.uint32(23) | mantissas).view(np.float32)
    usual = (rng.choice([-1.0, 1.0], exponents.size) * 2.0 ** rng.uniform(-15, 7, exponents.size)).astype(np.float32)
    points = np.array([TINY, 1.0, float(np.finfo(np.float32).max) / 1.0001, *np.abs(special)], np.float32)
    near = (points.view(np.uint32)[:, None] + np.arange(-64, 65)).clip(0x00800000, 0x7F7FFFFF).astype(np.uint32).ravel().view(np.float32)
    return np.concatenate([everywhere, usual, near, -near, np.zeros(1, np.float32)]).astype(np.float64)


def operands(case: Case, each: int = 512) -> tuple[Array, ...]:
    """Return the operands of a case: stratified values, or pairs of them of which some have quotients that are hard to round."""
    rng = np.random.default_rng(len(case.name))
    x = values(rng, each, case.special)
    if case.operands == 1:
        return (x[x >= case.lowest],)
    x, y = rng.permutation(x), rng.permutation(x)
    hard = hardest_quotients(rng, 2 * each)
    x, y = np.concatenate([x, hard[0]]), np.concatenate([y, hard[1]])
    return x[y != 0], y[y != 0]


def hardest_quotients(rng: np.random.Generator, count: int) -> Array:
    """Return pairs of whole numbers of 24 bits whose quotient is as close to the middle of two float32 values as it can be."""
    pairs = []
    for y in (2 * rng.integers(1 << 22, 1 << 23, count) + 1).tolist():
        for error in (-1, 1):
            middle = (1 << 24) + error * pow(y, -1, 1 << 24) % (1 << 24)
            x = (middle * y - error) >> 24
            if x < 1 << 24:
                assert abs((x << 24) - middle * y) == 1
                pairs.append((float(x), float(y)))
    return np.array(pairs).T


def ulps(y: Array, truth: Array) -> Array:
    """Return errors in units in the last place of the truth, where infinity is the number that would follow the largest one."""
    truth = np.clip(truth, -OVERFLOW, OVERFLOW)
    return np.abs(np.clip(y, -OVERFLOW, OVERFLOW) - truth) / np.ldexp(2.0**-24, np.maximum(np.frexp(truth)[1], -125))


def sure_ulps(case: Case, y: float, *x: float) -> float:
    """Return the error in ulps that mpmath finds; a result that underflows may be 0, and one that overflows must be infinite."""
    with mpmath.workprec(BITS):
        truth = case.truth(*x)
        if abs(truth) < TINY and y == 0:
            return 0.0
        if abs(truth) >= OVERFLOW:
            return 0.0 if y == math.copysign(math.inf, truth) else math.inf
        unit = mpmath.mpf(2) ** (max(mpmath.frexp(truth)[1], -125) - 24)
        return float(abs(max(min(y, OVERFLOW), -OVERFLOW) - truth) / unit)


def undecided(case: Case, y: Array, truth: Array) -> Array:
    """Tell where NumPy's value does not prove that a result is within the bound, or zero because it underflows."""
    flushed = (y == 0) & (np.abs(truth) < TINY * (1 - DOUBT))
    return ~flushed & ~(ulps(y, truth) + DOUBT * 2.0**24 < case.ulps)


@pytest.mark.parametrize("case", EACH)
class TestAccuracy:
    def test_is_within_its_bound_by_mpmath_wherever_numpy_leaves_a_doubt(self, case: Case) -> None:
        x = operands(case)
        assert x[0].size > 2**17
        y = host.narrow(case(host, *x)).astype(np.float64)
        with np.errstate(over="ignore", under="ignore"):
            truth = case.quick(*x)
        places = np.flatnonzero(undecided(case, y, truth))
        assert places.size < 2**12  # or the test would take too long
        assert [place for place in places if sure_ulps(case, y[place], *(v[place] for v in x)) > case.ulps] == []

    def test_is_within_its_bound_by_mpmath_on_a_stratified_sample(self, case: Case) -> None:
        x = operands(case, 3)
        y = host.narrow(case(host, *x)).astype(np.float64)
        assert y.size > 2**11
        assert max(sure_ulps(case, result, *place) for result, *place in zip(y, *x, strict=True)) <= case.ulps


def test_erf_is_within_2_to_the_minus_28_before_it_is_rounded() -> None:
    (x,) = operands(CASES["erf"])
    assert np.abs(elementary.erf(host, x) - CASES["erf"].quick(x)).max() < 2.0**-28


AT = {
    "exp": {0: 1, 1: math.e, -87.5: 0, -1e38: 0, 88.75: math.inf, 1e38: math.inf},
    "expm1": {0: 0, TINY: TINY, -TINY: -TINY, 1e-30: 1e-30, -20: -1, -1e38: -1, 1e38: math.inf},
    "log": {1: 0, 2: LN2, 0.5: -LN2, TINY: -126 * LN2},
    "tanh": {0: 0, TINY: TINY, -1e-30: -1e-30, 9.5: 1, -9.5: -1, 1e38: 1, -1e38: -1},
    "sigmoid": {0: 0.5, 20: 1, 1e38: 1, -20: 1 / (1 + math.exp(20)), -87.5: 0, -1e38: 0},
    "erf": {0: 0, 1e-30: 2e-30 / math.sqrt(math.pi), 4: 1, 4.25: 1, -4.5: -1, 1e38: 1, -1e38: -1},
    "sqrt": {0: 0, 1: 1, 2: math.sqrt(2), 4: 2, 9: 3, TINY: 2.0**-63},
    "rsqrt": {1: 1, 2: math.sqrt(0.5), 4: 0.5, 0.0625: 4, TINY: 2.0**63},
}
POINTS = [
    pytest.param(name, point, value, id=f"{name} of {point:g} is {value:g}") for name, pairs in AT.items() for point, value in pairs.items()
]


@pytest.mark.parametrize(("name", "point", "value"), POINTS)
def test_values(name: str, point: float, value: float) -> None:
    x = np.array([point], np.float32).astype(np.float64)
    found = host.narrow(getattr(elementary, name)(host, x))
    assert found.tobytes() == np.array([value], np.float32).tobytes()


@pytest.mark.parametrize(
    ("x", "y", "value"),
    [
        pytest.param(x, y, value, id=f"{x:g} divided by {y:g} is {value:g}")
        for x, y, value in ((6, 3, 2), (1, -3, -1 / 3), (0, -2, 0), (TINY, 2, 0), (1e38, 1e-3, math.inf), (TINY, TINY, 1), (-TINY, 1e38, 0))
    ],
)
def test_quotients(x: float, y: float, value: float) -> None:
    a, b = np.array([[x], [y]], np.float32).astype(np.float64)
    assert host.narrow(elementary.quotient(host, a, b)).tobytes() == np.array([value], np.float32).tobytes()


DIGESTS = {
    "exp": "34e49820e0541551",
    "expm1": "f126e9e3251482e1",
    "log": "4f43a13418908cdd",
    "tanh": "2309f9ef2aa548f9",
    "sigmoid": "fe69e7ebdb4557a8",
    "erf": "16ad430f6f083df7",
    "sqrt": "9cd5a1e52939d131",
    "rsqrt": "73a0562dcf65e8ed",
}


@pytest.mark.parametrize("case", UNARY)
def test_results_are_those_of_the_machine_on_which_they_were_recorded(case: Case) -> None:
    x = np.arange(0, 1 << 32, 65537).astype(np.uint32).view(np.float32)
    x = x[np.isfinite(x) & ((np.abs(x) >= TINY) | (x == 0)) & (x >= case.lowest)]
    found = host.narrow(case(host, x.astype(np.float64))).astype("<f4")
    assert hashlib.sha256(found.tobytes()).hexdigest()[:16] == DIGESTS[case.name]


@pytest.mark.parametrize("case", UNARY)
def test_rises_or_falls_as_the_function_does(case: Case) -> None:
    (x,) = operands(case)
    y = host.narrow(case(host, np.sort(x)))
    steps = np.diff(y[np.isfinite(y)]) * (-1 if case.name == "rsqrt" else 1)
    assert steps.min() >= 0


@pytest.mark.parametrize("name", ["tanh", "erf"])
def test_is_odd(name: str) -> None:
    (x,) = operands(CASES[name])
    x = x[x != 0]
    assert (getattr(elementary, name)(host, -x) == -getattr(elementary, name)(host, x)).all()


# What a machine may do


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """Return a + b and what rounding took from it (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """Return a * b and what rounding took from it (Dekker, with Veltkamp's splitting)."""
    product = a * b
    halves = []
    for x in (a, b):
        high = x * 134217729.0 - (x * 134217729.0 - x)
        halves.append((high, x - high))
    (ah, al), (bh, bl) = halves
    return product, al * bl - (((product - ah * bh) - al * bh) - ah * bl)


def fused(a: Array, b: Array, c: Array) -> Array:
    """Return a * b + c, rounded once (Boldo and Melquiond, by rounding the smaller terms to odd)."""
    a, b, c = np.broadcast_arrays(a, b, c)
    high, low = two_product(a, b)
    total, rest = two_sum(c, low)
    upper, lower = two_sum(high, total)
    tail, lost = two_sum(rest, lower)
    even = tail.view(np.int64) % 2 == 0
    tail = np.where((lost != 0) & even, np.nextafter(tail, np.copysign(np.inf, lost)), tail)
    return upper + tail


class Value:
    """A float64 tensor of a machine that fuses multiplication and addition, or whose quotients and roots are off."""

    __array_ufunc__ = None

    def __init__(self, machine: Machine, array: Any, factors: tuple[Array, Array] | None = None) -> None:
        self.machine, self.array, self.factors = machine, np.asarray(array, np.float64), factors

    def __mul__(self, other: Any) -> Value:
        b = plain(other)
        return Value(self.machine, self.array * b, (self.array, b))

    __rmul__ = __mul__

    def __add__(self, other: Any) -> Value:
        return self.machine.add(self, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Value:
        return self.machine.add(self, negative(other))

    def __rsub__(self, other: Any) -> Value:
        return self.machine.add(negative(self), other)

    def __truediv__(self, other: Any) -> Value:
        return self.machine.guess(self.array / plain(other))

    def __rtruediv__(self, other: float) -> Value:
        return self.machine.guess(other / self.array)

    def __lt__(self, other: Any) -> Value:
        return Value(self.machine, self.array < plain(other))


def plain(x: Any) -> Array:
    return x.array if isinstance(x, Value) else np.float64(x)


def negative(x: Any) -> Any:
    if not isinstance(x, Value):
        return -x
    return Value(x.machine, -x.array, x.factors and (-x.factors[0], x.factors[1]))


class Machine:
    """The primitives on a machine that takes liberties.

    If it is `fusing`, whatever is added to a product is added before the product is rounded, in `rint` also, and products
    that are not exact are counted. Quotients and roots are `off` by so many units in the last place, or, if that is None,
    by up to two at random.
    """

    def __init__(self, fusing: bool = False, off: int | None = 0) -> None:
        self.fusing, self.off, self.inexact = fusing, off, 0
        self.rng = np.random.default_rng(7)

    def add(self, x: Value, y: Any) -> Value:
        for product, term in ((x, y), (y, x)):
            if self.fusing and isinstance(product, Value) and product.factors:
                self.inexact += np.count_nonzero(two_product(*np.broadcast_arrays(*product.factors))[1])
                return Value(self, fused(*product.factors, plain(term)))
        return Value(self, plain(x) + plain(y))

    def guess(self, x: Array) -> Value:
        off = self.rng.integers(-2, 3, x.shape) if self.off is None else self.off
        return Value(self, (x.view(np.int64) + off * (x != 0)).view(np.float64))

    def rint(self, x: Value) -> Value:
        return self.add(x, 1.5 * 2.0**52) - 1.5 * 2.0**52 if self.fusing else Value(self, np.rint(x.array))

    def sqrt(self, x: Value) -> Value:
        return self.guess(np.sqrt(x.array))

    def where(self, condition: Value, x: Any, y: Any) -> Value:
        return Value(self, np.where(condition.array != 0, plain(x), plain(y)))

    def __getattr__(self, name: str) -> Callable[..., Value]:
        return lambda *x: Value(self, getattr(host, name)(*map(plain, x)))


def run(machine: Machine, function: Callable[..., Any], *x: Array) -> bytes:
    """Return the bytes of a function's float64 results on a machine, all zeros taken for +0."""
    found: Array = plain(function(machine, *(Value(machine, v) for v in x))) + 0.0
    return found.tobytes()


GUESSES = [pytest.param(off, id=f"are {off:+d} ulp off" if off else "are off at random") for off in (-2, -1, 1, 2, None)]


@pytest.mark.parametrize("case", EACH)
class TestIsForced:
    @pytest.mark.parametrize("off", GUESSES)
    def test_if_quotients_and_roots(self, case: Case, off: int | None) -> None:
        x = operands(case, 40)
        assert run(Machine(off=off), case, *x) == (case(host, *x) + 0.0).tobytes()

    def test_if_products_and_sums_are_fused(self, case: Case) -> None:
        x, machine = operands(case, 40), Machine(fusing=True)
        assert run(machine, case, *x) == (case(host, *x) + 0.0).tobytes()
        assert machine.inexact == 0


def careless(t: Any, x: Any) -> Any:
    """Return e^x near 0, written without care."""
    y = 1 / 720
    for c in (1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
        y = y * x + c
    return y


class TestMachines:
    """The machines above do find what is not forced."""

    x = np.random.default_rng(1).uniform(-1, 1, 1000).astype(np.float32).astype(np.float64)

    def test_a_careless_polynomial_depends_on_fusing(self) -> None:
        machine = Machine(fusing=True)
        assert run(machine, careless, self.x) != careless(host, self.x).tobytes()
        assert machine.inexact > 1000

    def test_a_machine_without_liberties_is_numpy(self) -> None:
        assert run(Machine(), careless, self.x) == careless(host, self.x).tobytes()

    @pytest.mark.parametrize("off", GUESSES)
    def test_a_quotient_left_as_it_is_depends_on_guesses(self, off: int | None) -> None:
        assert run(Machine(off=off), lambda t, x: 2.0 / x, self.x) != (2.0 / self.x).tobytes()

    def test_fused_means_rounded_once(self) -> None:
        rng = np.random.default_rng(2)
        a, b = rng.uniform(-1, 1, (2, 3000))
        c = -a * b * rng.choice([1.0, 1 + 2.0**-50, 2.0**-60, 2.0**40, 2.0**53], a.size)
        with mpmath.workprec(400):
            exact = [float(mpmath.mpf(p) * mpmath.mpf(q) + mpmath.mpf(r)) for p, q, r in zip(a, b, c, strict=True)]
        assert fused(a, b, c).tolist() == exact


# What the proofs rest on


def near_middles(root: Callable[[Any], Any], sure: Callable[[Any], Any], units: float) -> dict[float, float]:
    """Return which of all float32 values from 1 to 4 have a root from 1/2 to 1 near the middle of two float32 values, and how far above it.

    Distances are in units of 2^-53, and within so many of them.
    """
    found = {}
    for first in range(127 << 23, 129 << 23, 1 << 20):
        x = np.arange(first, first + (1 << 20)).astype(np.uint32).view(np.float32).astype(np.float64)
        for value in x[np.abs(root(x) * 2.0**24 % 1 - 0.5) < (units + 3) * 2.0**-29]:
            with mpmath.workprec(BITS):
                distance = float((sure(mpmath.mpf(value)) * 2**24 % 1 - 0.5) * 2**29)
            if abs(distance) < units:
                found[float(value)] = distance
    return found


def test_of_reciprocal_roots_one_is_near_a_middle_and_moves_away_when_it_is_biased() -> None:
    near = near_middles(CASES["rsqrt"].quick, CASES["rsqrt"].sure, 30)
    found = [(round(distance, 1), round(x**-0.5, 3)) for x, distance in near.items()]
    assert sorted(found, key=lambda pair: abs(pair[0])) == [(-1.4, 0.586), (11.0, 0.681), (24.0, 0.5)]
    assert all(abs(distance - 8 * value) > 2 + 2 * value for distance, value in found)


def test_no_root_is_nearer_to_a_middle_than_four_units() -> None:
    near = near_middles(lambda x: np.sqrt(x) / 2, lambda x: mpmath.sqrt(x) / 2, 30)
    assert sorted(round(abs(distance), 3) for distance in near.values()) == [4, 8]


def horner_peaks(coefficients: tuple[int, ...], x: Array) -> float:
    """Return the largest number that Horner's rule meets."""
    h, peak = np.zeros_like(x), 0.0
    for c in coefficients:
        h = np.rint(h * x) + c
        peak = max(peak, float(np.abs(h).max()))
    return peak


@pytest.mark.parametrize(
    ("coefficients", "limit", "step"),
    [
        pytest.param(elementary._EXP, 0.6936, 2.0**-27, id="exp"),
        pytest.param(elementary._LOG, 0.02945, 2.0**-30, id="log"),
        pytest.param(elementary._ERF, 2.125, 2.0**-22, id="erf"),
    ],
)
def test_products_of_polynomials_stay_below_2_to_the_53(coefficients: tuple[int, ...], limit: float, step: float) -> None:
    x = np.linspace(-limit if coefficients is elementary._EXP else 0, limit, 10001)
    assert horner_peaks(coefficients, x) * limit / step < 2.0**53

"""exp, log, tanh and others, with the same bits wherever they are computed.

Each function takes the primitives `t` and float64 tensors of float32 values, no subnormals and no -0 among them, and
returns float64 values that are forced: no library, compiler or processor can arrive at others. Rounded to float32, they are
at most 0.63 units in the last place from the truth, and of `sqrt`, `rsqrt` and `quotient` 0.5. For `quotient` that is proved
below. For all others it was found by computing all values, and that none falls where it should rise.

A product that is added to something, or rounded by `rint`, which may be an addition inside, is exact. Whether a compiler
fuses the two is then of no consequence. Exact means here that the bits of the factors do not add up to more than 53, so
polynomials are evaluated by Horner's rule in fixed point: the coefficients are whole numbers, to be divided by a power
of two, and each step rounds to a whole number. Bounds in the comments are on whole numbers whose product has to stay
below 2^53. Other sums are rounded once, and scaling by a power of two is exact.

Quotients and roots of the primitives are guesses, up to two units in the last place of float64 off. They are rounded to
few bits at once, and the comments show that no true value is so close to the middle of two candidates that the guess
could fall on the other side of it.

Reducing exp to an interval around 0 by a multiple of ln 2 whose product with a small integer is exact is due to Cody and
Waite, Software Manual for the Elementary Functions (1980); log(1 + f) by s = f / (2 + f), and how it loses nothing near 0,
to Tang, Table-driven implementation of the logarithm function (1990); see Muller, Elementary Functions (2016). The
coefficients are minimax: Remez exchange with numbers of 160 bits, the highest rounded first and the others fitted again,
and for exp a search among their neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence

from unicnn.numerics.identical.primitives import Primitives, Tensor

_LN2 = 24387948313146 / 2**45
"""ln 2 in 45 bits; products with whole numbers up to 2^8 are exact."""

_LOG2_E = 3025551 / 2**21
"""1 / ln 2 in 22 bits; products with values of up to 31 bits are exact."""

_EXP = (836, 11699, 139808, 1398088, 11184811, 67108865)
"""(e^r - 1 - r) / r^2 times 2^27 as a polynomial of 2 r on |r| < 0.3468; e^r - 1 is off by up to 2^-31 |r|."""

_LOG = (80187853, 107313843, 178957266)
"""(2 atanh(s) / s - 2) / s^2 times 2^28 in s^2 < 0.02945; times s^2, it is off by up to 2^-29.2."""

_ERF = (-82004, 733743, -2877309, 6362451, -7728170, 543446, 20527468, -55174909, -170891336, -17230760)
"""log(erfc(2 b)) / (2 b) + 1 times 2^27 on 0 < b < 2.125; erf is off by up to 2^-30.1 of its value."""

_ERF_LIMIT = 4.25
"""From here on erfc is below 2^-28.9, and taken for 0."""


def exp(t: Primitives, x: Tensor) -> Tensor:
    """Return e^x; what rounds to infinity in float32 does so, and what is below 2^-126 stays below."""
    x = _clamped(t, x)
    k = _multiple(t, x)
    scale = t.power(k)
    return scale * _fraction(t, x, k) + scale


def expm1(t: Primitives, x: Tensor) -> Tensor:
    """Return e^x - 1, with as many correct bits near 0 as elsewhere."""
    return _expm1(t, _clamped(t, x))


def log(t: Primitives, x: Tensor) -> Tensor:
    """Return the natural logarithm of positive values."""
    e = t.exponent(x * 1.4140625) - 1.0
    f = x * t.power(0.0 - e) - 1.0  # from -0.2929 to 0.4144; whole at 2^24, and at 2^23 if positive
    d = f + 2.0
    # For s = f / d to be in the middle of two multiples of 2^-27 takes 2^28 F = m D, with F = 2^24 f, D = 2^24 d and m odd.
    # As D = F + 2^25, only powers of two divide both, so D would be one, f = 0 and m = 0. Hence 2^27 s is at least 1 / 2D, or
    # 1 / D if f > 0 for F and D are even then, away from the middle: 2^-26. The guess, below 2^25, is at most 2^-27 off.
    s = t.rint(f * 2.0**27 / d) * 2.0**-27  # below 0.1717, so 2^24.5
    z = t.rint(s * s * 2.0**30) * 2.0**-30  # below 2^25
    rest = t.rint(_horner(t, _LOG, z) * z)  # 2^27.5 times 2^25
    # 2 atanh(s) = 2 s + s rest = f - s (f - rest), for 2 s = f - s f. The bracket is whole at 2^28, and below 2^26.7.
    return e * _LN2 + (f - s * (f - rest * 2.0**-28))


def tanh(t: Primitives, x: Tensor) -> Tensor:
    """Return the hyperbolic tangent, in 29 bits: its product with a float32 value is exact."""
    n = _expm1(t, t.minimum(t.absolute(x), 16.0) * -2.0)  # tanh(16) is 1 - 2^-45
    y = _short(t, n * _reciprocal(t, n + 2.0), 29)
    return t.where(x < 0.0, y, 0.0 - y)


def sigmoid(t: Primitives, x: Tensor) -> Tensor:
    """Return 1 / (1 + e^-x), with as many correct bits of small values as of large ones."""
    y = _clamped(t, 0.0 - x)
    k = _multiple(t, y)
    # 1 + 2^k (1 + w), divided by 2^k if that is above 1, is from 0.707 to 2.42.
    low = t.power(t.minimum(k, 0.0))
    high = t.power(t.minimum(0.0 - k, 0.0))
    return _reciprocal(t, low * _fraction(t, y, k) + (low + high)) * high


def erf(t: Primitives, x: Tensor) -> Tensor:
    """Return the error function, to an absolute 2^-28 as well as to a float32's precision near 0; 1 is reached at 4.25."""
    a = t.minimum(t.absolute(x), _ERF_LIMIT)
    # log(erfc(a)) as a times a number of 24 bits below 4 and one of 29. Its argument is too long for the multiple of ln 2.
    y = a * (_horner(t, _ERF, a * 0.5) * 2.0**-27) - a
    k = t.rint(t.rint(y * 2.0**12) * (_LOG2_E * 2.0**-12))
    scale = t.power(k)
    value = (1.0 - scale) - scale * _fraction(t, y, k)
    value = t.where(a < _ERF_LIMIT, value, 1.0)
    return t.where(x < 0.0, 0.0 - value, value)


def sqrt(t: Primitives, x: Tensor) -> Tensor:
    """Return the correctly rounded square root of values that are not negative."""
    # Scaled by a power of two, so that the root is from 2^24 to 2^25, x is a multiple of 2^24; the middle of two 24-bit numbers
    # is an odd M, and so is M^2. Hence |x - M^2| >= 1, and the root is at least 1 / (sqrt(x) + M) > 2^-26 away from M, where two
    # units in the last place of float64 are 2^-27.
    return _short(t, t.sqrt(x), 24)


def rsqrt(t: Primitives, x: Tensor) -> Tensor:
    """Return the correctly rounded 1 / sqrt(x) of positive values."""
    # By computing all 2^24 cases: of values v from 1/2 to 1, one, 0.586, is 1.4 units of 2^-53 below the middle of two 24-bit
    # numbers, and all others are at least 11 away. The guess is up to 2 + 2 v of these units off, which would do but for that
    # one. Hence 8 v are subtracted; they leave the next ones, 0.681 and 0.500, more than 5 away.
    return _short(t, t.sqrt((1.0 - 2.0**-49) / x), 24)


def quotient(t: Primitives, x: Tensor, y: Tensor) -> Tensor:
    """Return the correctly rounded x / y; y is not 0, and a zero may have either sign."""
    # Scaled by powers of two, x and y are whole numbers below 2^24, or x 2^j, and the quotient is from 2^24 to 2^25. It is no
    # middle M, odd, of two 24-bit numbers, since M > x does not divide x 2^j. So it is at least 1 / y > 2^-24 away from M, where two
    # units in the last place of float64 are 2^-27.
    return _short(t, x / y, 24)


def _clamped(t: Primitives, x: Tensor) -> Tensor:
    """Return x, or the nearest value for which e^x is far below 2^-126 or above the largest float32."""
    return t.minimum(t.maximum(x, -110.0), 89.0)


def _multiple(t: Primitives, x: Tensor) -> Tensor:
    """Return how many times ln 2 goes into x, to the nearest whole number or nearly so."""
    return t.rint(x * _LOG2_E)


def _fraction(t: Primitives, x: Tensor, k: Tensor) -> Tensor:
    """Return e^r - 1 of r = x - k ln 2, a number below 0.3468, with as many correct bits near 0 as elsewhere."""
    r = x - k * _LN2
    double = t.rint(r * 2.0**28) * 2.0**-27  # below 2^26.5
    h = t.rint(_horner(t, _EXP, double) * double)  # 2^26.2 times 2^26.5; (e^r - 1 - r) / r times 2^28
    return double * (h * 2.0**-29) + r  # 2^26.5 times 2^25.7


def _expm1(t: Primitives, x: Tensor) -> Tensor:
    """Return e^x - 1 of values within the limits of exp."""
    k = _multiple(t, x)
    scale = t.power(k)
    return scale * _fraction(t, x, k) + (scale - 1.0)


def _horner(t: Primitives, coefficients: Sequence[float], x: Tensor) -> Tensor:
    """Return the polynomial, highest coefficient first, rounded to a whole number before each coefficient is added."""
    h: Tensor = coefficients[0]
    for c in coefficients[1:]:
        h = t.rint(h * x) + c
    return h


def _reciprocal(t: Primitives, d: Tensor) -> Tensor:
    """Return 1 / d of values from 0.707 to 2.42, off by up to 2^-28.4 of the result."""
    d = t.rint(d * 2.0**28) * 2.0**-28
    # 2^17 / d = 2^45 / D with D = 2^28 d < 2^29.3 is not the middle m / 2 of two whole numbers: m D = 2^46 takes m = 1. So it is
    # at least 1 / 2D > 2^-31 away from one. The guess, below 2^18, is at most 2^-34 off.
    q = t.rint(2.0**17 / d) * 2.0**-17  # below 2^17.6
    # One step of Newton's iteration. The bracket is whole at 2^45 and below 2^-16.7, hence below 2^28.3.
    return q * (1.0 - q * d) + q


def _short(t: Primitives, x: Tensor, bits: int) -> Tensor:
    """Return x rounded to so many bits."""
    e = t.exponent(x)  # that of a guess next to a power of two may be either; the result is that power in both cases
    return t.rint(x * t.power(bits - e)) * t.power(e - bits)

"""All randomness: one counter-based generator keyed by words, the same on every machine and for every backend."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def raw(count: int, *key: object) -> Array:
    """Return `count` random uint64 from Philox 4x64 under a key made of words and numbers.

    NumPy guarantees the raw stream of a bit generator, but not what its distributions make of it; ours are here.
    """
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return np.random.Philox(key=int.from_bytes(digest[:16], "little")).random_raw(count)


def uniform(shape: tuple[int, ...], *key: object) -> Array:
    """Return float64 values in [0, 1), multiples of 2^-53."""
    return (raw(math.prod(shape), *key) >> np.uint64(11)).astype(np.float64).reshape(shape) * 2.0**-53


def normal(shape: tuple[int, ...], *key: object, cut: float = math.inf) -> Array:
    """Return float64 values of the standard normal distribution, between -cut and cut."""
    edge = 0.0 if math.isinf(cut) else 0.5 * math.erfc(cut / math.sqrt(2))
    edge = round(edge * 2**30) * 2.0**-30  # erfc is a library's; rounded like this, every library's is the same
    # The middles of 2^52 steps: never 0 and never 1, where the quantile is infinite.
    middle = (raw(math.prod(shape), *key) >> np.uint64(12)).astype(np.float64).reshape(shape) * 2.0**-52 + 2.0**-53
    return quantile(edge + middle * (1 - 2 * edge))


def mask(shape: tuple[int, ...], p: float, *key: object) -> Array:
    """Return a dropout mask: float32, 0 with probability p and 1/(1 - p) elsewhere."""
    kept = uniform(shape, *key) >= p
    return kept.astype(np.float32) * np.float32(1 / (1 - p) if p < 1 else 0)


def permutation(count: int, *key: object) -> Array:
    """Return the numbers 0 to count - 1 in random order."""
    return np.argsort(raw(count, *key), kind="stable")


# Wichura's algorithm AS 241 (Applied Statistics 37, 1988), routine PPND16, about 16 digits. Only + - * / sqrt and the
# logarithm below are used, so that every machine gets the same bits.
_CENTRE = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
     2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)  # fmt: skip
_FLANK = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip
_TAIL = (
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
     7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)  # fmt: skip


def quantile(p: Array) -> Array:
    """Return the standard normal quantile of probabilities strictly between 0 and 1."""
    q = p - 0.5
    r = np.sqrt(-log(np.minimum(p, 1 - p)))
    outer = np.where(r <= 5, _ratio(_FLANK, r - 1.6), _ratio(_TAIL, r - 5))
    inner = q * _ratio(_CENTRE, 0.180625 - q * q)
    return np.where(np.abs(q) <= 0.425, inner, np.where(q < 0, -outer, outer))


def _ratio(polynomials: tuple[tuple[float, ...], tuple[float, ...]], x: Array) -> Array:
    top, bottom = (_horner(coefficients, x) for coefficients in polynomials)
    return top / bottom


def _horner(coefficients: tuple[float, ...], x: Array) -> Array:
    result = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        result = result * x + coefficient
    return result


def log(x: Array) -> Array:
    """Return the natural logarithm of positive float64 values to about 1e-16, by additions and multiplications only.

    x = m 2^e with m in [1/sqrt 2, sqrt 2), and log m = 2 artanh((m - 1)/(m + 1)) as a series. A library's logarithm
    differs between processors.
    """
    m, e = np.frexp(x)
    small = m < math.sqrt(0.5)
    m, e = np.where(small, m * 2, m), np.where(small, e - 1, e)
    z = (m - 1) / (m + 1)
    series = _horner(tuple(2 / (2 * k + 1) for k in range(13)), z * z)
    return z * series + e * math.log(2)

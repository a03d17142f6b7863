"""What number was meant by one that float32 has rounded."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

_IRRATIONAL = (math.sqrt(2), math.sqrt(0.5), math.sqrt(2 / math.pi), math.pi, math.e, math.log(2), math.sqrt(3), math.sqrt(1 / 3))


def meant(value: float) -> float:
    """Return the number that somebody wrote whose nearest float32 is `value`: 0.1 of 0.10000000149.

    A network traced in float32 and run in float64 would otherwise differ from the same network built in float64, where no
    number of its code is rounded. What is not a float32 is returned as it is.
    """
    with np.errstate(over="ignore"):
        single = np.float32(value)
    if not math.isfinite(value) or float(single) != value:
        return float(value)
    for known in _IRRATIONAL:
        if np.float32(known) == abs(single):
            return math.copysign(known, value)
    simple = float(Fraction(float(value)).limit_denominator(1000))
    return simple if np.float32(simple) == single else float(str(single))

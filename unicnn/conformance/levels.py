"""The levels at which one op is judged: exact, bounded, sharp, identical and special.

Each is a function of a case and a target that returns a Finding: what is wrong, if anything, and what was computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from unicnn.comparison.judge import judge
from unicnn.conformance import digests, expected
from unicnn.conformance.case import Case
from unicnn.conformance.expected import Expected
from unicnn.conformance.target import Target
from unicnn.errors import InputError
from unicnn.numerics import bounds
from unicnn.numerics.ball import Ball

Array: TypeAlias = np.ndarray[Any, Any]

NATIVE = {"float32": "native", "float64": "float64"}
"""The numerics that hold values of a dtype and leave the arithmetic to the framework."""
NOT_FINITE = ("nan", "infinities")
"""The recipes that identical numerics refuse."""


@dataclass(frozen=True)
class Finding:
    """Say how a target departs from a case, or that it does not.

    `ratio` is the largest error over its bound where there is a bound, and `arrays` everything that was computed.
    """

    departure: str | None = None
    ratio: float | None = None
    arrays: Mapping[str, Array] = field(default_factory=dict)


def exact(case: Case, target: Target, *, forward_only: bool) -> Finding:
    """Demand the one right answer, bit for bit but for the sign of a zero."""
    computed = _computed(case, target, NATIVE[case.dtype], forward_only or not case.setting.exact_gradients)
    if digests.match(case.id, {name: array + array.dtype.type(0) for name, array in computed.items()}):  # -0 becomes +0
        return Finding(None, 0.0, computed)
    return Finding(_first(_wrong, computed, expected.proven(case), case.dtype), None, computed)


def bounded(case: Case, target: Target, *, forward_only: bool) -> Finding:
    """Demand that every error keeps its bound."""
    computed = _computed(case, target, NATIVE[case.dtype], forward_only)
    wanted = dict(expected.forward(case))
    if not forward_only:
        wanted |= expected.backward(case)
    expected.telling(case.id, wanted)
    return within(computed, wanted, case.dtype)


def within(computed: Mapping[str, Array], wanted: Mapping[str, Expected], dtype: str) -> Finding:
    """Return whether every result has the dtype and lies within its radius, and the largest error over its bound."""
    for name, array in computed.items():
        if array.dtype != dtype:
            return Finding(f"{name} has the dtype {array.dtype}, not {dtype}", None, computed)
    judgements = {name: judge(array, wanted[name].ball) for name, array in computed.items()}
    ratio = max(item.bound_ratio for item in judgements.values())
    for name, item in judgements.items():
        if not item.agrees:
            return Finding(f"{name} is off by {item.bound_ratio:.3g} times its bound: {item.looks_like}", ratio, computed)
    return Finding(None, ratio, computed)


def sharp(case: Case, target: Target, *, forward_only: bool) -> Finding:
    """Warn if an error exceeds 6 u sqrt(K) |x|'|w|, as TF32, bfloat16 and lost terms do and rounding in float32 hardly ever does."""
    setting, data = case.setting, case.data()
    computed = target.forward(setting, data, NATIVE[case.dtype])
    (node,) = setting.graph().nodes
    operands = [data.x, *(data.weights.get(f"op.{key}") for key in node.op.operands)]
    function, terms = bounds.CONTRACTIONS[case.op]
    wide = [None if value is None else value.astype(np.float64) for value in operands]
    value = function(*wide, **node.attributes)
    absolute = function(*[None if item is None else np.abs(item) for item in wide], **node.attributes)
    precision = bounds.precision(case.dtype)
    radius = 6 * precision.unit * math.sqrt(terms(*wide, **node.attributes)) * absolute
    judgement = judge(computed["the output"], Ball(value, radius, precision))
    if judgement.agrees:
        return Finding(None, judgement.bound_ratio, computed)
    return Finding(
        f"the output is off by {judgement.bound_ratio:.3g} times 6 u sqrt(K): {judgement.looks_like}", judgement.bound_ratio, computed
    )


def identical(case: Case, target: Target, *, forward_only: bool) -> Finding:
    """Demand the bytes that every backend gives under identical numerics, and the refusal of what is not finite."""
    if case.recipe in NOT_FINITE:
        return _refused(case, target)
    computed = _computed(case, target, "identical", forward_only)
    if digests.match(case.id, computed):
        return Finding(None, None, computed)
    return Finding(_no_match(case.id, computed), None, computed)


def special(case: Case, target: Target, *, forward_only: bool) -> Finding:
    """Demand NaN where the result is NaN, infinity where it is, and elsewhere a number within its bound.

    Where terms may overflow on the way to a finite sum, the order of summation decides, and anything is right.
    """
    if case.recipe == "gradient-nan":
        return _special_gradients(case, target)
    computed = target.forward(case.setting, case.data(), NATIVE[case.dtype])["the output"]
    ball, absolute = expected.forward(case)["the output"].ball, expected.absolute(case)
    if computed.shape != ball.value.shape or computed.dtype != case.dtype:
        found = f"{computed.dtype}, of the shape {computed.shape}"
        return Finding(f"the output is {found}, not {case.dtype}, {ball.value.shape}", None, {"the output": computed})
    free = np.isfinite(ball.value) & (absolute >= np.finfo(computed.dtype).max * (1 - 2.0**-20)) & (case.recipe == "largest")
    departure = _other_class(np.where(free, ball.value, computed).astype(computed.dtype), ball)
    return Finding(departure and f"the output {departure}", None, {"the output": computed})


def _refused(case: Case, target: Target) -> Finding:
    try:
        target.forward(case.setting, case.data(), "identical")
    except InputError:
        return Finding()
    return Finding("a value that is not finite is computed with, where identical numerics must refuse it")


def _special_gradients(case: Case, target: Target) -> Finding:
    """Demand NaN where a gradient is NaN; whether padding is multiplied by one, which the weight's gradient would show, is left open."""
    gradients = target.backward(case.setting, case.data(), NATIVE[case.dtype])
    gradients = {name: array for name, array in gradients.items() if not name.endswith("weight")}
    return Finding(
        _first(lambda array, item: _other_class(array, item.ball), gradients, expected.backward(case), case.dtype), None, gradients
    )


LEVELS: dict[str, Callable[..., Finding]] = {
    "exact": exact,
    "bounded": bounded,
    "sharp": sharp,
    "identical": identical,
    "special": special,
}


def _computed(case: Case, target: Target, numerics: str, forward_only: bool) -> dict[str, Array]:
    results = target.forward(case.setting, case.data(), numerics)
    return results if forward_only else {**results, **target.backward(case.setting, case.data(), numerics)}


def _first(
    check: Callable[[Array, Expected], str | None], computed: Mapping[str, Array], wanted: Mapping[str, Expected], dtype: str
) -> str | None:
    """Return what `check` says of the first result that departs."""
    for name, array in computed.items():
        shape = wanted[name].ball.value.shape
        found = f"has the dtype {array.dtype}, not {dtype}" if array.dtype != dtype else None
        found = found or (f"has the shape {array.shape}, not {shape}" if array.shape != shape else check(array, wanted[name]))
        if found is not None:
            return f"{name} {found}"
    return None


def _wrong(array: Array, wanted: Expected) -> str | None:
    value = wanted.ball.value.astype(array.dtype)
    return _counted(array != value, array, value)


def _other_class(array: Array, ball: Ball) -> str | None:
    value, radius = ball.value, ball.radius
    with np.errstate(all="ignore"):
        rounded = value.astype(array.dtype)
        # Close to the largest number, rounding may or may not give infinity.
        overflow = (np.abs(value) + radius >= np.finfo(array.dtype).max) & np.isinf(array) & (np.sign(array) == np.sign(value))
        room = np.where(np.isfinite(radius), radius, 8 * np.spacing(np.abs(rounded)).astype(np.float64))
        near = np.isfinite(array) & (np.abs(array.astype(np.float64) - value) <= room)
        right = np.where(np.isnan(value), np.isnan(array), (array == rounded) | overflow | near)
    return _counted(~right, array, rounded)


def _counted(wrong: Array, array: Array, value: Array) -> str | None:
    if not wrong.any():
        return None
    place = tuple(int(axis[0]) for axis in np.nonzero(wrong))
    where = f", first at {place}: {array[place]} is not {value[place]}" if place else f": {array} is not {value}"
    return f"is wrong in {int(wrong.sum())} of {wrong.size} elements{where}"


def _no_match(name: str, computed: Mapping[str, Array]) -> str:
    for what, array in computed.items():
        if not np.isfinite(array).all():
            return f"{what} is not finite"
        if np.signbit(array[array == 0]).any():
            return f"{what} holds a -0, and identical numerics have +0 only"
    return f"the bytes are not those of every other backend: {digests.describe(name, computed)}"

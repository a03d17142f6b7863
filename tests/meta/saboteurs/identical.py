"""Saboteurs of identical numerics: primitives of the backend, or the core, that give other bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..saboteur import Array, Function, Saboteur, around, instead

CONV, LINEAR = ("conv2d",), ("linear",)
ONLY = ("identical",)


def _rounded(x: Array, gain: Any = None, offset: Any = None) -> Array:
    x = np.asarray(x, np.float64)
    x = x if gain is None else x * gain
    return x if offset is None else x + offset


def _keeping_subnormals(x: Array, *, gain: Any = None, offset: Any = None, least: Any = None) -> Array:
    with np.errstate(all="ignore"):
        return (_rounded(x, gain, offset) + 0.0).astype(np.float32)


def _flushing_too_much(honest: Function, x: Array, **options: Any) -> Array:
    y = honest(x, **options)
    return np.where(np.abs(y) < 2.0**-124, 0, y).astype(np.float32)


def _keeping_minus_zero(honest: Function, x: Array, *, gain: Any = None, offset: Any = None, least: Any = None) -> Array:
    y = honest(x, gain=gain, offset=offset, least=least)
    return np.where((y == 0) & np.signbit(_rounded(x, gain, offset)), np.float32(-0.0), y)


def _truncating(honest: Function, x: Array, *, gain: Any = None, offset: Any = None, least: Any = None) -> Array:
    """Round to zero instead of to nearest."""
    wide = _rounded(x, gain, offset)
    y = honest(x, gain=gain, offset=offset, least=least)
    return np.where(np.abs(y.astype(np.float64)) > np.abs(wide), np.nextafter(y, np.float32(0)), y)


def _ties_away(honest: Function, x: Array, *, gain: Any = None, offset: Any = None, least: Any = None) -> Array:
    """Round a value in the middle of two away from zero, not to the even one."""
    wide = _rounded(x, gain, offset)
    away = np.nextafter(wide, np.copysign(np.inf, wide))
    return honest(np.where(wide == 0, wide, away), least=least)


def _half_away(x: Array) -> Array:
    return np.trunc(x + np.copysign(0.5, x))


def _in_float32(honest: Function, x: Array, *axes: Any, **options: Any) -> Array:
    return honest(x.astype(np.float32), *axes, **options).astype(np.float64)


def _one_too_low(x: Array) -> Array:
    """Return e with 2^e <= |x| < 2^(e+1), as IEEE's logb does."""
    return np.where(x == 0, 0.0, np.frexp(x)[1] - 1.0)


def _largest_not_magnitude(x: Array, axes: Any) -> Array:
    return x.max(axis=tuple(axes), keepdims=True)


def _largest_number(honest: Function, x: Array, axes: Any) -> Array:
    """Ignore NaN and infinities, as a maximum may that compares."""
    return honest(np.where(np.isfinite(x), x, 0).astype(x.dtype), axes)


def _root_of_float32(x: Array) -> Array:
    return np.sqrt(x.astype(np.float32)).astype(np.float64)


def _unsnapped(x: Array, c: Array) -> Array:
    return np.array(x, np.float64)


def _as_the_library_does(op: str) -> Function:
    """Compute a contraction by the backend's own function in float32."""

    def broken(t: Any, x: Array, weight: Array, bias: Any, *_: Any, kernel_size: Any = None, **attributes: Any) -> Array:
        return t.narrow(t.widen(getattr(t.ops, op)(x, weight, bias, **attributes)))

    return broken


def _sorted_sum(t: Any, x: Array, axes: Any, keepdims: bool = False) -> Array:
    """Add up in float32, smallest first."""
    moved = np.moveaxis(x, axes, range(-len(axes), 0)).reshape(*(n for a, n in enumerate(x.shape) if a not in axes), -1)
    order = np.argsort(np.abs(moved), axis=-1, kind="stable")
    total = np.cumsum(np.take_along_axis(moved, order, -1), axis=-1, dtype=np.float32)[..., -1].astype(np.float64)
    return np.expand_dims(total, tuple(axes)) if keepdims else total


def _in_float32_only(value: float) -> float:
    return float(np.float32(value))


def _much_more(place: int) -> Function:
    def change(coefficients: tuple[int, ...]) -> tuple[int, ...]:
        return (*coefficients[:place], coefficients[place] + 64, *coefficients[place + 1 :])

    return change


def _quotient_in_float32(t: Any, x: Any, y: Any) -> Array:
    """Divide by a rounded reciprocal."""
    return x * (1 / np.asarray(y, np.float64)).astype(np.float32)


SABOTEURS = (
    Saboteur(
        "identical-keeps-subnormals",
        "returns numbers below 2^-126",
        (*CONV, *LINEAR, "add"),
        ONLY,
        primitives={"narrow": instead(_keeping_subnormals)},
    ),
    Saboteur("identical-flushes-too-much", "returns zero below 2^-124", CONV, ONLY, primitives={"narrow": around(_flushing_too_much)}),
    Saboteur(
        "identical-keeps-minus-zero",
        "returns -0 where the value is",
        ("mul", "tanh"),
        ONLY,
        primitives={"narrow": around(_keeping_minus_zero)},
    ),
    Saboteur("identical-rounds-to-zero", "cuts bits off instead of rounding", CONV, ONLY, primitives={"narrow": around(_truncating)}),
    Saboteur(
        "identical-rounds-ties-away",
        "rounds the middle of two values away from zero",
        ("add", *CONV),
        ONLY,
        primitives={"narrow": around(_ties_away)},
    ),
    Saboteur(
        "identical-rint-rounds-ties-away",
        "rounds halves to whole numbers away from zero",
        ("softmax", "tanh", "elu", "gelu", "batch_norm2d"),
        ONLY,
        primitives={"rint": instead(_half_away)},
    ),
    Saboteur(
        "identical-sums-in-float32",
        "adds up in float32",
        ("layer_norm", "batch_norm2d", "softmax"),
        ONLY,
        primitives={"sum": around(_in_float32)},
    ),
    Saboteur(
        "identical-sorts-sums",
        "adds up in float32, smallest first",
        ("conv2d", "layer_norm"),
        ONLY,
        core={
            "numerics.identical.contractions:exact_sum": instead(_sorted_sum),
            "numerics.identical.rounded:exact_sum": instead(_sorted_sum),
        },
    ),
    Saboteur(
        "identical-exponent-is-logb",
        "counts exponents from 1 to 2, not from 1/2 to 1",
        (*CONV, "softmax", "log_softmax"),
        ONLY,
        primitives={"exponent": instead(_one_too_low)},
    ),
    Saboteur(
        "identical-largest-is-no-magnitude",
        "takes the largest value where the largest magnitude is meant",
        ("layer_norm", "avg_pool2d", *CONV),
        ONLY,
        primitives={"largest": instead(_largest_not_magnitude)},
    ),
    Saboteur(
        "identical-roots-in-float32",
        "takes square roots in float32",
        ("layer_norm", "batch_norm2d"),
        ONLY,
        primitives={"sqrt": instead(_root_of_float32)},
    ),
    Saboteur(
        "identical-snaps-to-no-grid",
        "leaves operands as they are, so that sums round",
        (*CONV, *LINEAR, "layer_norm"),
        ONLY,
        primitives={"snap": instead(_unsnapped)},
    ),
    Saboteur(
        "identical-conv-as-the-library-does",
        "adds up products in float32",
        CONV,
        ONLY,
        core={"numerics.identical.contractions:conv2d": instead(_as_the_library_does("conv2d"))},
    ),
    Saboteur(
        "identical-linear-as-the-library-does",
        "adds up products in float32",
        LINEAR,
        ONLY,
        core={"numerics.identical.contractions:linear": instead(_as_the_library_does("linear"))},
    ),
    Saboteur(
        "identical-ln-2-is-a-float32",
        "takes ln 2 for a float32",
        ("softmax", "elu", "log_softmax", "cross_entropy"),
        ONLY,
        core={"numerics.identical.elementary:_LN2": _in_float32_only},
    ),
    Saboteur(
        "identical-exp-coefficient-is-off",
        "has 900 for 836 in the polynomial of exp",
        ("elu", "softmax", "tanh"),
        ONLY,
        core={"numerics.identical.elementary:_EXP": _much_more(0)},
    ),
    Saboteur(
        "identical-log-coefficient-is-off",
        "has another coefficient in the polynomial of log",
        ("log_softmax", "cross_entropy"),
        ONLY,
        core={"numerics.identical.elementary:_LOG": _much_more(2)},
    ),
    Saboteur(
        "identical-erf-coefficient-is-off",
        "has another coefficient in the polynomial of erf",
        ("gelu",),
        ONLY,
        core={"numerics.identical.elementary:_ERF": _much_more(8)},
    ),
    Saboteur(
        "identical-quotients-by-reciprocal",
        "multiplies by rounded reciprocals",
        ("softmax", "hardswish"),
        ONLY,
        core={"numerics.identical.elementary:quotient": instead(_quotient_in_float32)},
    ),
    Saboteur(
        "identical-roots-have-a-bit-less",
        "keeps a bit less of reciprocal roots and of tanh",
        ("layer_norm", "batch_norm2d"),
        ONLY,
        core={"numerics.identical.elementary:_short": around(lambda honest, t, x, bits: honest(t, x, bits - 1))},
    ),
    Saboteur(
        "identical-one-hot-of-the-next",
        "puts the one of the next label",
        ("cross_entropy",),
        ONLY,
        primitives={"one_hot": instead(lambda labels, classes: ((labels[:, None] + 1) % classes == np.arange(classes)).astype("float32"))},
    ),
    Saboteur(
        "identical-hears-no-alarm",
        "overlooks what is not finite where it looks for the largest magnitude",
        CONV,
        ONLY,
        primitives={"largest": around(_largest_number), "amax": around(_largest_number)},
    ),
    Saboteur(
        "identical-makes-ties",
        "finds maxima among values rounded to whole numbers",
        ("max_pool2d",),
        ONLY,
        core={
            "numerics.identical.pooling:max_pool2d_gradient": around(
                lambda honest, dy, x, y, **rest: honest(dy, _lowered(x), _lowered(y), **rest)
            )
        },
    ),
)


def _lowered(x: Any) -> Any:
    """Return values rounded to whole numbers, so that many tie."""
    return type(x)(x.t, np.rint(x.raw))

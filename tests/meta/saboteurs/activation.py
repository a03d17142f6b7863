"""Saboteurs of activations."""

from __future__ import annotations

import math

import numpy as np

from ..saboteur import Array, Function, Saboteur, around, given, giving, instead


def _relu_of_nan(x: Array) -> Array:
    """Return x where it is positive, as a comparison does that nothing passes but numbers."""
    return np.where(x > 0, x, 0).astype(x.dtype)


def _gradient_from_zero_on(dy: Array, y: Array) -> Array:
    return np.where(y >= 0, dy, y).astype(dy.dtype)


def _leaky_above(x: Array, *, negative_slope: float) -> Array:
    return np.where(x > 0, x * negative_slope, x).astype(x.dtype)


def _quick_gelu(x: Array, *, approximate: str) -> Array:
    return x / (1 + np.exp(-1.702 * x)).astype(x.dtype)


def _other_formula(approximate: str) -> str:
    return "tanh" if approximate == "none" else "none"


def _rational_tanh(x: Array) -> Array:
    """Return a Pade approximant, kept within 1."""
    x = np.clip(x, -4.97, 4.97)
    square = x * x
    return (x * (135135 + square * (17325 + square * (378 + square))) / (135135 + square * (62370 + square * (3150 + square * 28)))).astype(
        x.dtype
    )


def _from_a_table(x: Array) -> Array:
    """Return sigmoid at the nearest of 4096 places."""
    return (1 / (1 + np.exp(-np.clip(np.rint(x * 256) / 256, -8, 8)))).astype(x.dtype)


def _overflowing_softmax(x: Array, *, axis: int) -> Array:
    e = np.exp(x)
    return e / e.sum(axis=axis, keepdims=True)


def _of_softmax(honest: Function, x: Array, *, axis: int) -> Array:
    """Return log(softmax(x)), which is -inf where softmax is 0."""
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.log(e / e.sum(axis=axis, keepdims=True))


def _over_everything(x: Array, *, axis: int) -> Array:
    e = np.exp(x - x.max(axis=tuple(range(1, x.ndim)), keepdims=True))
    return e / e.sum(axis=tuple(range(1, x.ndim)), keepdims=True)


def _infinity_wins(honest: Function, x: Array, *, axis: int) -> Array:
    """Give an infinite score all the probability, where the decision is NaN."""
    y = honest(x, axis=axis)
    return np.where(np.isposinf(x), 1, np.where(np.isposinf(x).any(axis=axis, keepdims=True), 0, y)).astype(x.dtype)


def _hardswish_without_division(x: Array) -> Array:
    return x * np.clip(x + 3, 0, 6)


def _last_axis(axis: int) -> int:
    return -1


SABOTEURS = (
    Saboteur("relu-makes-nan-zero", "returns 0 for NaN", ("relu",), ("special",), {"relu": instead(_relu_of_nan)}),
    Saboteur(
        "relu-keeps-minus-zero",
        "returns -0 for what is negative",
        ("relu",),
        ("special",),
        {"relu": giving(lambda y: np.where(y == 0, -0.0, y).astype(y.dtype))},
    ),
    Saboteur(
        "relu-gradient-at-zero",
        "passes the gradient where the output is 0",
        ("relu",),
        ("exact", "special"),
        {"relu_gradient": instead(_gradient_from_zero_on)},
    ),
    Saboteur("relu-returns-the-magnitude", "returns |x|", ("relu",), ("exact", "bounded"), {"relu": instead(lambda x: np.abs(x))}),
    Saboteur(
        "relu6-has-no-upper-corner",
        "returns what is above 6 as it is",
        ("relu6",),
        ("exact",),
        {"relu6": instead(lambda x: np.maximum(x, 0))},
    ),
    Saboteur(
        "leaky-relu-slopes-above",
        "multiplies what is positive by the slope",
        ("leaky_relu",),
        ("exact", "bounded"),
        {"leaky_relu": instead(_leaky_above)},
    ),
    Saboteur(
        "leaky-relu-has-the-slope-of-another",
        "takes 0.2 for the slope, the default of another framework",
        ("leaky_relu",),
        ("exact", "bounded"),
        {"leaky_relu": given(negative_slope=lambda s: 0.2)},
    ),
    Saboteur("elu-ignores-alpha", "takes 1 for alpha", ("elu",), ("bounded",), {"elu": given(alpha=lambda a: 1.0)}, settings="alpha-0.25*"),
    Saboteur(
        "elu-without-one",
        "forgets to subtract 1",
        ("elu",),
        ("bounded",),
        {"elu": instead(lambda x, *, alpha: np.where(x > 0, x, alpha * np.exp(np.minimum(x, 0))).astype(x.dtype))},
    ),
    Saboteur(
        "gelu-takes-the-other-formula",
        "computes by tanh what is to be exact, and the other way round",
        ("gelu",),
        ("bounded",),
        {"gelu": given(approximate=_other_formula)},
    ),
    Saboteur("gelu-is-quick", "computes x sigmoid(1.702 x)", ("gelu",), ("bounded",), {"gelu": instead(_quick_gelu)}),
    Saboteur(
        "silu-has-no-factor",
        "returns the sigmoid only",
        ("silu",),
        ("bounded",),
        {"silu": instead(lambda x: (1 / (1 + np.exp(-x))).astype(x.dtype))},
    ),
    Saboteur(
        "sigmoid-from-a-table", "looks up the nearest of 4096 values", ("sigmoid",), ("bounded",), {"sigmoid": instead(_from_a_table)}
    ),
    Saboteur("tanh-is-rational", "computes a Pade approximant", ("tanh",), ("bounded",), {"tanh": instead(_rational_tanh)}),
    Saboteur(
        "hardswish-does-not-divide",
        "forgets to divide by 6",
        ("hardswish",),
        ("bounded",),
        {"hardswish": instead(_hardswish_without_division)},
    ),
    Saboteur(
        "hardsigmoid-has-the-slope-of-another",
        "takes 0.2 for the slope, the default of another framework",
        ("hardsigmoid",),
        ("exact", "bounded"),
        {"hardsigmoid": given(slope=lambda s: 0.2)},
    ),
    Saboteur(
        "softmax-over-the-last-axis",
        "normalises the last axis, whichever is meant",
        ("softmax",),
        ("bounded",),
        {"softmax": given(axis=_last_axis)},
    ),
    Saboteur(
        "softmax-over-everything", "normalises each sample as a whole", ("softmax",), ("bounded",), {"softmax": instead(_over_everything)}
    ),
    Saboteur(
        "softmax-overflows",
        "does not subtract the maximum",
        ("softmax",),
        ("bounded", "special"),
        {"softmax": instead(_overflowing_softmax)},
    ),
    Saboteur(
        "softmax-lets-infinity-win", "returns 1 for an infinite score", ("softmax",), ("special",), {"softmax": around(_infinity_wins)}
    ),
    Saboteur(
        "log-softmax-of-softmax",
        "takes the logarithm of a softmax that may be 0",
        ("log_softmax",),
        ("special",),
        {"log_softmax": around(_of_softmax)},
    ),
    Saboteur(
        "log-softmax-over-the-last-axis",
        "normalises the last axis, whichever is meant",
        ("log_softmax",),
        ("bounded",),
        {"log_softmax": given(axis=_last_axis)},
    ),
    Saboteur(
        "log-softmax-to-base-2",
        "takes logarithms to base 2",
        ("log_softmax",),
        ("bounded",),
        {"log_softmax": giving(lambda y: y / y.dtype.type(math.log(2)))},
    ),
)

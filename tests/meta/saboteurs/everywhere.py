"""Saboteurs that break every op in the same way: each op has to notice by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..saboteur import Array, Function, Saboteur, around, giving, taking

OPS = (
    "conv2d",
    "conv_transpose2d",
    "max_pool2d",
    "avg_pool2d",
    "adaptive_avg_pool2d",
    "linear",
    "batch_norm2d",
    "layer_norm",
    "dropout",
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "sigmoid",
    "tanh",
    "silu",
    "gelu",
    "hardswish",
    "hardsigmoid",
    "softmax",
    "log_softmax",
    "flatten",
    "reshape",
    "transpose",
    "pad",
    "add",
    "mul",
    "concat",
    "cross_entropy",
    "squared_error",
)
"""All ops but identity, which no backend is asked for."""
IMAGES_AND_VECTORS = tuple(op for op in OPS if op not in ("cross_entropy", "squared_error"))


def _one_wrong(y: Array) -> Array:
    """Return all but the last value as they are, and that one larger by a thousandth."""
    y = np.array(y)
    y.reshape(-1)[-1:] = (y.ravel()[-1] + 1) * y.dtype.type(1.001)
    return y


def _narrow(y: Array) -> Array:
    return y.astype(np.float32).astype(y.dtype) if y.dtype == np.float64 else y


def _by_way_of_float32(*operands: Any) -> tuple[Any, ...]:
    return tuple(value if value is None else _narrow(value) for value in operands)


def _wide(y: Array) -> Array:
    return y.astype(np.float64)


def _two_ulps_more(y: Array) -> Array:
    return (y * y.dtype.type(1 + 2.0**-12)).astype(y.dtype)


def _last_sample_like_the_first(y: Array) -> Array:
    y = np.array(y)
    y[-1] = y[0]
    return y


def _without_the_last_sample(honest: Function, x: Array, *rest: Any, **attributes: Any) -> Any:
    found = honest(x, *rest, **attributes)
    if isinstance(found, tuple):
        return (found[0][:-1], *found[1:]) if len(x) > 1 else found
    return found[:-1] if len(x) > 1 else found


SABOTEURS = (
    Saboteur(
        "everything-is-nan",
        "returns NaN",
        OPS,
        ("exact", "bounded", "relations"),
        {"*": giving(lambda y: y * y.dtype.type(np.nan))},
        each=True,
    ),
    Saboteur(
        "everything-is-zero",
        "returns zeros",
        OPS,
        ("exact", "bounded", "relations"),
        {"*": giving(lambda y: y * y.dtype.type(0))},
        each=True,
    ),
    Saboteur(
        "everything-is-negated", "returns all values with the wrong sign", OPS, ("exact", "bounded"), {"*": giving(lambda y: -y)}, each=True
    ),
    Saboteur("one-value-is-wrong", "returns one wrong value, the last", OPS, ("exact", "bounded"), {"*": giving(_one_wrong)}, each=True),
    Saboteur(
        "everything-is-off-by-2^-12", "returns values larger by 2^-12", OPS, ("exact", "bounded"), {"*": giving(_two_ulps_more)}, each=True
    ),
    Saboteur(
        "float32-comes-as-float64",
        "returns float64 where float32 is asked for",
        IMAGES_AND_VECTORS,
        ("exact", "bounded"),
        {"*": giving(_wide)},
        each=True,
    ),
    Saboteur(
        "float64-comes-rounded-to-float32",
        "returns float64 values that have been float32",
        OPS,
        ("bounded",),
        {"*": giving(_narrow)},
        each=True,
    ),
    Saboteur(
        "float64-has-been-float32",
        "takes float64 inputs and weights by way of float32",
        OPS,
        ("bounded",),
        {"*": taking(_by_way_of_float32)},
        each=True,
    ),
    Saboteur(
        "the-last-sample-is-the-first",
        "returns the first sample for the last",
        IMAGES_AND_VECTORS,
        ("exact", "bounded", "relations"),
        {"*": giving(_last_sample_like_the_first)},
        each=True,
    ),
    Saboteur(
        "the-last-sample-is-lost",
        "returns a sample less",
        IMAGES_AND_VECTORS,
        ("exact", "bounded"),
        {"*": around(_without_the_last_sample)},
        each=True,
    ),
)

"""Saboteurs of ops that move and join values."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from ..saboteur import Array, Saboteur, given, giving, instead, taking


def _channels_last(x: Array) -> Array:
    return np.moveaxis(x, 1, -1).reshape(len(x), -1)


def _first_axis_fastest(x: Array, *, shape: tuple[int, ...]) -> Array:
    return np.stack([sample.reshape(shape, order="F") for sample in x])


def _edge(x: Array, *, padding: Any, value: float) -> Array:
    return np.pad(x, ((0, 0), (0, 0), *padding), mode="edge")


def _first_two(*inputs: Array) -> Array:
    return functools.reduce(operator.add, inputs[:2])


def _not_repeated(*inputs: Array) -> Array:
    """Let only the first value of an axis of size 1 count, and zeros for the rest."""
    shape = np.broadcast_shapes(*(x.shape for x in inputs))
    grown = [np.pad(x, [(0, n - m) for n, m in zip(shape, x.shape, strict=True)]) for x in inputs]
    return functools.reduce(operator.mul, grown)


SABOTEURS = (
    Saboteur(
        "flatten-has-channels-last",
        "flattens height, width, channels",
        ("flatten",),
        ("exact", "bounded", "identical"),
        {"flatten": instead(_channels_last)},
        settings="image",
    ),
    Saboteur(
        "reshape-runs-along-the-first-axis",
        "fills the new shape first axis first",
        ("reshape",),
        ("exact", "identical"),
        {"reshape": instead(_first_axis_fastest)},
    ),
    Saboteur(
        "transpose-inverts",
        "moves axes to where they should come from",
        ("transpose",),
        ("exact",),
        {"transpose": given(axes=lambda axes: tuple(axes.index(place) for place in range(len(axes))))},
        settings="channels-last",
    ),
    Saboteur(
        "pad-ignores-the-value",
        "pads with zeros",
        ("pad",),
        ("exact", "identical"),
        {"pad": given(value=lambda v: 0.0)},
        settings="*value*",
    ),
    Saboteur("pad-repeats-the-edge", "pads with the nearest value", ("pad",), ("exact", "identical"), {"pad": instead(_edge)}),
    Saboteur(
        "pad-swaps-sides",
        "pads at the bottom and right what is meant for the top and left",
        ("pad",),
        ("exact", "identical"),
        {"pad": given(padding=lambda p: tuple(sides[::-1] for sides in p))},
        settings="asymmetric*",
    ),
    Saboteur(
        "add-takes-two",
        "leaves out all but the first two inputs",
        ("add",),
        ("exact", "bounded"),
        {"add": instead(_first_two)},
        settings="three*",
    ),
    Saboteur(
        "add-subtracts-the-last",
        "subtracts the last input",
        ("add",),
        ("exact",),
        {"add": taking(lambda *inputs: (*inputs[:-1], -inputs[-1]))},
    ),
    Saboteur(
        "mul-does-not-repeat",
        "multiplies by zero where an axis of size 1 should repeat",
        ("mul",),
        ("exact", "bounded"),
        {"mul": instead(_not_repeated)},
        settings="one-value*",
    ),
    Saboteur(
        "concat-reverses", "joins in reverse order", ("concat",), ("exact", "identical"), {"concat": taking(lambda *inputs: inputs[::-1])}
    ),
    Saboteur(
        "concat-interleaves",
        "joins the first two inputs in turns, where they are alike",
        ("concat",),
        ("exact", "identical"),
        {"concat": giving(lambda y: np.ascontiguousarray(y[:, _alternating(y.shape[1])]))},
    ),
)


def _alternating(count: int) -> list[int]:
    return [*range(0, count, 2), *range(1, count, 2)]

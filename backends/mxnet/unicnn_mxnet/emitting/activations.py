"""Activations in Gluon.

MXNet keeps hyperparameters of its activations as float32, in float64 too, and the derivative of its clip is 1 at the corners; what would
differ by that is written with operators that have neither.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from unicnn import ops
from unicnn.graph import Node
from unicnn.porting.outline import Argument, Make, Template
from unicnn.porting.outline.text import number


def exact(value: float) -> bool:
    """Tell whether float32 holds a number as it is."""
    return float(np.float32(value)) == value


def _activation(kind: str) -> Callable[[Node], Make]:
    return lambda node: Make("nn.Activation", (Argument("activation", kind),))


def _leaky(node: Node) -> Make | None:
    slope = node.op.fields()["negative_slope"]
    return Make("nn.LeakyReLU", (Argument("alpha", slope),)) if exact(slope) else None


def _leaky_operator(node: Node) -> Template | None:
    slope = node.op.fields()["negative_slope"]
    if exact(slope):
        return None
    if 0 < slope < 1:
        return Template(f"F.maximum({{0}}, {number(slope)} * {{0}})", "product", "call")
    return Template(f"F.where({{0}} > 0, {{0}}, {number(slope)} * {{0}})", "product", "call")


def _elu(node: Node) -> Make | None:
    alpha = node.op.fields()["alpha"]
    return Make("nn.ELU", (Argument("alpha", alpha, 1.0),)) if exact(alpha) else None


def _elu_operator(node: Node) -> Template | None:
    alpha = node.op.fields()["alpha"]
    if exact(alpha):
        return None
    return Template(f"F.where({{0}} > 0, {{0}}, {number(alpha)} * F.expm1(F.minimum({{0}}, 0)))", "product", "call")


def _gelu(node: Node) -> Template:
    if node.op.fields()["approximate"] == "tanh":
        inner = f"{number(math.sqrt(2 / math.pi))} * ({{0}} + 0.044715 * {{0}} ** 3)"
        return Template(f"0.5 * {{0}} * (1 + F.tanh({inner}))", "product")
    return Template(f"0.5 * {{0}} * (1 + F.erf({{0}} * {number(math.sqrt(0.5))}))", "product")


def _hardsigmoid(node: Node) -> Template:
    fields = node.op.fields()
    if (fields["slope"], fields["offset"]) == (1 / 6, 0.5):
        return Template("F.minimum(F.relu({0} + 3), 6) / 6", "sum", "product")
    return Template(f"F.clip({number(fields['slope'])} * {{0}} + {number(fields['offset'])}, 0, 1)", "product", "call")


LAYERS: Mapping[type[Any], Callable[[Node], Make | None]] = {
    ops.ReLU: _activation("relu"),
    ops.Sigmoid: _activation("sigmoid"),
    ops.Tanh: _activation("tanh"),
    ops.LeakyReLU: _leaky,
    ops.ELU: _elu,
    ops.SiLU: lambda node: Make("nn.Swish"),
}

OPERATORS: Mapping[type[Any], Callable[[Node], Template | None]] = {
    ops.ReLU: lambda node: Template("F.relu({0})"),
    ops.Sigmoid: lambda node: Template("F.sigmoid({0})"),
    ops.Tanh: lambda node: Template("F.tanh({0})"),
    ops.LeakyReLU: _leaky_operator,
    ops.ELU: _elu_operator,
    ops.ReLU6: lambda node: Template("F.minimum(F.relu({0}), 6)"),
    ops.SiLU: lambda node: Template("{0} * F.sigmoid({0})", "product"),
    ops.GELU: _gelu,
    ops.Hardswish: lambda node: Template("{0} * F.minimum(F.relu({0} + 3), 6) / 6", "product"),
    ops.Hardsigmoid: _hardsigmoid,
}

"""Activations: functions of one value, and the two that normalise along an axis."""

from __future__ import annotations

from typing import Any

from unicnn.ops.base import Op, Shape, op, resolve_axis
from unicnn.ops.fields import choice, field, integer, number


class _Elementwise(Op):
    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]


@op("relu")
class ReLU(_Elementwise):
    """Return max(x, 0); the derivative at 0 is 0."""


@op("relu6")
class ReLU6(_Elementwise):
    """Return min(max(x, 0), 6); the derivative at 0 and at 6 is 0."""


@op("leaky_relu")
class LeakyReLU(_Elementwise):
    """Return x where x > 0 and negative_slope*x elsewhere; the derivative at 0 is the slope."""

    negative_slope: float = field(number(), default=0.01)


@op("elu")
class ELU(_Elementwise):
    """Return x where x > 0 and alpha*(exp(x) - 1) elsewhere."""

    alpha: float = field(number(), default=1.0)


@op("sigmoid")
class Sigmoid(_Elementwise):
    """Return 1 / (1 + exp(-x))."""


@op("tanh")
class Tanh(_Elementwise):
    """Return the hyperbolic tangent."""


@op("silu")
class SiLU(_Elementwise):
    """Return x * sigmoid(x)."""


@op("gelu")
class GELU(_Elementwise):
    """Return x * Phi(x), exactly ("none") or by the tanh formula ("tanh"): x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))."""

    approximate: str = field(choice("none", "tanh"), default="none")


@op("hardswish")
class Hardswish(_Elementwise):
    """Return x * min(max(x + 3, 0), 6) / 6; the derivative at -3 is 0 and at 3 is 1."""


@op("hardsigmoid")
class Hardsigmoid(_Elementwise):
    """Return min(max(slope*x + offset, 0), 1); the derivative at both corners is 0."""

    slope: float = field(number(), default=1 / 6)
    offset: float = field(number(), default=0.5)


class _AlongAxis(Op):
    axis: int

    def output_shape(self, *shapes: Shape) -> Shape:
        resolve_axis(self.axis, len(shapes[0]) + 1)
        return shapes[0]

    def attributes(self, *shapes: Shape) -> dict[str, Any]:
        return {"axis": resolve_axis(self.axis, len(shapes[0]) + 1)}


@op("softmax")
class Softmax(_AlongAxis):
    """Return exp(x) / sum(exp(x)) along an axis; axis 1 holds the classes."""

    axis: int = field(integer(-16), default=1)


@op("log_softmax")
class LogSoftmax(_AlongAxis):
    """Return x - log(sum(exp(x))) along an axis; axis 1 holds the classes."""

    axis: int = field(integer(-16), default=1)

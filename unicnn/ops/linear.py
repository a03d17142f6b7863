"""The fully connected layer."""

from __future__ import annotations

import math
from typing import Any

from unicnn.ops.base import Activated, Misfit, Parameter, Shape, op
from unicnn.ops.fields import field, flag, integer


@op("linear")
class Linear(Activated):
    """Multiply each sample, a vector, by a matrix and add a bias: y = x weight^T + bias, weight (out, in)."""

    operands = ("weight", "bias")

    out_features: int = field(integer(1))
    bias: bool = field(flag, default=True)

    def output_shape(self, *shapes: Shape) -> Shape:
        if len(shapes[0]) != 1:
            raise Misfit("it takes vectors.", f"Put Flatten() before it, which gives {math.prod(shapes[0])}.")
        return (self.out_features,)

    def attributes(self, *shapes: Shape) -> dict[str, Any]:
        return {}

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        fans = shapes[0][0], self.out_features
        weight = Parameter((self.out_features, shapes[0][0]), "linear", *fans)
        return {"weight": weight} | ({"bias": Parameter((self.out_features,), "vector", *fans)} if self.bias else {})

    def multiply_adds(self, *shapes: Shape) -> int:
        return shapes[0][0] * self.out_features

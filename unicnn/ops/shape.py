"""Ops that move values and do not change them."""

from __future__ import annotations

import math
from typing import Any

from unicnn.ops.base import Misfit, Op, Shape, need_image, op
from unicnn.ops.fields import Written, by, field, integers, number, sides


@op("identity")
class Identity(Op):
    """Return the input."""

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def vanishes(self, training: bool) -> bool:
        return True


@op("flatten")
class Flatten(Op):
    """Lay each sample out as a vector, in the order channels, height, width."""

    def output_shape(self, *shapes: Shape) -> Shape:
        return (math.prod(shapes[0]),)

    def attributes(self, *shapes: Shape) -> dict[str, Any]:
        return {}


@op("reshape")
class Reshape(Op):
    """Give each sample another shape, in row-major order; one size may be -1."""

    shape: Written = field(integers(-1))

    def output_shape(self, *shapes: Shape) -> Shape:
        have = math.prod(shapes[0])
        known = math.prod(size for size in self.shape if size != -1)
        free = self.shape.count(-1)
        if free > 1 or 0 in self.shape or not known or (have % known if free else have != known):
            raise Misfit(
                f"{by(shapes[0])} = {have} values cannot become {by(self.shape)}.",
                "Sizes must be at least 1, multiply to the same number, and at most one may be -1.",
            )
        return tuple(have // known if size == -1 else size for size in self.shape)

    def attributes(self, *shapes: Shape) -> dict[str, Any]:
        return {"shape": self.output_shape(*shapes)}


@op("transpose")
class Transpose(Op):
    """Reorder the axes; axis 0, the batch, stays first: Transpose((0, 2, 3, 1)) puts channels last."""

    axes: Written = field(integers(0))

    def output_shape(self, *shapes: Shape) -> Shape:
        if self.axes[:1] != (0,) or sorted(self.axes) != list(range(len(shapes[0]) + 1)):
            raise Misfit(
                f"its axes {self.axes} are not an order of the axes 0 to {len(shapes[0])} that leaves axis 0, the batch, first.",
                f"For instance {(0, *range(len(shapes[0]), 0, -1))}.",
            )
        return tuple(shapes[0][axis - 1] for axis in self.axes[1:])


@op("pad")
class Pad(Op):
    """Put a border of one value around an image: padding ((top, bottom), (left, right))."""

    padding: Written = field(sides)
    value: float = field(number(), default=0.0)

    def output_shape(self, *shapes: Shape) -> Shape:
        channels, height, width = need_image(shapes[0])
        return channels, height + sum(self.padding[0]), width + sum(self.padding[1])

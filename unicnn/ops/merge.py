"""Ops that join several values."""

from __future__ import annotations

from unicnn.ops.base import Activated, Misfit, Op, Shape, op, resolve_axis
from unicnn.ops.fields import by, field, integer


def broadcast(shapes: tuple[Shape, ...]) -> Shape:
    """Return the shape of values of one rank in which an axis of size 1 repeats, or raise Misfit."""
    sizes = [max(axis) for axis in zip(*shapes, strict=False)]
    if len({len(shape) for shape in shapes}) > 1 or any(
        size not in (1, full) for shape in shapes for size, full in zip(shape, sizes, strict=True)
    ):
        raise Misfit(
            f"{' and '.join(by(shape) for shape in shapes)} do not go together.",
            "All inputs need the same number of axes, and on each axis the same size or 1.",
        )
    return tuple(sizes)


@op("add")
class Add(Activated):
    """Add two or more values, from left to right; an axis of size 1 repeats."""

    inputs = None

    def output_shape(self, *shapes: Shape) -> Shape:
        return broadcast(shapes)


@op("mul")
class Mul(Op):
    """Multiply two or more values, from left to right; an axis of size 1 repeats."""

    inputs = None

    def output_shape(self, *shapes: Shape) -> Shape:
        return broadcast(shapes)


@op("concat")
class Concat(Op):
    """Join values along an axis; axis 1 holds the channels."""

    inputs = None

    axis: int = field(integer(-16), default=1)

    def output_shape(self, *shapes: Shape) -> Shape:
        axis = resolve_axis(self.axis, len(shapes[0]) + 1) - 1
        rest = {shape[:axis] + shape[axis + 1 :] for shape in shapes}
        if len(rest) > 1 or len({len(shape) for shape in shapes}) > 1:
            raise Misfit(
                f"{' and '.join(by(shape) for shape in shapes)} differ in an axis other than {axis + 1}, along which they are joined.",
                "Make the other sizes equal.",
            )
        total = sum(shape[axis] for shape in shapes)
        return (*shapes[0][:axis], total, *shapes[0][axis + 1 :])

    def attributes(self, *shapes: Shape) -> dict[str, int]:
        return {"axis": resolve_axis(self.axis, len(shapes[0]) + 1)}

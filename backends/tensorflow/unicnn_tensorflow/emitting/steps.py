"""What one layer becomes in Keras: a layer, and what must stand before and after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unicnn.graph import Node
from unicnn.ops import Linear
from unicnn.ops.base import Shape
from unicnn.ops.fields import NO_PADDING, Sides, shortest
from unicnn.porting.outline import Argument, Make


@dataclass(frozen=True)
class Extra:
    """Be a layer beside the one that is meant, called "<layer>_<suffix>"; `reason` becomes a comment above it."""

    suffix: str
    make: Make
    reason: str = ""


@dataclass(frozen=True)
class Steps:
    """Be all that a layer becomes."""

    make: Make
    before: tuple[Extra, ...] = ()
    after: tuple[Extra, ...] = ()
    reason: str = ""


def shown(node: Node) -> Shape | None:
    """Return the shape that is worth a comment: one that is new, and that the layer itself does not say."""
    return None if node.shape == node.input_shapes[0] or isinstance(node.op, Linear) else node.shape


def option(name: str, value: Any, default: Any) -> Argument:
    """Return an argument that is written by name, if it is not the default."""
    return Argument(name, value, default, keyword=True)


def short(value: Any) -> Any:
    """Return a pair or sides in the shortest spelling: 3 of (3, 3), (1, 2) of ((1, 1), (2, 2)), but ((1, 1), (0, 1)) as it is."""
    if isinstance(value[0], tuple):
        even = all(before == after for before, after in value)
        return shortest(tuple(before for before, _ in value)) if even else value
    return shortest(value)


def sides_text(sides: Sides) -> str:
    """Return sides as a person says them."""
    flat = {side for pair in sides for side in pair}
    if len(flat) == 1:
        return f"{flat.pop()} on every side"
    (top, bottom), (left, right) = sides
    if sides[0] == sides[1]:
        return f"{top} before and {bottom} after"
    return f"{top} above, {bottom} below, {left} left, {right} right"


def zero_padding(sides: Sides) -> Make:
    """Return the layer that puts zeros around an image."""
    return Make("layers.ZeroPadding2D", (Argument("padding", short(sides)),))


def padding_reason(sides: Sides, same: Sides) -> str:
    """Return why "same" will not do, where a reader would have expected it; `same` is what it would pad."""
    return f'Pads {sides_text(sides)}; "same" would pad {sides_text(same)}.'


def cropping(sides: Sides) -> Make:
    """Return the layer that takes the border of an image away."""
    return Make("layers.Cropping2D", (Argument("cropping", short(sides)),))


__all__ = ["NO_PADDING", "Extra", "Sides", "Steps", "cropping", "option", "padding_reason", "short", "sides_text", "zero_padding"]

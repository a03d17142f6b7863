"""Arguments as Gluon takes them."""

from __future__ import annotations

from typing import Any

from unicnn.ops.fields import Sides, shortest
from unicnn.porting.outline import Argument


def short(item: Any) -> Any:
    """Return a pair as one number if both are equal."""
    return shortest(item)


def sizes(item: Any) -> Any:
    """Return a size as one number if height and width are equal."""
    return shortest(item)


def optional(name: str, given: Any, default: Any) -> Argument:
    """Return an argument that is written by name if it is not the default."""
    return Argument(name, given, default, keyword=True)


def named(name: str, given: Any) -> Argument:
    """Return an argument that is always written, by name."""
    return Argument(name, given, keyword=True)


def even(sides: Sides) -> bool:
    """Tell whether both sides are alike, as MXNet's own padding is."""
    return all(before == after for before, after in sides)


def width(sides: Sides) -> str:
    """Return sides as F.pad takes them: a pair for each axis."""
    (top, bottom), (left, right) = sides
    return f"(0, 0, 0, 0, {top}, {bottom}, {left}, {right})"

"""Arguments as PyTorch takes them."""

from __future__ import annotations

from typing import Any

from unicnn.ops.fields import Pair, Sides, shortest
from unicnn.porting.outline import Argument, Make, Template
from unicnn.porting.outline.text import arguments


def short(item: Any) -> Any:
    """Return a pair as one number if both are equal."""
    return shortest(item)


def optional(name: str, given: Any, default: Any) -> Argument:
    """Return an argument that is written by name if it is not the default."""
    return Argument(name, given, default, keyword=True)


def channels(name: str, given: int) -> Argument:
    """Return an argument that counts channels."""
    return Argument(name, given, kind="channels")


def border(sides: Sides) -> tuple[int, int, int, int]:
    """Return sides as F.pad takes them: left, right, top, bottom."""
    (top, bottom), (left, right) = sides
    return left, right, top, bottom


def even(sides: Sides) -> bool:
    """Tell whether both sides are alike, as PyTorch's own padding is."""
    return all(before == after for before, after in sides)


def symmetric(sides: Sides) -> Pair:
    """Return the padding of each axis, or none if the sides differ and something else must pad."""
    return (sides[0][0], sides[1][0]) if even(sides) else (0, 0)


def short_border(sides: Sides) -> Any:
    """Return the padding of a padding layer, one number if all sides are equal."""
    found = border(sides)
    return found[0] if len(set(found)) == 1 else found


def functional(name: str, make: Make) -> Template:
    """Return a call of a function with a layer's arguments."""
    return Template(f"{name}({', '.join(['{0}', *arguments(make)])})")

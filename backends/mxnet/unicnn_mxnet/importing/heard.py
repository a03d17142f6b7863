"""What is heard while a network runs: each operator that MXNet was asked for."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from unicnn.porting.tape import Where

Shape: TypeAlias = tuple[int, ...]

_MISSING = object()


@dataclass(frozen=True)
class Heard:
    """Be one operator at work: its name in MXNet, the attributes it was given, the names of what it took and gave."""

    op: str
    attributes: Mapping[str, Any]
    operands: tuple[str, ...]
    sizes: tuple[Shape, ...]
    """The shapes of the operands."""
    results: tuple[str, ...]
    shapes: tuple[Shape, ...]
    """The shapes of the results."""
    path: str
    own: bool
    parent: str
    """The path of the container around a layer, for what the layer does beside its own work."""
    where: Where | None
    training: bool = False

    @property
    def said(self) -> tuple[Any, ...]:
        """Return what must be the same when the network runs again, on more samples or fewer."""
        sizes, shapes = (tuple((len(shape), shape[1:]) for shape in given) for given in (self.sizes, self.shapes))
        return self.op, self.operands, sizes, self.results, shapes

    def get(self, key: str, default: Any = None) -> Any:
        """Return an attribute as a Python value, whether Python gave it or a file; `default` if it was not given."""
        value = self.attributes.get(key, _MISSING)
        return default if value is _MISSING else plain(value)

    def flag(self, key: str, default: bool = False) -> bool:
        """Return an attribute that is true or false."""
        return bool(self.get(key, default))

    def number(self, key: str, default: float) -> float:
        """Return an attribute that is a number."""
        return float(self.get(key, default))

    def pair(self, key: str, default: int) -> tuple[int, int]:
        """Return an attribute with one number per spatial axis; MXNet takes () for the default, and one number only in layers of its own."""
        value = self.get(key, ()) or ()
        sizes = (value, value) if isinstance(value, int) else tuple(int(size) for size in value)
        return sizes if sizes else (default, default)  # type: ignore[return-value]

    def axis(self, key: str, default: int, place: int = 0) -> int:
        """Return an axis of an operand, counted from the first."""
        axis = int(self.get(key, default))
        return axis + len(self.sizes[place]) if axis < 0 else axis


def plain(value: Any) -> Any:
    """Return the Python value that an attribute's text means; a word such as "relu" stays as it is."""
    if isinstance(value, list):
        return tuple(value)
    if not isinstance(value, str):
        return value
    try:
        found = ast.literal_eval(re.sub(r"(?<=\d)L\b", "", value))  # Python 2 wrote (5L, 5L)
    except (ValueError, SyntaxError):
        return value
    return tuple(found) if isinstance(found, list) else found

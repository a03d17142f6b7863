"""Symbols: the values between layers while a network is being written down."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unicnn.errors import DescriptionError
from unicnn.ops.fields import integer

if TYPE_CHECKING:
    from unicnn.ops.base import Op, Shape

_order = itertools.count()


@dataclass(frozen=True, eq=False)
class Symbol:
    """Stand for a value of a known shape (batch axis left out): an input, or an op applied to symbols."""

    shape: Shape
    op: Op | None
    inputs: tuple[Symbol, ...]
    name: str | None
    order: int

    def __repr__(self) -> str:
        return f"<{self.op or 'Input'} of shape {self.shape}>"


def Input(*shape: int, name: str | None = None) -> Symbol:  # noqa: N802 - reads as a layer
    """Return the symbol of an input of the given sizes, batch axis left out: ``Input(3, 32, 32)``."""
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = tuple(shape[0])
    return Symbol(input_shape(shape), None, (), name, next(_order))


def input_shape(shape: object) -> Shape:
    """Return `shape` as a tuple of sizes of at least 1, or raise DescriptionError."""
    size = integer(1)
    try:
        sizes = tuple(size(item) for item in shape)  # type: ignore[attr-defined]
        if not sizes or math.prod(sizes) >= 2**63:
            raise ValueError
    except (TypeError, ValueError):
        raise DescriptionError(
            f"An input's shape must be sizes of at least 1 without the batch axis, such as (1, 28, 28), not {shape!r}."
        ) from None
    return sizes


def apply(op: Op, inputs: tuple[Symbol, ...], name: str | None) -> Symbol:
    """Return the symbol of `op` applied to `inputs`; raise ShapeError at once if they do not fit."""
    from unicnn.graph import layer_shape

    if strangers := [value for value in inputs if not isinstance(value, Symbol)]:
        raise DescriptionError(
            f"{op} was called on {type(strangers[0]).__name__}, but a layer describes and does not compute. "
            "Call it on symbols, such as un.Input(1, 28, 28), and run the model with un.lower."
        )
    shape = layer_shape(name or str(op), op, tuple(value.shape for value in inputs))
    return Symbol(shape, op, inputs, name, next(_order))

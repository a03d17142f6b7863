"""One node of a graph as the rules see it, and what they make of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import helper

from unicnn.porting.tape import Operand
from unicnn_onnx.importing.numbers import meant

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Word:
    """Be one call for the tape, its module left out. `name` is the value that it gives."""

    op: str
    name: str
    inputs: tuple[Operand, ...]
    shape: Shape
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Node:
    """Be one node: its attributes as Python values, and its inputs by place."""

    proto: onnx.NodeProto
    version: int
    attributes: Mapping[str, Any]
    shape_of: Callable[[str], Shape]
    fixed: Callable[[str], Any]
    """Return the array of a value that does not depend on the input, or None."""
    written: Callable[[str], Any]
    """Return the array of a constant that stands in the graph itself and is none of its weights, or None."""
    operand: Callable[[str, bool], Operand]
    """Return a value by name; with True, a constant of one element is a number."""

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute."""
        return self.attributes.get(name, default)

    def has(self, place: int) -> bool:
        """Tell whether an input is given; those at the end may be left out, and those before be empty."""
        return place < len(self.proto.input) and bool(self.proto.input[place])

    def value(self, place: int) -> Operand:
        """Return an input as a value, a constant by its name, or None if it is left out."""
        return self.operand(self.proto.input[place], False) if self.has(place) else None

    def term(self, place: int) -> Operand:
        """Return an input of arithmetic, where a constant of one element is a number."""
        return self.operand(self.proto.input[place], True)

    def known(self, place: int) -> Any:
        """Return the array of an input that is the same for all inputs of the network, or None."""
        return self.fixed(self.proto.input[place]) if self.has(place) else None

    def integers(self, place: int) -> list[int] | None:
        """Return an input such as axes or a shape."""
        array = self.known(place)
        return None if array is None else [int(item) for item in np.asarray(array).reshape(-1)]

    def number(self, place: int, default: float) -> float | None:
        """Return an input that is one number, the default if it is left out, or None if it depends on the network's input."""
        if not self.has(place):
            return default
        array = self.known(place)
        return None if array is None else meant(float(np.asarray(array).reshape(())))

    def input_shape(self, place: int) -> Shape:
        """Return the shape of an input."""
        return self.shape_of(self.proto.input[place])

    @property
    def output(self) -> str:
        """Return the name of what it gives."""
        return str(self.proto.output[0])

    @property
    def shape(self) -> Shape:
        """Return the shape of what it gives."""
        return self.shape_of(self.output)

    def word(self, op: str, *inputs: Operand, **attributes: Any) -> list[Word]:
        """Return the node as one word."""
        return [Word(op, self.output, inputs, self.shape, attributes)]

    def foreign(self, why: str = "") -> list[Word]:
        """Return the node as a call that has no word; `why` says which of its settings has none."""
        name = f"onnx.{self.proto.op_type}" + (f" with {why}" if why else "")
        return self.word(name, *(self.value(place) for place in range(len(self.proto.input))))


Rule: TypeAlias = Callable[[Node], "list[Word]"]


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Return the attributes of a node; singles are the numbers that were meant."""
    return {item.name: _plain(helper.get_attribute_value(item)) for item in node.attribute}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float):
        return meant(value)
    return [_plain(item) for item in value] if isinstance(value, Sequence) and not isinstance(value, str) else value

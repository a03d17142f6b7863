"""One call of an exported graph, seen by argument name, and the words it becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import fx

from unicnn.porting.tape import Operand


@dataclass(frozen=True)
class Word:
    """Be one call for the tape, its module and line left out."""

    op: str
    inputs: tuple[Operand, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class Passed:
    """Be the result of a call that needs no word: it passes an operand on, or is a number."""

    operand: Operand


@dataclass(frozen=True)
class Node:
    """Be one call of the graph: its arguments by name with the defaults filled in, and the shape of what it gives.

    `training` says in which mode the network was recorded, and `name` what the result is called on the tape.
    """

    node: fx.Node
    arguments: Mapping[str, Any]
    operand: Callable[[Any], Operand]
    shape: Any
    name: str
    training: bool
    own: bool
    """Whether a layer made the call, and not a container's forward."""

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def first(self) -> Any:
        """Return the first argument, whatever the variant of the call names it."""
        return next(iter(self.arguments.values()))

    def value(self, name: str) -> Operand:
        """Return an argument as an operand."""
        return self.operand(self.arguments[name])

    @property
    def x(self) -> Operand:
        """Return the first argument as an operand."""
        return self.operand(self.first())

    def input_shape(self, name: str | None = None) -> tuple[int, ...]:
        """Return the shape of an argument that is a tensor, the first if none is named."""
        return tuple((self.first() if name is None else self.arguments[name]).meta["val"].shape)

    def word(self, op: str, *inputs: Operand, **attributes: Any) -> list[Word]:
        """Return the call as one word."""
        return [Word(op, inputs, attributes, self.shape, self.name)]

    def unknown(self, what: str, instead: str | None = None) -> Any:
        """Return the call under PyTorch's own name, which the lifting refuses if the result is needed; `instead` is the nearest thing."""
        tensors = [leaf for leaf in torch.utils._pytree.tree_leaves(list(self.arguments.values())) if isinstance(leaf, fx.Node)]
        inputs = tuple(self.operand(tensor) for tensor in tensors if tensor.op != "get_attr")
        attributes = {} if instead is None else {"instead": instead}
        if isinstance(self.shape, list):
            return tuple(
                [Word(f"torch.{what}", inputs, attributes, shape, part_name(self.name, place))] for place, shape in enumerate(self.shape)
            )
        return [Word(f"torch.{what}", inputs, attributes, self.shape, self.name)]


def part_name(name: str, part: object) -> str:
    """Return a name for a part of a call's result, or a step towards it; no name of a graph has a colon."""
    return f"{name}:{part}"


Rule: TypeAlias = "Callable[[Node], list[Word] | Passed | tuple[list[Word], ...]]"

"""What relations ask of a target: ops on arrays, and their gradients."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from unicnn.conformance.case import Data, Setting
from unicnn.conformance.target import Target
from unicnn.model import Model
from unicnn.ops.base import Op
from unicnn.ops.symbolic import Input

Array: TypeAlias = np.ndarray[Any, Any]
Pairs: TypeAlias = Iterator[tuple[Array, Array]]


class Asker:
    """Compute ops on a target under some numerics."""

    def __init__(self, target: Target, numerics: str) -> None:
        self.target, self.numerics = target, numerics

    def __call__(self, op: Op, *inputs: Array, mode: str = "inference", **weights: Array | None) -> Array:
        """Return the output of `op` on `inputs` with these parameters."""
        program, x = self._program(op, inputs, weights)
        output: Array = program(x, mode=mode)
        return output

    def gradients(self, op: Op, *inputs: Array, cotangent: Array, mode: str = "inference", **weights: Array | None) -> dict[str, Array]:
        """Return the gradients of sum(output * cotangent)."""
        program, x = self._program(op, inputs, weights)
        found: dict[str, Array] = program.vjp(x, cotangent, mode=mode)[1]
        return found

    def _program(self, op: Op, inputs: tuple[Array, ...], weights: dict[str, Array | None]) -> tuple[Any, Any]:
        symbols = tuple(Input(*value.shape[1:]) for value in inputs)
        model = Model(symbols if len(symbols) > 1 else symbols[0], op(*symbols, name="op"), name=op.lowering())
        held = {f"op.{key}": value for key, value in weights.items() if value is not None}
        return self.target.program(model, self.numerics, held), inputs if len(inputs) > 1 else inputs[0]


def changed(op: Op, **fields: Any) -> Any:
    """Return `op` with other values of some fields."""
    return dataclasses.replace(op, **fields)  # type: ignore[type-var]


def taken(setting: Setting, data: Data) -> tuple[Any, dict[str, Any]]:
    """Return the op of a setting, and its parameters by the names of its operands."""
    return setting.op, {name.removeprefix("op."): array for name, array in data.weights.items()}


def part(values: Array, group: int, groups: int, axis: int) -> Array:
    """Return the share of one group of channels."""
    size = values.shape[axis] // groups
    return np.take(values, range(group * size, (group + 1) * size), axis=axis)

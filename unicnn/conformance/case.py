"""What a conformance case is: an op on inputs of given shapes, and nothing of any framework."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from unicnn import randomness
from unicnn.model import Model
from unicnn.ops.base import Op, Shape
from unicnn.ops.loss import Loss
from unicnn.ops.symbolic import Input

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    """Be one op on one set of inputs.

    `exact` says that on inputs from the integer lattice the output has one right answer in every order of summation,
    which the kit proves before it relies on it, and `exact_gradients` the same of the gradients. `batch` is the number of samples, `training` the mode.
    """

    name: str
    op: Op
    shapes: tuple[Shape, ...]
    exact: bool = False
    batch: int = 3
    training: bool = False
    exact_gradients: bool = True

    @property
    def path(self) -> str:
        """Return the case's name with its op: ``conv2d/pad-asymmetric``."""
        return f"{self.op.lowering()}/{self.name}"

    def model(self) -> Model:
        """Return the network of this one op; for a loss, the network that passes its input on."""
        inputs = tuple(Input(*shape) for shape in self.shapes)
        if isinstance(self.op, Loss):
            return Model.of([("input", self.shapes[0])], [], name=self.path.replace("/", "-"))
        output = self.op(*inputs, name="op")
        return Model(inputs if len(inputs) > 1 else inputs[0], output, name=self.path.replace("/", "-"))

    def values(self, recipe: str, dtype: str, what: str, shape: Shape) -> Array:
        """Return an array for `what` ("input1", "weight", "cotangent", …), drawn by `recipe` and keyed by the case."""
        return RECIPES[recipe](shape, self.path, what).astype(dtype)


def _lattice(shape: Shape, *key: str) -> Array:
    """Return whole numbers from -8 to 8, which bfloat16 and TF32 hold exactly too."""
    return np.floor(randomness.uniform(shape, "lattice", *key) * 17) - 8


def _normal(shape: Shape, *key: str) -> Array:
    """Return standard normal values, rounded to float32 so that both dtypes see the same."""
    return randomness.normal(shape, "normal", *key).astype(np.float32).astype(np.float64)


def _wide(shape: Shape, *key: str) -> Array:
    """Return values whose magnitudes spread over 2^-10 to 2^10, rounded to float32."""
    exponents = np.floor(randomness.uniform(shape, "exponents", *key) * 21) - 10
    return _normal(shape, *key) * np.ldexp(1.0, exponents.astype(np.int64))


RECIPES = {"lattice": _lattice, "normal": _normal, "wide": _wide}

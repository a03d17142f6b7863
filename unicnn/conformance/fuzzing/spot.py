"""A spot: one layer with the very numbers it was given. Every failure is cut down to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from unicnn.graph import Graph, computed_op, infer
from unicnn.model import Layer, Model
from unicnn.ops.base import Op
from unicnn.ops.loss import Loss

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Fault:
    """Say what is wrong: on which backend, at which level, in which op, and with what; two faults are the same bug if these are equal.

    `kind` is "output", "gradient of weight", "shape of output", "bytes of output", or the name of an exception.
    """

    backend: str
    level: str
    op: str
    kind: str

    @property
    def is_error(self) -> bool:
        """Tell whether the fault is an exception, by whose name its kind goes."""
        return self.kind != "output" and " of " not in self.kind

    def __str__(self) -> str:
        what = f"{self.kind} raised by" if self.is_error else self.kind
        return f"{self.backend}: {what} {self.op} ({self.level})"


@dataclass(frozen=True, eq=False)
class Spot:
    """Be one layer and its numbers: the values it takes, its parameters by operand, the gradient that arrives at its output.

    For a loss, `cotangent` is the target.
    """

    op: Op
    inputs: tuple[Array, ...]
    weights: Mapping[str, Array]
    cotangent: Array
    training: bool

    @property
    def mode(self) -> str:
        """Return the mode that the program runs in."""
        return "training" if self.training else "inference"

    @property
    def layer(self) -> str:
        """Return the layer's name."""
        return f"{self.op.prefix}1"

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the inputs."""
        return ("input",) if len(self.inputs) == 1 else tuple(f"input{place + 1}" for place in range(len(self.inputs)))

    @property
    def x(self) -> Any:
        """Return the inputs as a program takes them."""
        return self.inputs if len(self.inputs) > 1 else self.inputs[0]

    @property
    def model(self) -> Model:
        """Return the network of this one layer; that of a loss passes its input on."""
        named = [(name, array.shape[1:]) for name, array in zip(self.names, self.inputs, strict=True)]
        layers = [] if isinstance(self.op, Loss) else [Layer(self.layer, self.op, self.names)]
        return Model.of(named, layers, name=self.lowering.replace("_", "-"))

    @property
    def graph(self) -> Graph:
        """Return that network in normal form."""
        return infer(self.model)

    @property
    def lowering(self) -> str:
        """Return the name of the function that is run."""
        return self.op.lowering()

    @property
    def computed(self) -> str:
        """Return the name of the function that is meant: "identity" for a layer that vanishes."""
        return self.lowering if isinstance(self.op, Loss) else computed_op(self.graph.nodes[0], self.training)

    @property
    def parameters(self) -> dict[str, Array]:
        """Return the parameters by the names that they have in the network."""
        return {f"{self.layer}.{key}": array for key, array in self.weights.items()}

    @property
    def attributes(self) -> dict[str, Any]:
        """Return the keyword arguments of the function."""
        if isinstance(self.op, Loss):
            return self.op.attributes(self.inputs[0].shape[1:])
        return dict(self.graph.nodes[0].attributes) | ({"training": self.training} if self.op.states else {})

    def operands(self, mask: Array | None = None) -> dict[str, Array | None]:
        """Return the operands of the function by name, in order."""
        given: dict[str, Array | None] = dict(zip(self.names, self.inputs, strict=True))
        if isinstance(self.op, Loss):
            return given | {"target": self.cotangent}
        held = {key: self.weights.get(key) for key in self.op.operands}
        return given | ({} if mask is None else {"mask": mask}) | held

    def arrays(self) -> dict[str, Array]:
        """Return all numbers by name."""
        own = "target" if isinstance(self.op, Loss) else "cotangent"
        return dict(zip(self.names, self.inputs, strict=True)) | dict(self.weights) | {own: self.cotangent}

    def replaced(self, arrays: Mapping[str, Array]) -> Spot:
        """Return the spot with other numbers of the same shapes."""
        everything = self.arrays() | dict(arrays)
        return Spot(
            self.op,
            tuple(everything[name] for name in self.names),
            {key: everything[key] for key in self.weights},
            everything["target" if isinstance(self.op, Loss) else "cotangent"],
            self.training,
        )

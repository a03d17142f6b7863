"""Inference: from a description to the normal form, in which nothing is implied any more."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from unicnn.errors import ShapeError
from unicnn.model import Model
from unicnn.ops.base import Misfit, Op, Parameter, Shape
from unicnn.ops.fields import by


@dataclass(frozen=True)
class Node:
    """Be one layer in normal form: every attribute explicit, every shape known."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    shape: Shape
    attributes: Mapping[str, Any]
    parameters: Mapping[str, Parameter]
    multiply_adds: int

    @property
    def size(self) -> int:
        """Return how many numbers the layer learns or keeps."""
        return sum(parameter.size for parameter in self.parameters.values())


@dataclass(frozen=True)
class Graph:
    """Be a network in normal form; its nodes stand in an order in which they can run."""

    model: Model
    nodes: tuple[Node, ...]

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """Return every array of the network under its full name, "conv1.weight"."""
        return {f"{node.name}.{key}": value for node in self.nodes for key, value in node.parameters.items()}

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Return the shape of every value, inputs included, batch axis left out."""
        return dict(self.model.inputs) | {node.name: node.shape for node in self.nodes}

    def path(self, node: Node) -> str:
        """Return how messages call a layer: ``lenet/conv2 (Conv2d 50, 7x7)``."""
        return f"{self.model.name}/{node.name} ({node.op})"

    @property
    def size(self) -> int:
        """Return how many learned numbers the network has; running statistics are state and do not count."""
        return sum(parameter.size for parameter in self.parameters.values() if parameter.trainable)

    @property
    def multiply_adds(self) -> int:
        """Return the multiply-adds of one sample's forward pass."""
        return sum(node.multiply_adds for node in self.nodes)

    @property
    def activations(self) -> int:
        """Return how many numbers all layer outputs of one sample hold."""
        return sum(math.prod(shape) for shape in self.shapes.values())


def computed_op(node: Node, training: bool) -> str:
    """Return the name of the function that a layer computes in this mode: its lowering, or "identity" if it vanishes."""
    return "identity" if node.op.vanishes(training) else node.op.lowering()


def infer(model: Model) -> Graph:
    """Return `model` in normal form, or raise ShapeError naming the first layer that cannot take its input."""
    return _infer(model, model.name)


@lru_cache(maxsize=64)
def _infer(model: Model, name: str) -> Graph:
    # The name is an argument because equal models may differ in it, and messages use it.
    shapes = dict(model.inputs)
    nodes = []
    for layer in model.layers:
        taken = tuple(shapes[source] for source in layer.inputs)
        shape = layer_shape(f"{name}/{layer.name} ({layer.op})", layer.op, taken)
        shapes[layer.name] = shape
        nodes.append(
            Node(
                layer.name,
                layer.op,
                layer.inputs,
                taken,
                shape,
                layer.op.attributes(*taken),
                layer.op.parameters(*taken),
                layer.op.multiply_adds(*taken),
            )
        )
    return Graph(model, tuple(nodes))


def layer_shape(path: str, op: Op, shapes: tuple[Shape, ...]) -> Shape:
    """Return the output shape of `op`, or raise ShapeError that begins with `path`."""
    wanted = op.inputs
    if len(shapes) != wanted if wanted is not None else len(shapes) < 2:
        raise ShapeError(
            f"{path} was given {len(shapes)} inputs but takes {'two or more' if wanted is None else wanted}. Pass as many values as it takes."
        )
    try:
        shape = op.output_shape(*shapes)
    except Misfit as misfit:
        taken = " and ".join(by(shape) for shape in shapes)
        raise ShapeError(f"{path} cannot take {taken}: {misfit.why} {misfit.hint}") from None
    if math.prod(shape) >= 2**63:
        raise ShapeError(f"{path} would give {by(shape)}, more numbers than a machine can count. Check its sizes.")
    return shape

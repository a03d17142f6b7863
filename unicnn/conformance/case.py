"""What a conformance case is: data, and nothing of any framework."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from unicnn import randomness
from unicnn.conformance.recipes import RECIPES, Stream, Wanted
from unicnn.graph import Graph, infer
from unicnn.model import Model
from unicnn.ops.base import Op, Shape
from unicnn.ops.loss import Loss
from unicnn.ops.symbolic import Input

Array: TypeAlias = np.ndarray[Any, Any]
BITS = {"float32": 24, "float64": 53}
"""How long a whole number of each dtype may be."""


@dataclass(frozen=True)
class Setting:
    """Be one op with its fields on inputs of given shapes: what many cases are about.

    `exact` says that on whole numbers the output has one right answer in every order of summation, and `exact_gradients` the same of the
    gradients; both are proven before they are relied on. `batch` is the number of samples, `training` the mode.
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
        """Return the setting's name with its op: ``conv2d/pad-asymmetric``."""
        return f"{self.op.lowering()}/{self.name}"

    @property
    def mode(self) -> str:
        """Return the mode that a program runs in."""
        return "training" if self.training else "inference"

    def model(self) -> Model:
        """Return the network of this one op; for a loss, the network that passes its input on."""
        return _model(self)

    def graph(self) -> Graph:
        """Return that network in normal form."""
        return infer(self.model())

    @property
    def terms(self) -> int:
        """Return how many products the longest sum adds up, of the output and of the gradients."""
        return _terms(self)


@lru_cache(maxsize=256)
def _model(setting: Setting) -> Model:
    inputs = tuple(Input(*shape) for shape in setting.shapes)
    name = setting.path.replace("/", "-")
    if isinstance(setting.op, Loss):
        return Model.of([("input", setting.shapes[0])], [], name=name)
    return Model(inputs if len(inputs) > 1 else inputs[0], setting.op(*inputs, name="op"), name=name)


@lru_cache(maxsize=256)
def _terms(setting: Setting) -> int:
    (node,) = setting.graph().nodes
    pixels = max(math.prod(node.shape[1:]), math.prod(setting.shapes[0][1:]))
    sums = [max(math.prod(item.shape[1:]), item.size // item.shape[1]) for item in node.parameters.values() if len(item.shape) > 1]
    return max(setting.batch * pixels, *sums, 1) + 1  # and the bias


@dataclass(frozen=True)
class Data:
    """Hold a case's numbers: inputs, weights by full name, and the cotangent of the output or the target of the loss."""

    inputs: tuple[Array, ...]
    weights: Mapping[str, Array]
    cotangent: Array

    @property
    def x(self) -> Any:
        """Return the inputs as a program takes them."""
        return self.inputs if len(self.inputs) > 1 else self.inputs[0]


@dataclass(frozen=True)
class Case:
    """Be one check of one setting: at a level, on inputs drawn by a recipe, in a dtype."""

    setting: Setting
    level: str
    recipe: str
    dtype: str = "float32"

    @property
    def id(self) -> str:
        """Return the case's name: ``conv2d/pad-asymmetric/exact-lattice-float32``."""
        return f"{self.setting.path}/{self.level}-{self.recipe}-{self.dtype}"

    @property
    def op(self) -> str:
        """Return the op's name."""
        return self.setting.op.lowering()

    def data(self) -> Data:
        """Return the case's numbers, as arrays of its dtype."""
        return draw(self.setting, self.recipe, self.dtype)


@lru_cache(maxsize=16)
def draw(setting: Setting, recipe: str, dtype: str) -> Data:
    """Return the numbers that a recipe gives for a setting; `var` parameters are made positive."""
    stream, graph = Stream(setting.path, recipe), setting.graph()
    terms = setting.terms if "canary" in recipe else 0
    channels = all(item.kind != "conv_transpose" for item in graph.parameters.values())

    def make(role: str, shape: Shape) -> Array:
        values = RECIPES[recipe](stream, Wanted(role, shape, terms, BITS[dtype], channels))
        values = values.astype(dtype)
        values.flags.writeable = False
        return values

    inputs = tuple(make("input", (setting.batch, *shape)) for shape in setting.shapes)
    weights = {name: make(item.kind, item.shape) for name, item in graph.parameters.items()}
    weights = {name: np.abs(array) + array.dtype.type(0.5) if name.endswith(".var") else array for name, array in weights.items()}
    if not isinstance(setting.op, Loss):
        return Data(inputs, weights, make("cotangent", (setting.batch, *graph.nodes[0].shape)))
    role, wanted = setting.op.target(setting.shapes[0])
    target = make("target", (setting.batch, *wanted))
    if role == "labels":
        target = randomness.raw(setting.batch, "labels", setting.path, recipe).astype(np.int64) % setting.shapes[0][0]
    return Data(inputs, weights, target)

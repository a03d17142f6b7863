"""The update of all parameters as a plan: clipping, then the optimiser's formula for each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from unicnn.graph import Graph
from unicnn.numerics.arithmetic import Arithmetic
from unicnn.plan import Argument, Plan, Step
from unicnn.training.clipping import ClipGlobalNorm, ClipNorm, ClipValue
from unicnn.training.optimizers import Optimizer
from unicnn.training.recipe import Recipe

Value: TypeAlias = Any

LIMIT, EPS = "clip_limit", "clip_eps"


class Update(Plan):
    """Take parameters, gradients, slots and numbers; return the new parameters, then the new slots."""

    static = True  # its formulas take arrays, not symbols without a shape


class _Builder:
    def __init__(self, graph: Graph, arithmetic: Arithmetic, recipe: Recipe) -> None:
        self.arithmetic, self.optimizer, self.clip = arithmetic, recipe.optimizer, recipe.clip
        self.learned = {name: parameter for name, parameter in graph.parameters.items() if parameter.trainable}
        self.numbers = list(numbers(recipe, 0.0, 1))
        self.arguments = list(self._arguments())
        self.places = {(item.role, item.name): place for place, item in enumerate(self.arguments)}
        self.steps: list[Step] = []
        self.slots = len(self.arguments)

    def _arguments(self) -> Sequence[Argument]:
        found = [Argument(name, role, item.shape, item.kind) for role in ("parameter", "gradient") for name, item in self.learned.items()]
        found += [Argument(f"{name}/{slot}", "slot", self.learned[name].shape, self.learned[name].kind) for name, slot in self.kept()]
        return found + [Argument(name, "number", (1,)) for name in self.numbers]

    def kept(self) -> list[tuple[str, str]]:
        return [(name, slot) for name in self.learned for slot in self.optimizer.slots]

    def build(self) -> Update:
        gradients = self._clipped({name: self.places["gradient", name] for name in self.learned})
        numbers = [self.places["number", name] for name in self.numbers]
        moved, kept = [], []
        for name in self.learned:
            slots = [self.places["slot", f"{name}/{slot}"] for slot in self.optimizer.slots]
            decays = self.optimizer.decays(name.rpartition(".")[2])
            formula = partial(_move, optimizer=self.optimizer, names=tuple(self.numbers), decays=decays)
            weight, *new = self._step(
                "update", formula, [self.places["parameter", name], gradients[name], *slots, *numbers], 1 + len(slots)
            )
            moved.append(weight)
            kept += new
        return Update(self.arguments, self.steps, [*moved, *kept], training=True)

    def _clipped(self, gradients: dict[str, int]) -> dict[str, int]:
        if self.clip is None:
            return gradients
        limit = self.places["number", LIMIT]
        if isinstance(self.clip, ClipGlobalNorm):
            squares = [self._step("square", _square, [slot])[0] for slot in gradients.values()]
            factor = self._step("factor", _factor, [limit, self.places["number", EPS], *squares])[0]
            return {name: self._step("scale", _scale, [slot, factor])[0] for name, slot in gradients.items()}
        function = {ClipValue: _clip_value, ClipNorm: _clip_norm}[type(self.clip)]
        return {name: self._step("clip", function, [slot, limit])[0] for name, slot in gradients.items()}

    def _step(self, op: str, function: Callable[..., Any], operands: list[int], results: int = 1) -> tuple[int, ...]:
        slots = tuple(range(self.slots, self.slots + results))
        self.slots += results
        self.steps.append(Step(op, self.arithmetic.formula(function), {}, tuple(operands), slots))
        return slots


def build(graph: Graph, arithmetic: Arithmetic, recipe: Recipe) -> Update:
    """Return the update of a graph's learned parameters by a recipe."""
    return _Builder(graph, arithmetic, recipe).build()


def slots(graph: Graph, optimizer: Optimizer) -> dict[str, tuple[str, str]]:
    """Return what an optimiser keeps, in order: "conv1.weight/velocity" to the parameter and the slot."""
    learned = [name for name, parameter in graph.parameters.items() if parameter.trainable]
    return {f"{name}/{slot}": (name, slot) for name in learned for slot in optimizer.slots}


def numbers(recipe: Recipe, rate: float, step: int) -> dict[str, float]:
    """Return the numbers that update `step`, counted from 1, takes, in order."""
    found: dict[str, float] = recipe.optimizer.all_numbers(rate, step)
    if recipe.clip is not None:
        found[LIMIT] = recipe.clip.limit
    if isinstance(recipe.clip, ClipGlobalNorm):
        found[EPS] = recipe.clip.eps or 0.0
    return found


def _move(
    t: Any, weight: Value, gradient: Value, *rest: Value, optimizer: Optimizer, names: tuple[str, ...], decays: bool
) -> tuple[Value, ...] | Value:
    state = dict(zip(optimizer.slots, rest, strict=False))
    new, kept = optimizer.update(t, weight, gradient, state, dict(zip(names, rest[len(optimizer.slots) :], strict=True)), decays=decays)
    return (new, *(kept[slot] for slot in optimizer.slots)) if optimizer.slots else new


def _clip_value(t: Any, gradient: Value, limit: Value) -> Value:
    return t.maximum(t.minimum(gradient, limit), -limit)


def _clip_norm(t: Any, gradient: Value, limit: Value) -> Value:
    return gradient * (limit / t.maximum(t.sqrt(t.total(gradient * gradient)), limit))


def _square(t: Any, gradient: Value) -> Value:
    return t.total(gradient * gradient)


def _factor(t: Any, limit: Value, eps: Value, first: Value, *squares: Value) -> Value:
    total = first
    for square in squares:
        total = total + square
    return limit / t.maximum(t.sqrt(total) + eps, limit)


def _scale(t: Any, gradient: Value, factor: Value) -> Value:
    return gradient * factor

"""One training step after another: a program, an optimiser's state, and how both move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from unicnn import overflow
from unicnn.errors import InputError
from unicnn.lowering import Purpose
from unicnn.program import Program
from unicnn.training.recipe import Recipe
from unicnn.training.update import build, numbers, slots

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Result:
    """Hold what a batch gave: its loss, as the recipe reduces it, and the scores (n, classes) as NumPy."""

    loss: float
    scores: Array


class Learner:
    """Move a program's parameters by a recipe, batch by batch; everything stays on the program's device."""

    def __init__(self, program: Program, recipe: Recipe) -> None:
        self.program, self.recipe = program, recipe
        self.steps = 0
        self.purpose = Purpose(training=True, loss=recipe.loss, gradients=True, scores=True)
        self.slots = slots(program.graph, recipe.optimizer)
        self._kept = {key: self._packed(name, self._start(name, slot)) for key, (name, slot) in self.slots.items()}
        self._numbers: dict[tuple[str, float], Any] = {}
        lowered = program.lowered(self.purpose)
        self.learned = lowered.arguments("parameter")
        update = build(program.graph, program.arithmetic, recipe)
        self._run = program.arithmetic.step(lowered.plan, tuple(self.learned.values()), update)

    def step(self, x: Any, labels: Any, rate: float) -> Result:
        """Run forward, backward and update on a batch at the learning rate `rate`, and return what the batch gave before the update.

        Nothing has moved if an error is raised.
        """
        program = self.program
        lowered, arguments, size = program.feed(x, self.purpose, self.steps, labels)
        seed = self._number("scale", self.recipe.scale(size), ()) if self.recipe.scaled else None
        rest = [*self._kept.values(), *(self._number(*item) for item in numbers(self.recipe, rate, self.steps + 1).items())]
        results, moved = self._run(arguments, (seed,), rest)
        if program.arithmetic.alarmed(results):
            self._find_overflow(arguments, x, labels, moved)
        result = Result(program.runtime.array(results[0]).item(), program.runtime.array(results[1]))
        program.move(lowered, results, dict(zip(self.learned, moved, strict=False)))
        self._kept = dict(zip(self._kept, moved[len(self.learned) :], strict=True))
        self.steps += 1
        return result

    def _find_overflow(self, arguments: list[Any], x: Any, labels: Any, moved: Any) -> None:
        program = self.program
        overflow.find(program, self.purpose, arguments)
        overflow.find_in_gradients(program, program.gradients(x, labels, self.recipe.loss, step=self.steps)[1])
        for name, tensor in zip((*self.learned, *self.slots), moved, strict=True):
            if not np.isfinite(program.runtime.array(tensor)).all():
                raise InputError(
                    f"{program.model.name}: update {self.steps + 1} takes {name!r} beyond the range of float32, and identical numerics have no "
                    "place for what is not finite. Use a smaller learning rate, or clip the gradients."
                )

    def state(self) -> dict[str, Array]:
        """Return what the optimiser keeps, "conv1.weight/velocity", as NumPy arrays in canonical layout."""
        kinds = self.program.graph.parameters
        return {key: self.program.runtime.unpack(kinds[name].kind, self._kept[key]) for key, (name, _) in self.slots.items()}

    def load(self, weights: Mapping[str, Array], state: Mapping[str, Array], steps: int) -> None:
        """Take over weights, the optimiser's state and the number of updates so far; nothing is changed if any does not fit."""
        if set(state) != set(self.slots):
            odd = sorted(set(state) ^ set(self.slots))[0]
            raise InputError(
                f"{self.program.model.name}: the optimiser's state and {type(self.recipe.optimizer).__name__} disagree on {odd!r}."
            )
        for key, (name, _) in self.slots.items():
            if state[key].shape != self.program.graph.parameters[name].shape:
                raise InputError(f"{self.program.model.name}: the optimiser's state {key!r} has shape {state[key].shape}.")
        self.program.load(weights)
        self._kept = {key: self._packed(name, state[key]) for key, (name, _) in self.slots.items()}
        self.steps = steps

    def _start(self, name: str, slot: str) -> Array:
        return np.full(self.program.graph.parameters[name].shape, self.recipe.optimizer.start(slot), self.program.numerics.dtype)

    def _packed(self, name: str, array: Array) -> Any:
        return self.program.runtime.pack(self.program.graph.parameters[name].kind, array.astype(self.program.numerics.dtype, copy=False))

    def _number(self, name: str, value: float, shape: tuple[int, ...] = (1,)) -> Any:
        """Return a number as a tensor; those that stay the same are made once."""
        key = name, value
        if key not in self._numbers:
            if len(self._numbers) > 64:
                self._numbers.clear()
            self._numbers[key] = self.program.runtime.tensor(np.full(shape, value, self.program.numerics.dtype))
        return self._numbers[key]

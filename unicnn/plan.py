"""A plan: the calls that compute a network, in order. What `lower` makes and a backend compiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any


@dataclass(frozen=True)
class Argument:
    """Describe one argument of a plan.

    `role` is "input", "mask", "values", "probe" (values in canonical order), "labels" (int64), "parameter", "state" (a parameter
    that is not learned), "gradient", "slot" (what an optimiser keeps for a parameter), or "prepared" (made once from parameters), which
    come as the backend packs their `kind`, or "number" (one value). `shape` leaves the batch axis of a batched one out.
    """

    name: str
    role: str
    shape: tuple[int, ...]
    kind: str = ""

    @property
    def batched(self) -> bool:
        """Tell whether the first axis is the batch."""
        return self.role in ("input", "mask", "values", "probe", "labels")


@dataclass(frozen=True)
class Step:
    """Be one call: `results` = function(*operands, **attributes); an operand of None is passed on as None."""

    op: str
    function: Callable[..., Any]
    attributes: Mapping[str, Any]
    operands: tuple[int | None, ...]
    results: tuple[int, ...]
    """Where the results go; of more than one, the function returns a tuple."""


class Plan:
    """Run the steps over a list of slots: the arguments first, then what the steps compute.

    Calling a plan with tensors computes; calling it with a framework's symbols traces. `training` tells the mode.
    """

    static = False
    """Whether the steps ask for the size of the batch: such a plan is traced with all shapes known, or not at all."""

    def __init__(self, arguments: Sequence[Argument], steps: Sequence[Step], results: Sequence[int], *, training: bool = False) -> None:
        self.training = training
        self.arguments = tuple(arguments)
        self.steps = tuple(steps)
        self.results = tuple(results)
        self.slots = max([len(self.arguments), *(slot + 1 for step in steps for slot in step.results)])
        self._calls = [self._bind(step, dead) for step, dead in zip(self.steps, self._last_uses(), strict=True)]

    def _bind(self, step: Step, dead: tuple[int, ...]) -> tuple[Callable[..., Any], tuple[int, ...], Any, tuple[int, ...]]:
        function = partial(step.function, **step.attributes) if step.attributes else step.function
        operands = tuple(self.slots if operand is None else operand for operand in step.operands)
        return function, operands, step.results[0] if len(step.results) == 1 else step.results, dead

    def _last_uses(self) -> list[tuple[int, ...]]:
        """Return, for each step, the slots that nothing reads after it, so that their memory can go."""
        keep = set(self.results) | set(range(len(self.arguments)))
        dead: list[tuple[int, ...]] = []
        for step in reversed(self.steps):
            touched = {slot for slot in (*step.operands, *step.results) if slot is not None}
            dead.append(tuple(touched - keep))
            keep |= touched
        return dead[::-1]

    def __call__(self, arguments: Sequence[Any]) -> tuple[Any, ...]:
        slots = self.fill(arguments)
        for function, operands, result, dead in self._calls:
            value = function(*[slots[operand] for operand in operands])
            if type(result) is int:
                slots[result] = value
            else:
                for slot, part in zip(result, value, strict=True):
                    slots[slot] = part
            for slot in dead:
                slots[slot] = None
        return tuple(slots[slot] for slot in self.results)

    def fill(self, arguments: Sequence[Any]) -> list[Any]:
        """Return the slots before the first step; one more than needed holds None, for operands that are absent."""
        return [*arguments, *([None] * (self.slots - len(self.arguments) + 1))]

    def keep(self, arguments: Sequence[Any]) -> list[Any]:
        """Run all steps and return every slot, for a derivative to look back at."""
        slots = self.fill(arguments)
        for (function, operands, _, _), step in zip(self._calls, self.steps, strict=True):
            value = function(*[slots[operand] for operand in operands])
            parts = (value,) if len(step.results) == 1 else value
            for slot, part in zip(step.results, parts, strict=True):
                slots[slot] = part
        return slots

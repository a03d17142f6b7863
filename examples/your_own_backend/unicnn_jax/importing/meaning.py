"""What the steps of a pass are in the words of the tape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from unicnn.porting.tape import Array, Call, Constant
from unicnn.porting.tape import Operand as Given
from unicnn_jax.importing.flattening import Flat, Operand, Span, Step
from unicnn_jax.importing.rules import RULES

Made = tuple[str, tuple[Given, ...], Mapping[str, Any]]


@dataclass
class Meaning:
    """Translate the steps of one pass. `calls` and `constants` are what the tape will hold."""

    flat: Flat
    arrays: Mapping[str, Any]
    trainable: frozenset[str]

    def __post_init__(self) -> None:
        self.calls: list[Call] = []
        self.made: dict[str, Call] = {}
        self.constants: dict[str, Constant] = {name: _constant(name, array, name in self.trainable) for name, array in self.arrays.items()}
        self.sources: dict[str, Step] = {name: step for step in self.flat.steps for name in step.outputs}
        self.alias: dict[str, Given] = {}

    def run(self) -> None:
        """Translate every step, and every span as a whole."""
        spans: dict[int, Span] = {}
        for span in self.flat.spans:  # an outer one is closed after those in it
            spans[span.start] = span
        place = 0
        while place < len(self.flat.steps):
            if place in spans:
                self._span(spans[place])
                place = spans[place].stop
            else:
                self._step(self.flat.steps[place])
                place += 1

    def _span(self, span: Span) -> None:
        inputs = tuple(None if item is None else self.given(item, span.path) for item in span.inputs)
        if span.word == "layer_norm" and len(span.attributes["axes"]) > 1:
            inputs = (inputs[0], *(self._spread(span, item) for item in inputs[1:]))
        self._note(Call(span.word, span.output, inputs, span.shape, span.attributes, span.path, span.own, span.where))

    def _spread(self, span: Span, constant: Given) -> Given:
        """Return a scale or a shift, which Flax keeps as a vector, in the sizes of the axes that are normalised."""
        if constant is None:
            return None
        sizes = tuple(span.shape[axis] for axis in span.attributes["axes"])
        name = f"{constant}.spread"
        self._note(Call("reshape", name, (constant,), sizes, {}, span.path, span.own, span.where))
        return name

    def _note(self, call: Call) -> None:
        self.calls.append(call)
        self.made[call.name] = call

    def _step(self, step: Step) -> None:
        rule = RULES.get(step.op)
        said = rule(self, step) if rule is not None else None
        if isinstance(said, str):
            self.alias[step.outputs[0]] = said
            return
        for name, shape in zip(step.outputs, step.shapes, strict=True):
            word, inputs, attributes = said or (f"jax.lax.{step.op}", tuple(self.given(item, step.path) for item in step.inputs), {})
            self._note(Call(word, name, inputs, shape, attributes, step.path, step.own, step.where))

    def extra(self, step: Step, suffix: str, word: str, inputs: tuple[Given, ...], **attributes: Any) -> str:
        """Note a call that JAX does not make by itself, and return its name."""
        name = f"{step.outputs[0]}.{suffix}"
        self._note(Call(word, name, inputs, step.shapes[0], attributes, step.path, step.own, step.where))
        return name

    def given(self, operand: Operand, path: str) -> Given:
        """Return an operand as the tape has it: a name, a number, or the name of a constant that code made."""
        if isinstance(operand, str):
            return self.alias.get(operand, operand)
        if operand.shape == () or (operand.size and np.ptp(operand) == 0 and operand.dtype != object):
            return float(operand.ravel()[0])
        name = next(name for i in range(1, len(self.constants) + 2) if (name := f"{path}.constant{i}".lstrip(".")) not in self.constants)
        self.constants[name] = _constant(name, operand, False)
        return name

    def inputs(self, step: Step) -> tuple[Given, ...]:
        """Return the operands of a step."""
        return tuple(self.given(item, step.path) for item in step.inputs)

    def shape(self, operand: Operand) -> tuple[int, ...]:
        """Return the shape of an operand."""
        return self.flat.shapes[operand] if isinstance(operand, str) else operand.shape

    def source(self, operand: Operand, *ops: str) -> Step | None:
        """Return the step that made an operand, if it is one of these."""
        found = self.sources.get(operand) if isinstance(operand, str) else None
        return found if found is not None and found.op in ops else None


def _constant(name: str, array: Any, trainable: bool) -> Constant:
    return Constant(name, tuple(array.shape), lambda: _read(array), trainable)


def _read(array: Any) -> Array:
    given = np.asarray(array)
    return given if given.dtype in (np.float32, np.float64) else given.astype(np.float32)

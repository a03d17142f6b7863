"""Flattening: the nested jaxpr becomes a list of steps, whose constants are known, with the layers that are spans of it."""

from __future__ import annotations

import linecache
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import flax
import jax
import numpy as np
from jax.extend import core

from unicnn.porting.tape import Where
from unicnn_jax.importing.functions import known
from unicnn_jax.importing.tracing import BEGIN, END, SCOPE, Trace

Operand: TypeAlias = "str | np.ndarray[Any, Any]"
"""The name of a value or of an array of the network, or an array that the code made."""

INNER = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr",
         "custom_vjp_call": "call_jaxpr", "custom_vjp_call_jaxpr": "fun_jaxpr", "remat": "jaxpr", "checkpoint": "jaxpr"}  # fmt: skip
"""The primitives that only call something."""

_SAME = frozenset({"copy", "copy_p", "optimization_barrier", "sharding_constraint", "convert_element_type", "reduce_precision"})
"""What gives its input back."""

_LIBRARIES = (
    *(f"{Path(module.__file__).parent}{os.sep}" for module in (jax, flax, np) if module.__file__),
    f"{Path(__file__).parents[1]}{os.sep}",
)


@dataclass(frozen=True)
class Step:
    """Be one primitive that was applied."""

    primitive: Any
    params: Mapping[str, Any]
    inputs: tuple[Operand, ...]
    outputs: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    path: str
    own: bool
    where: Where | None

    @property
    def op(self) -> str:
        """Return the primitive's name."""
        return str(self.primitive.name)


@dataclass(frozen=True)
class Span:
    """Be steps that are one word: those from place `start` up to `stop`."""

    start: int
    stop: int
    word: str
    inputs: tuple[Operand | None, ...]
    attributes: Mapping[str, Any]
    output: str
    shape: tuple[int, ...]
    path: str
    own: bool
    where: Where | None


@dataclass(frozen=True)
class Flat:
    """Hold a pass as steps; `spans` are the words that several of them are."""

    steps: tuple[Step, ...]
    spans: tuple[Span, ...]
    outputs: tuple[Operand, ...]
    shapes: Mapping[str, tuple[int, ...]]


class Flattener:
    """Flatten the jaxpr of a trace."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.steps: list[Step] = []
        self.spans: list[Span] = []
        self.open: dict[int, tuple[int, Operand]] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}

    def flat(self) -> Flat:
        """Return the steps."""
        closed = self.trace.jaxpr
        names = [*self.trace.arrays, *self.trace.inputs]
        for name, variable in zip(names, closed.jaxpr.invars, strict=True):
            self.shapes[name] = tuple(variable.aval.shape)
        with jax.enable_x64(True):
            outputs = self._run(closed.jaxpr, closed.consts, names, ("", False), None)
        return Flat(tuple(self.steps), tuple(self.spans), tuple(outputs), self.shapes)

    def _run(
        self, jaxpr: Any, consts: Sequence[Any], given: Sequence[Operand], scope: tuple[str, bool], line: Where | None
    ) -> list[Operand]:
        held: dict[Any, Operand] = {}
        for variables, values in ((jaxpr.constvars, [_constant(value) for value in consts]), (jaxpr.invars, given)):
            held.update(zip(variables, values, strict=True))

        def read(atom: Any) -> Operand:
            return np.asarray(atom.val) if isinstance(atom, core.Literal) else held[atom]

        for equation in jaxpr.eqns:
            place = self._scope(equation) or scope
            where = line or _where(equation)
            results = self._equation(equation, [read(atom) for atom in equation.invars], place, where)
            held.update(zip(equation.outvars, results, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def _equation(self, equation: Any, inputs: list[Operand], place: tuple[str, bool], where: Where | None) -> list[Operand]:
        name = equation.primitive.name
        if equation.primitive is BEGIN:
            self.open[equation.params["mark"]] = (len(self.steps), inputs[0])
            return inputs
        if equation.primitive is END:
            return [self._layer(equation, inputs[0], place, where)]
        if name in INNER and INNER[name] in equation.params:
            return self._call(equation, inputs, place, where)
        if not any(isinstance(item, str) for item in inputs):
            return self._folded(equation, inputs)
        if name in _SAME and _floating(equation):
            return inputs
        return list(self._note(equation, inputs, place, where))

    def _call(self, equation: Any, inputs: list[Operand], place: tuple[str, bool], where: Where | None) -> list[Operand]:
        inner = equation.params[INNER[equation.primitive.name]]
        jaxpr, consts = (inner.jaxpr, inner.consts) if hasattr(inner, "consts") else (inner, ())
        start = len(self.steps)
        said = known(equation, inputs)
        results = self._run(jaxpr, consts, inputs, place, where)
        if said is not None and isinstance(results[0], str) and len(self.steps) > start and results[0] in self.steps[-1].outputs:
            word, attributes = said
            value = next(item for item in inputs if isinstance(item, str))
            span = Span(start, len(self.steps), word, (value,), attributes, results[0], self.shapes[results[0]], *place, where)
            self.spans.append(span)
        return results

    def _layer(self, equation: Any, result: Operand, place: tuple[str, bool], where: Where | None) -> Operand:
        """Close the span of one of Flax's layers; what gives back its input is a step of its own, so that it has a value."""
        mark = self.trace.marks[equation.params["mark"]]
        start, x = self.open.pop(equation.params["mark"])
        if isinstance(x, np.ndarray):
            return result
        if len(self.steps) == start or not isinstance(result, str) or result not in self.steps[-1].outputs:
            (result,) = self._note(equation, [result], place, where)
        inputs = (x, *mark.variables)
        shape = self.shapes[result]
        self.spans.append(Span(start, len(self.steps), mark.said.word, inputs, mark.said.attributes, result, shape, mark.path, True, where))
        return result

    def _note(self, equation: Any, inputs: Sequence[Operand], place: tuple[str, bool], where: Where | None) -> Iterator[str]:
        number = len(self.steps) + 1
        outputs = tuple(f"{equation.primitive.name}.{number}" + (f".{i}" if i else "") for i in range(len(equation.outvars)))
        shapes = tuple(tuple(variable.aval.shape) for variable in equation.outvars)
        self.shapes.update(zip(outputs, shapes, strict=True))
        self.steps.append(Step(equation.primitive, equation.params, tuple(inputs), outputs, shapes, *place, where))
        yield from outputs

    def _folded(self, equation: Any, inputs: Sequence[Any]) -> list[Operand]:
        """Compute what depends on nothing."""
        result = equation.primitive.bind(*inputs, **equation.primitive.get_bind_params(equation.params))
        return [_constant(item) for item in (result if equation.primitive.multiple_results else [result])]

    def _scope(self, equation: Any) -> tuple[str, bool] | None:
        found = re.findall(rf"{SCOPE}(\d+)", str(equation.source_info.name_stack))
        return self.trace.scopes[int(found[-1])] if found else None


def _constant(value: Any) -> np.ndarray[Any, Any]:
    return value if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key) else np.asarray(value)


def _floating(equation: Any) -> bool:
    """Tell whether a step goes from numbers with fractions to such numbers."""
    atoms = [*equation.invars, *equation.outvars]
    return len(equation.invars) == len(equation.outvars) and all(np.issubdtype(atom.aval.dtype, np.floating) for atom in atoms)


def _where(equation: Any) -> Where | None:
    """Return the user's line that a step comes from."""
    traceback = equation.source_info.traceback
    for frame in traceback.frames if traceback is not None else ():
        name = frame.file_name
        if not name.startswith(_LIBRARIES) and not name.endswith(("contextlib.py", "functools.py")):
            return Where(name, frame.line_num, linecache.getline(name, frame.line_num).strip())
    return None

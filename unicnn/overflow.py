"""Where a value left the range of float32, which identical numerics must not: found once an alarm has sounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import numpy as np

from unicnn.errors import InputError
from unicnn.lowering import Purpose

if TYPE_CHECKING:
    from unicnn.program import Program

Array: TypeAlias = np.ndarray[Any, Any]

_NO_PLACE = "and identical numerics have no place for what is not finite"


def find(program: Program, purpose: Purpose, arguments: Sequence[Any]) -> None:
    """Raise InputError naming the first layer that is given a value which is not finite, or return if there is none.

    The alarm is sounded by bounds, and may be a false one.
    """
    graph, array = program.graph, program.runtime.array
    every = program.lowered(Purpose(training=purpose.training, every=True))
    kept = [*arguments[: len(graph.model.inputs)], *program.held(every), *program.lowered(purpose).masks(arguments)]
    results = program.arithmetic.compile(every.plan)(kept)
    values = dict(zip((name for name, _ in graph.model.inputs), map(array, arguments), strict=False))
    first = len(every.heads)
    for name, result in zip(every.layers, results[first : first + len(every.layers)], strict=True):
        values[name] = array(result)
    for name, value in values.items():
        if not np.isfinite(value).all():
            _refuse(program, name, value)
    for name, result in zip(every.states, results[first + len(every.layers) :], strict=False):
        if not np.isfinite(array(result)).all():
            raise InputError(
                f"{graph.model.name}: the running statistic {name!r} exceeds the range of float32, {_NO_PLACE}. "
                'Scale the inputs down, or use numerics="native".'
            )


def _refuse(program: Program, name: str, value: Array) -> NoReturn:
    model = program.model
    place = tuple(int(axis[0]) for axis in np.nonzero(~np.isfinite(value)))
    reader = next((node for node in program.graph.nodes if name in node.inputs), None)
    entered = "the output" if reader is None else program.graph.path(reader)
    given = dict(model.inputs)
    source = f"the input {name!r}" if name in given else f"{model.name}/{name}, which exceeds the range of float32,"
    raise InputError(
        f"{entered} is given {value[place]} by {source} at {place}, {_NO_PLACE}. "
        + ("Repair the data" if name in given else "Use smaller weights or inputs")
        + ', or use numerics="native".'
    )


def find_in_gradients(program: Program, gradients: Mapping[str, Array]) -> None:
    """Raise InputError naming the first gradient that is not finite, or return if there is none."""
    for name, array in gradients.items():
        if not np.isfinite(array).all():
            raise InputError(
                f"{program.model.name}: the gradient of {name!r} exceeds the range of float32, {_NO_PLACE}. "
                'Scale the loss or the cotangents down, or use numerics="native".'
            )

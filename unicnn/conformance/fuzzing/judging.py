"""Judging a spot: natively against the exact result, and under identical numerics against the other backends."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from unicnn.comparison.judge import judge
from unicnn.conformance.fuzzing.spot import Fault, Spot
from unicnn.errors import InputError, UnsupportedError
from unicnn.fingerprint import digest
from unicnn.numerics import bounds
from unicnn.numerics.ball import FLOAT32, Ball
from unicnn.ops.loss import Loss
from unicnn.program import Program, lower

Array: TypeAlias = np.ndarray[Any, Any]
Results: TypeAlias = dict[str, Array]

LARGEST = float(np.finfo(np.float32).max)
OVERFLOWS = LARGEST * FLOAT32.unit
"""A radius from which on a partial sum may have overflowed: a sum of absolute values s has a radius of at least s u."""
MILD = (2.0**-60, 2.0**40)
"""From the first to the second, formulas with squares and cubes stay within the range of float32, in whatever order they multiply."""
LARGE = 2.0**100
ALL = "all"
"""The backend of a fault that all have alike."""
PRODUCTS = ("conv2d", "conv_transpose2d", "linear", "avg_pool2d", "adaptive_avg_pool2d", "add", "mul", "dropout")
"""The ops whose overflow a radius tells."""
MOVES = ("identity", "flatten", "reshape", "transpose", "pad", "concat", "relu", "relu6", "max_pool2d")


def step_by_step(program: Program) -> Program:
    """Make a program under identical numerics run its steps one by one, which for a single run is faster than to compile them."""
    program.runtime.compile = lambda plan: plan  # type: ignore[method-assign]
    return program


def computed(spot: Spot, program: Program) -> Results:
    """Return what a program computes of a spot: "output" and "gradient of …", or for a loss its gradient."""
    if isinstance(spot.op, Loss):
        loss, gradients = program.gradients(spot.x, spot.cotangent, spot.op)
        return {"output": np.asarray(loss, np.float32), "gradient of input": gradients["input"]}
    output, gradients = program.vjp(spot.x, spot.cotangent, mode=spot.mode)
    return {"output": output} | {f"gradient of {name.rpartition('.')[2]}": array for name, array in gradients.items()}


def expected(spot: Spot, mask: Array | None = None) -> dict[str, Ball]:
    """Return the exact results of a spot, and how far a correct one may be from them."""
    operands = spot.operands(mask)
    arrays, cotangent = list(operands.values()), np.ones(()) if isinstance(spot.op, Loss) else spot.cotangent
    balls = {"output": bounds.forward(spot.computed, arrays, spot.attributes)}
    found = bounds.gradients(spot.computed, arrays, cotangent, spot.attributes)
    return balls | {f"gradient of {name}": ball for name, ball in zip(operands, found, strict=True) if ball is not None}


def mask_of(spot: Spot, program: Program) -> Array | None:
    """Return the dropout mask with which a program runs a spot, or None."""
    return program.masks(len(spot.inputs[0]), 0).get(spot.layer) if spot.op.masked and spot.training else None


def native(spot: Spot, backend: str, *, strict: bool = False) -> list[Fault]:
    """Return what a backend, run natively, does wrong at a spot; `strict` takes an overflow in between for wrong, too."""
    try:
        program = lower(spot.model, backend, weights=spot.parameters)
        found = computed(spot, program)
    except UnsupportedError:
        return []
    except Exception as error:  # whatever a framework raises is what is looked for
        return [Fault(backend, "native", type(spot.op).__name__, type(error).__name__)]
    wanted = expected(spot, mask_of(spot, program))
    kinds = [fault_of(name, array, wanted[name], strict=strict) for name, array in found.items() if name in wanted]
    return [Fault(backend, "native", type(spot.op).__name__, kind) for kind in kinds if kind is not None]


def fault_of(name: str, found: Array, ball: Ball, *, strict: bool = False) -> str | None:
    """Return the kind of fault that a result is, or None; unless `strict`, anything is right where a partial sum may have overflowed."""
    if found.shape != ball.shape:
        return f"shape of {name}"
    judged = found
    if not strict:
        with np.errstate(over="ignore"):
            judged = np.where(ball.radius < OVERFLOWS, found, ball.value.astype(found.dtype))
    return None if judge(judged, ball).agrees else name


def cleaned(spot: Spot) -> Spot:
    """Return a spot with the numbers made zero that are too small for the bounds: subnormal ones, and those that formulas make subnormal."""
    least = np.finfo(np.float32).tiny if _free(spot) else MILD[0]
    floats = {name: array for name, array in spot.arrays().items() if array.dtype == np.float32}
    return spot.replaced({name: np.where(np.abs(array) < least, np.float32(0), array) for name, array in floats.items()})


def was_cleaned(spot: Spot, clean: Spot) -> bool:
    """Tell whether `cleaned` changed anything."""
    return any(not np.array_equal(array, clean.arrays()[name]) for name, array in spot.arrays().items())


def judgeable(spot: Spot) -> bool:
    """Tell whether the bounds speak of a spot: its numbers are finite, and no formula can leave the range of float32 in between."""
    arrays = [array for array in spot.arrays().values() if array.dtype == np.float32]
    if not all(np.isfinite(array).all() for array in arrays):
        return False
    # Where windows overlap, gradients add up, and what an overflow there makes of values that were not chosen is no matter of bounds.
    most = LARGE if spot.computed == "max_pool2d" else np.inf if _free(spot) else MILD[1]
    return all(np.abs(array).max(initial=0) <= most for array in arrays)


def _free(spot: Spot) -> bool:
    """Tell whether a spot's numbers may be as large and as small as they like: no two roundings follow each other, but in a sum."""
    return (spot.computed in PRODUCTS and len(spot.inputs) <= 2) or spot.computed in MOVES


def identical(spot: Spot, backends: Sequence[str], *, compiled: bool = False) -> list[Fault]:
    """Return which backends' bytes at a spot are not those of most, and which raise what others do not."""
    found = {name: _bytes(spot, name, compiled) for name in backends}
    return differing(found, lambda _: type(spot.op).__name__)


def _bytes(spot: Spot, backend: str, compiled: bool) -> Results | Exception:
    try:
        program = lower(spot.model, backend, numerics="identical", weights=spot.parameters)
        if not compiled:
            step_by_step(program)
        return computed(spot, program) | {f"running {name}": array for name, array in _moved(spot, program).items()}
    except Exception as error:  # whatever a framework raises is what is looked for
        return error


def _moved(spot: Spot, program: Program) -> Results:
    after = program.weights()
    return {key: after[f"{spot.layer}.{key}"] for key in spot.op.states} if spot.training else {}


def differing(found: Mapping[str, Results | Exception], op_of: Callable[[str], str]) -> list[Fault]:
    """Return the faults among what backends computed under identical numerics, all of which should be the same bytes.

    `op_of` names the op to which a result belongs. An error that is explained, such as that of an overflow, is none if all raise it.
    A fault that all of several backends have alike is one of the core.
    """
    arrays = {name: results for name, results in found.items() if not isinstance(results, Exception)}
    faults = [Fault(name, "identical", op_of("output"), kind) for name, kind in _errors(found).items()]
    for what in next(iter(arrays.values()), {}):
        digests = {name: digest([np.asarray(results[what])]) for name, results in arrays.items()}
        most = Counter(digests.values()).most_common(1)[0][0]
        faults += [Fault(name, "identical", op_of(what), f"bytes of {what}") for name, sha in digests.items() if sha != most]
        for name, results in arrays.items():
            promise = broken_promise(results[what])
            faults += [Fault(name, "identical", op_of(what), f"{promise} of {what}")] if promise else []
    return _united(faults, list(found))


def _errors(found: Mapping[str, Results | Exception]) -> dict[str, str]:
    """Return the errors by backend that are faults: those that are not explained, or that not all raise."""
    errors = {name: error for name, error in found.items() if isinstance(error, Exception) and not isinstance(error, UnsupportedError)}
    explained = all(isinstance(error, InputError) for error in errors.values())
    return {} if explained and len(errors) == len(found) else {name: type(error).__name__ for name, error in errors.items()}


def _united(faults: Sequence[Fault], backends: Sequence[str]) -> list[Fault]:
    """Return the faults, each that all backends have as one of a backend called "all"."""
    alike = [dataclasses.replace(fault, backend=ALL) for fault in faults]
    counts = Counter(alike)
    shared = [fault for fault, count in counts.items() if count == len(backends) > 1]
    return [*shared, *(fault for fault, common in zip(faults, alike, strict=True) if common not in shared)]


def broken_promise(array: Array) -> str | None:
    """Return which promise of identical numerics an array breaks: float32, finite, with no subnormal number and no -0."""
    array = np.asarray(array)
    if array.dtype != np.float32:
        return "dtype"
    if not np.isfinite(array).all():
        return "finiteness"
    subnormal = (array != 0) & (np.abs(array) < np.finfo(np.float32).tiny)
    return "canonical form" if np.signbit(array[array == 0]).any() or subnormal.any() else None

"""What the tests of identical numerics share: everything a program computes, and the demand that it be the same bytes elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unicnn.conformance.case import Case
from unicnn.conformance.graphs import Sample
from unicnn.graph import infer
from unicnn.ops.loss import Loss
from unicnn.program import Program, lower

Array = np.ndarray[Any, Any]


def case_results(case: Case, recipe: str, backend: str) -> dict[str, Array]:
    """Return what a backend computes of a case: the output, every gradient, and running statistics after it."""
    graph = infer(case.model())
    inputs = [case.values(recipe, "float32", f"input{place}", (case.batch, *shape)) for place, shape in enumerate(case.shapes)]
    weights = {name: case.values(recipe, "float32", name, item.shape) for name, item in graph.parameters.items()}
    weights = {name: np.abs(array) + np.float32(0.5) if name.endswith(".var") else array for name, array in weights.items()}
    program = lower(case.model(), backend, numerics="identical", weights=weights)
    if isinstance(case.op, Loss):
        role, wanted = case.op.target(case.shapes[0])
        target = case.values(recipe, "float32", "target", (case.batch, *wanted))
        if role == "labels":
            target = np.abs(target * 7).astype(np.int64) % case.shapes[0][0]
        loss, gradients = program.gradients(inputs[0], target, case.op)
        return {"loss": np.float32(loss), **gradients}
    mode = "training" if case.training else "inference"
    output = program(tuple(inputs) if len(inputs) > 1 else inputs[0], mode=mode)
    moved = {name: array for name, array in program.weights().items() if case.training}
    program.load(weights)
    cotangent = case.values(recipe, "float32", "cotangent", output.shape)
    beside, gradients = program.vjp(tuple(inputs) if len(inputs) > 1 else inputs[0], cotangent, mode=mode)
    return {
        "output": output,
        "output beside gradients": beside,
        **{f"gradient of {name}": value for name, value in gradients.items()},
        **moved,
    }


def graph_results(sample: Sample, program: Program) -> dict[str, Array]:
    """Return the outputs, the loss, all gradients and the running statistics of a random network on its data."""
    mode = "training" if sample.training else "inference"
    output = program(sample.inputs, mode=mode, step=3)
    moved = program.weights()
    program.load(sample.weights)
    loss, gradients = program.gradients(sample.inputs, sample.labels, mode=mode, step=3)
    return {"output": output, "loss": np.float32(loss), **gradients, **{f"{name} after": array for name, array in moved.items()}}


def differing(found: Mapping[str, Array], wanted: Mapping[str, Array]) -> list[str]:
    """Return the names under which two results are not the same bytes."""
    assert set(found) == set(wanted)
    return [name for name in wanted if not same(found[name], wanted[name])]


def same(one: Array, other: Array) -> bool:
    """Tell whether two arrays have the same shape, dtype and bytes, all finite and canonical: no -0, no subnormal."""
    for array in (np.asarray(one), np.asarray(other)):
        if array.dtype != np.float32 or not np.isfinite(array).all() or np.signbit(array[array == 0]).any():
            return False
        if ((array != 0) & (np.abs(array) < np.finfo(np.float32).tiny)).any():
            return False
    return np.shape(one) == np.shape(other) and np.asarray(one).tobytes() == np.asarray(other).tobytes()


def tells(arrays: Mapping[str, Array]) -> bool:
    """Tell whether the arrays could differ at all: something in them is not constant."""
    return any(np.size(array) > 1 and np.ptp(array) > 0 for array in arrays.values())

"""What the tests of identical numerics share: everything a program computes, and the demand that it be the same bytes elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unicnn.conformance.case import Setting, draw
from unicnn.conformance.graphs import Sample
from unicnn.conformance.target import Target
from unicnn.program import Program

Array = np.ndarray[Any, Any]


def setting_results(setting: Setting, recipe: str, backend: str) -> dict[str, Array]:
    """Return what a backend computes of a setting: the output, every gradient, and running statistics after it."""
    target, data = Target(backend), draw(setting, recipe, "float32")
    return {**target.forward(setting, data, "identical"), **target.backward(setting, data, "identical")}


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

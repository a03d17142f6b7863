"""What the two sides of a proof have to do with each other: whose layer is whose, and whether anything could be seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from unicnn.graph import Graph, Node
from unicnn.model import Layer, Model
from unicnn.porting.dialect import DialectInfo
from unicnn.porting.imported import Imported
from unicnn.porting.normal import canonical
from unicnn.porting.proof.certificate import Row, Training
from unicnn.porting.proof.judging import distance
from unicnn.porting.proof.side import ImportedSide, Observed, Side, Trained
from unicnn.porting.reading import BATCH

Array: TypeAlias = np.ndarray[Any, Any]


def changed(name: str, array: Array, by: float) -> Array:
    """Return a parameter changed by so much of each number, or, where it is zero, by so much."""
    changed = array * np.float32(1 + by)
    return (changed if name.endswith(".var") else np.where(array == 0, np.float32(by), changed)).astype(array.dtype)


def called_as(imported: Imported, names: Sequence[str]) -> Imported:
    """Return a network with its input called as the other side calls its own, where both have one: its name says nothing then."""
    model = imported.model
    if len(names) != 1 or len(model.inputs) != 1 or any(layer.name == names[0] for layer in model.layers):
        return imported
    ((own, shape),) = model.inputs
    called = {own: names[0]}
    layers = [Layer(layer.name, layer.op, tuple(called.get(name, name) for name in layer.inputs)) for layer in model.layers]
    outputs = [(key, called.get(name, name)) for key, name in model.outputs]
    return dataclasses.replace(imported, model=Model.of([(names[0], shape)], layers, outputs, name=model.name))


def matched(model: Model, other: Model) -> dict[str, str]:
    """Return the port's name of each layer that it calls otherwise: the one in the same place, if there are as many."""
    mine, theirs = canonical(model).layers, canonical(other).layers
    if len(mine) != len(theirs):
        return {}
    known, named = {layer.name for layer in mine}, {layer.name for layer in theirs}
    return {one.name: two.name for one, two in zip(mine, theirs, strict=True) if one.name not in named and two.name not in known}


def recorded_batch(side: Side) -> int:
    """Return how many samples an original was read with: other than the usual number, if it takes no other."""
    if not isinstance(side, ImportedSide) or side.imported.recording is None:
        return BATCH
    return min(shape[0] for _, shape in side.imported.recording.tape.inputs)


def inexact(graph: Graph, dialects: Sequence[DialectInfo]) -> tuple[str, ...]:
    """Return why a framework cannot compute a network as exactly as float64 is, for each op of which it says so."""
    ops = {node.op.lowering() for node in graph.nodes}
    return tuple(dict.fromkeys(reason for info in dialects for op, reason in info.inexact.items() if op in ops))


def behaving(row: Row, node: Node, other: Layer | None) -> Row:
    """Return a layer's row, with what the port's layer does otherwise in training only."""
    if other is None or type(other.op) is not type(node.op) or not (node.op.states or node.op.masked):
        return row
    theirs = other.op.fields()
    for key, value in node.op.fields().items():
        if key in ("keep", "running_var", "p") and theirs[key] != value:
            hint = {
                "keep": " PyTorch's momentum is 1 - keep, everybody else's is keep.",
                "running_var": " Only PyTorch keeps the unbiased variance; --inference-only leaves out what training does.",
            }.get(key, "")
            return dataclasses.replace(
                row, differs=row.differs or f"in training: {key} is {value} in the original and {theirs[key]} in the port.{hint}"
            )
    return row


def meaningless(observed: Observed) -> str | None:
    """Say why nothing is proven by these outputs, or None."""
    for place, array in enumerate(observed.outputs):
        if not np.isfinite(array).all():
            return f"output {place} of the original is not finite, and nothing is proven by infinities."
        if array.size > 1 and np.ptp(array) == 0:
            return f"output {place} of the original is the same number everywhere, and nothing is proven by it. Give it trained or random weights."
    return None


def compared(mine: Trained, theirs: Trained, start: Mapping[str, Array], renamed: Mapping[str, str]) -> Training:
    """Return how far two trainings are apart, and how far the first moved."""
    losses = distance(np.asarray(mine.losses, np.float64), np.asarray(theirs.losses, np.float64))
    apart, moved = 0.0, 0.0
    for name, a in mine.weights.items():
        layer, _, role = name.rpartition(".")
        b = theirs.weights.get(f"{renamed.get(layer, layer)}.{role}")
        if b is not None:
            apart = max(apart, distance(a, b))
            moved = max(moved, distance(np.asarray(start[name], np.float64), a))
    return Training(len(mine.losses), losses, apart, moved)

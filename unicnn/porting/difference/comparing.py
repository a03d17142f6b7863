"""Every difference between two matched networks, with the severity that follows from what the ops mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from unicnn.graph import Node
from unicnn.ops.base import Misfit, Op
from unicnn.ops.fields import brief, by
from unicnn.porting.difference import causes
from unicnn.porting.difference.matching import OUTPUT
from unicnn.porting.difference.patching import Atom
from unicnn.porting.difference.result import INFERENCE, NO_EFFECT, TRAINING, Difference
from unicnn.porting.difference.wiring import Wiring

TRAINING_ONLY = {("BatchNorm2d", "keep"), ("BatchNorm2d", "running_var"), ("Dropout", "p")}
"""Fields that inference does not read."""

_NORMAL = {
    "padding": ("padding", "crop"), "output_padding": ("crop",),
    "axis": ("axis",), "axes": ("axes",), "shape": ("shape",),
}  # fmt: skip
"""Which attribute of the normal form a field comes to, where it is spelt otherwise there."""


def compare(wiring: Wiring) -> list[Difference]:
    """Return all differences, in the order of the layers."""
    found = [*_inputs(wiring)]
    for place, pair in enumerate(wiring.matching.pairs):
        if pair.a and pair.b:
            found += _matched(pair.a, pair.b, place)
            found += _wired(wiring, pair.a.name, place)
        elif pair.a and pair.a.name not in wiring.matching.moved:
            found.append(_missing(pair.a, place))
        elif pair.b and pair.b.name not in wiring.matching.moved.values():
            found.append(_added(pair.b, place))
        elif pair.a:
            found.append(_moved(wiring, pair.a, place))
    return [*found, *_wired(wiring, OUTPUT, len(wiring.matching.pairs))]


def _inputs(wiring: Wiring) -> Iterator[Difference]:
    mine, theirs = wiring.a.graph.model.inputs, wiring.b.graph.model.inputs
    if [shape for _, shape in mine] != [shape for _, shape in theirs]:
        a, b = (", ".join(by(shape) for _, shape in inputs) for inputs in (mine, theirs))
        cause = "The networks take other inputs, so no batch can be given to both and numbers are not compared."
        yield Difference("input", mine[0][0], theirs[0][0], "shape", a, b, a, b, INFERENCE, cause)


def _matched(a: Node, b: Node, place: int) -> Iterator[Difference]:
    if type(a.op) is not type(b.op):
        same = {type(a.op).__name__, type(b.op).__name__} == {"Flatten", "Reshape"} and a.shape == b.shape
        values = str(a.op), str(b.op)
        severity = NO_EFFECT if same else INFERENCE
        cause = causes.replaced(a, b)
        yield Difference("op", a.name, b.name, "op", *values, *values, severity, cause, atoms=(("op", a.name, ""),), rows=(place,))
        return
    mine, theirs = a.op.fields(), b.op.fields()
    for key in mine:
        if mine[key] != theirs[key]:
            severity = _severity(a, b, key)
            yield Difference(
                "hyperparameter", a.name, b.name, key, _written(mine[key]), _written(theirs[key]), _resolved(a, key), _resolved(b, key),
                severity, causes.field(a, b, key, severity), atoms=(("field", a.name, key),), rows=(place,),
                op=type(a.op).__name__,
            )  # fmt: skip


def _severity(a: Node, b: Node, key: str) -> str:
    if _neutral(a, b.op, key) and _neutral(b, a.op, key):
        return NO_EFFECT
    return TRAINING if (type(a.op).__name__, key) in TRAINING_ONLY else INFERENCE


def _neutral(node: Node, other: Op, key: str) -> bool:
    """Tell whether a layer computes and holds the same if it takes over one field of another."""
    op = dataclasses.replace(node.op, **{key: getattr(other, key)})  # type: ignore[type-var]
    if op.masked and node.op.fields() != op.fields():
        return False
    try:
        attributes, parameters = op.attributes(*node.input_shapes), op.parameters(*node.input_shapes)
        return attributes == node.attributes and parameters == node.parameters and op.output_shape(*node.input_shapes) == node.shape
    except Misfit:
        return False


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.12g}" if isinstance(value, float) else brief(value)


def _resolved(node: Node, key: str) -> str:
    """Return what a field comes to in the normal form."""
    names = [name for name in _NORMAL.get(key, ()) if name in node.attributes]
    return _written(node.attributes[names[0]]) if names else _written(getattr(node.op, key))


def _missing(node: Node, place: int) -> Difference:
    cause, op = causes.alone(node), type(node.op).__name__
    atoms: tuple[Atom, ...] = (("drop", node.name, ""),)
    return Difference(
        "missing", node.name, None, "layer", str(node.op), "", str(node.op), "", _of(node), cause, atoms=atoms, rows=(place,), op=op
    )


def _added(node: Node, place: int) -> Difference:
    cause, op = causes.alone(node), type(node.op).__name__
    atoms: tuple[Atom, ...] = (("add", node.name, ""),)
    return Difference(
        "added", None, node.name, "layer", "", str(node.op), "", str(node.op), _of(node), cause, atoms=atoms, rows=(place,), op=op
    )


def _of(node: Node) -> str:
    """Return what the presence of a layer matters for."""
    if node.op.vanishes(True) or (node.op.masked and node.op.fields().get("p") == 0):
        return NO_EFFECT
    return TRAINING if node.op.vanishes(False) else INFERENCE


def _moved(wiring: Wiring, node: Node, place: int) -> Difference:
    pairs, image = wiring.matching.pairs, wiring.matching.moved[node.name]
    other = next(at for at, pair in enumerate(pairs) if pair.b and pair.b.name == image and not pair.a)
    between = [pair.a for pair in pairs[min(place, other) : max(place, other)] if pair.a and pair.b]
    commutes = all(causes.commute(node.op, item.op) for item in between)
    words = ("after", "before") if place > other else ("before", "after")
    names = " and ".join(item.name for item in between) or "its neighbour"
    a, b = (f"{word} {names}" for word in words)
    severity = NO_EFFECT if commutes else INFERENCE
    atoms: tuple[Atom, ...] = (("drop", node.name, ""), ("add", image, ""))
    cause = causes.order(node, between, commutes)
    return Difference("order", node.name, image, "place", a, b, a, b, severity, cause, atoms=atoms, rows=(place, other))


def _wired(wiring: Wiring, name: str, place: int) -> Iterator[Difference]:
    if not wiring.differs(name):
        return
    image = OUTPUT if name == OUTPUT else wiring.matching.to_b[name]
    theirs = wiring.b.sources(image)
    values = ", ".join(wiring.a.sources(name)), ", ".join(theirs)
    cause = "The layer takes other values: follow its inputs." if name != OUTPUT else "The networks return other values."
    atoms: list[Atom] = [("wire", name, "")]
    stack, seen = list(theirs), set[str]()
    while stack:  # layers of the second network alone on the way come with it
        source = stack.pop()
        if source in wiring.b.only and source not in seen:
            seen.add(source)
            atoms.append(("add", source, ""))
            stack.extend(wiring.b.nodes[source].inputs)
    a, b = (None, None) if name == OUTPUT else (name, image)
    yield Difference("wiring", a, b, "inputs", *values, *values, INFERENCE, cause, atoms=tuple(atoms), rows=(place,))

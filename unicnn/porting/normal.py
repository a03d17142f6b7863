"""When two descriptions mean the same network: equal in normal form, borders counted to the layer that could have put them itself."""

from __future__ import annotations

from typing import Any

from unicnn.graph import Node, infer
from unicnn.model import Model
from unicnn.ops import AdaptiveAvgPool2d, AvgPool2d
from unicnn.ops.fields import by
from unicnn.porting.lifting.merging import merged


def canonical(model: Model) -> Model:
    """Return `model` with every border and step joined to the layer that could have done it itself."""
    found = merged(model.layers, [value for _, value in model.outputs], infer(model).shapes)
    outputs = [(key, found.replaced.get(name, name)) for key, name in model.outputs]
    return Model.of(model.inputs, found.layers, outputs, name=model.name)


def normal(model: Model) -> list[tuple[str, str, tuple[str, ...], dict[str, Any], tuple[int, ...]]]:
    """Return the layers of a network in normal form: name, op, inputs, every attribute explicit, shape."""
    graph = infer(canonical(model))
    result = []
    for node in graph.nodes:
        op, attributes = _plainest(node)
        attributes["parameters"] = tuple(sorted(node.parameters))
        if node.op.masked:
            attributes |= node.op.fields()
        result.append((node.name, op, node.inputs, attributes, node.shape))
    return result


def _plainest(node: Node) -> tuple[str, dict[str, Any]]:
    """Return what a layer computes: a given number of windows that divides the image is an average of windows of one size."""
    if isinstance(node.op, AdaptiveAvgPool2d):
        sizes = list(zip(node.input_shapes[0][1:], node.op.output_size, strict=True))
        if all(n % count == 0 for n, count in sizes):
            window = tuple(n // count for n, count in sizes)
            plain = AvgPool2d(window)
            return plain.lowering(), plain.attributes(*node.input_shapes)
    return node.op.lowering(), dict(node.attributes)


def same(a: Model, b: Model) -> bool:
    """Tell whether two descriptions mean the same network: layer by layer, names and wiring included."""
    return first_difference(a, b) is None


def first_difference(a: Model, b: Model) -> str | None:
    """Return the first difference of two networks in one clause, or None if they mean the same.

    Branches may be run one after the other or by turns, as Keras does; that is no difference.
    """
    if a.inputs != b.inputs:
        return f"the inputs are {dict(a.inputs)} and {dict(b.inputs)}"
    first, second = normal(a), normal(b)
    if sorted(layer[0] for layer in first) == sorted(layer[0] for layer in second):
        places = {layer[0]: place for place, layer in enumerate(first)}
        second = sorted(second, key=lambda layer: places[layer[0]])
    for one, other in zip(first, second, strict=False):
        if one != other:
            return _clause(one, other)
    if len(first) != len(second):
        longer, which = (first, "first") if len(first) > len(second) else (second, "second")
        return f"only the {which} has {longer[min(len(first), len(second))][0]}"
    a, b = canonical(a), canonical(b)
    return None if a.outputs == b.outputs else f"the outputs are {a.outputs} and {b.outputs}"


def _clause(one: tuple[Any, ...], other: tuple[Any, ...]) -> str:
    what = ("name", "op", "inputs", "attributes", "shape")
    place = next(place for place in range(5) if one[place] != other[place])
    if place == 3:
        key = next(key for key in sorted({*one[3], *other[3]}) if one[3].get(key) != other[3].get(key))
        return f"{one[0]} has {key} {one[3].get(key)} and {other[3].get(key)}"
    left, right = (by(item[place]) if place == 4 else item[place] for item in (one, other))
    return f"layer {one[0]}: {what[place]} {left} and {right}"

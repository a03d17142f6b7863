"""Shrinking a spot: fewer samples, channels, pixels and fields, as long as it fails in the same way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from unicnn.conformance.fuzzing.spot import Spot
from unicnn.errors import UnicnnError
from unicnn.graph import infer
from unicnn.model import Layer, Model
from unicnn.ops.base import Op, Shape
from unicnn.ops.loss import Loss

Array: TypeAlias = np.ndarray[Any, Any]
Fails: TypeAlias = Callable[[Spot], bool]

MOST = 400
"""How many smaller spots are tried."""


class Budget:
    """Count the trials, so that the same spot always shrinks alike, however slow the machine."""

    def __init__(self, most: int = MOST) -> None:
        self.left = most

    def spend(self) -> bool:
        """Take one trial, or say that there is none left."""
        self.left -= 1
        return self.left >= 0


def shrink(spot: Spot, fails: Fails, budget: Budget | None = None) -> Spot:
    """Return the smallest spot found that still fails."""
    budget = budget or Budget()
    while True:
        smaller = next((item for item in _smaller(spot) if still_fails(item, fails, budget)), None)
        if smaller is None:
            return spot
        spot = smaller


def still_fails(spot: Spot, fails: Fails, budget: Budget) -> bool:
    """Tell whether a spot fails, within the budget; one that makes no sense does not."""
    if not budget.spend():
        return False
    try:
        return fails(spot)
    except UnicnnError:  # no such layer
        return False


def _smaller(spot: Spot) -> Iterator[Spot]:
    """Yield spots that are cheaper, the boldest first."""
    if spot.training:
        yield dataclasses.replace(spot, training=False)
    for op, shapes, batch in _proposals(spot):
        for late in (False, True):
            made = _made(spot, op, shapes, batch, late)
            if made is not None and cost(made) < cost(spot):
                yield made


def cost(spot: Spot) -> float:
    """Return how large a spot is: its numbers, and what its fields say beyond their defaults."""
    numbers = sum(array.size for array in spot.inputs) + sum(array.size for array in spot.weights.values())
    return numbers + _fields_cost(spot.op)


def _fields_cost(op: Op) -> float:
    defaults = {item.name: item.default for item in dataclasses.fields(op)}  # type: ignore[arg-type]
    written = op.written()
    return sum(_weight(getattr(op, name)) + (defaults[name] is not dataclasses.MISSING) for name in written)


def _weight(value: Any) -> float:
    if isinstance(value, tuple):
        return sum(map(_weight, value))
    return abs(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 1


def _proposals(spot: Spot) -> Iterator[tuple[Op, tuple[Shape, ...], int]]:
    """Yield (op, shapes of the inputs, batch) to try; many of them do not fit."""
    shapes, batch = tuple(array.shape[1:] for array in spot.inputs), len(spot.inputs[0])
    for fewer in _below(batch):
        yield spot.op, shapes, fewer
    if spot.op.inputs is None and len(shapes) > 2:
        for place in range(len(shapes)):
            yield spot.op, shapes[:place] + shapes[place + 1 :], batch
    for op, changed in _fewer_channels(spot.op, shapes):
        yield op, changed, batch
    for axis in range(len(shapes[0])):
        for changed in _shorter(shapes, axis):
            yield _following(spot.op, changed[0]), changed, batch
    for op in _simpler(spot.op):
        yield op, shapes, batch
        if len(shapes[0]) > 1:  # a smaller kernel may do with fewer pixels
            yield op, tuple(tuple(max(1, n - 1) if place else n for place, n in enumerate(shape)) for shape in shapes), batch


def _below(n: int) -> list[int]:
    """Return numbers to try instead of `n`, the smallest first."""
    return sorted({value for value in (1, 2, 3, n // 4, n // 2, n - 1) if 1 <= value < n})


def _shorter(shapes: tuple[Shape, ...], axis: int) -> Iterator[tuple[Shape, ...]]:
    """Yield the shapes with an axis shorter in all of them, and in one at a time."""
    longest = max(shape[axis] for shape in shapes)
    for n in _below(longest):
        yield tuple((*shape[:axis], min(n, shape[axis]), *shape[axis + 1 :]) for shape in shapes)
    if len(shapes) > 1:
        for place, shape in enumerate(shapes):
            for n in _below(shape[axis]):
                yield (*shapes[:place], (*shape[:axis], n, *shape[axis + 1 :]), *shapes[place + 1 :])


def _fewer_channels(op: Op, shapes: tuple[Shape, ...]) -> Iterator[tuple[Op, tuple[Shape, ...]]]:
    """Yield fewer groups, fewer channels in and out of each, all at once or one at a time."""
    fields = op.fields()
    if "groups" not in fields:
        return
    groups = fields["groups"]
    inner, outer = shapes[0][0] // groups, fields["out_channels"] // groups
    for g in [*_below(groups), groups]:
        for i in [*_below(inner), inner]:
            for o in [*_below(outer), outer]:
                if (g, i, o) != (groups, inner, outer):
                    yield dataclasses.replace(op, groups=g, out_channels=g * o), ((g * i, *shapes[0][1:]),)  # type: ignore[type-var]


def _following(op: Op, shape: Shape) -> Op:
    """Return an op whose fields name sizes of its input, for an input of another shape."""
    if "shape" not in op.fields():
        return op
    return dataclasses.replace(op, shape=(*(1 for _ in op.fields()["shape"][1:]), -1))  # type: ignore[type-var]


def _simpler(op: Op) -> Iterator[Op]:
    """Yield ops with one field at its default or smaller."""
    for item in dataclasses.fields(op):  # type: ignore[arg-type]
        value = getattr(op, item.name)
        candidates = [] if item.default is dataclasses.MISSING else [item.default]
        for candidate in [*candidates, *_simpler_values(value)]:
            try:
                yield dataclasses.replace(op, **{item.name: candidate})  # type: ignore[type-var]
            except UnicnnError:
                continue


def _simpler_values(value: Any) -> Iterable[Any]:
    if value == "same":
        return [0, 1]
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, int):
        return [*_below(value), *([0] if value else [])]
    if isinstance(value, float):
        return [candidate for candidate in (0.0, 1.0, float(round(value))) if candidate != value]
    if isinstance(value, tuple):
        return [*_alike(value), *_one_changed(value), *([value[:-1]] if len(value) > 1 else [])]
    return []


def _alike(value: tuple[Any, ...]) -> list[Any]:
    """Return the same small number at every place."""
    flat = _flat(value)
    return [_filled(value, n) for n in (0, 1, 2) if any(item != n for item in flat)]


def _filled(value: Any, n: int) -> Any:
    return tuple(_filled(item, n) for item in value) if isinstance(value, tuple) else n


def _one_changed(value: tuple[Any, ...]) -> Iterator[Any]:
    """Yield the tuple with one of its numbers smaller, or with two of them swapped for their larger one."""
    for place, item in enumerate(value):
        for smaller in _simpler_values(item):
            yield (*value[:place], smaller, *value[place + 1 :])


def _flat(value: Any) -> list[Any]:
    return [leaf for item in value for leaf in _flat(item)] if isinstance(value, tuple) else [value]


def _made(spot: Spot, op: Op, shapes: tuple[Shape, ...], batch: int, late: bool) -> Spot | None:
    """Return the spot of an op on inputs of other shapes, its arrays cut off after (or, if `late`, before) what fits, or None if they do not fit."""
    if isinstance(op, Loss):
        return _made_loss(spot, op, shapes, batch, late)
    names = ("input",) if len(shapes) == 1 else tuple(f"input{place + 1}" for place in range(len(shapes)))
    try:
        (node,) = infer(Model.of(list(zip(names, shapes, strict=True)), [Layer(spot.layer, op, names)])).nodes
    except UnicnnError:
        return None
    kept = _kept_inputs(spot.inputs, shapes)
    inputs = tuple(_resized(array, (batch, *shape), late) for array, shape in zip(kept, shapes, strict=True))
    weights = {key: _resized(spot.weights[key], item.shape, late) for key, item in node.parameters.items() if key in spot.weights}
    if set(weights) != set(node.parameters):
        return None
    return Spot(op, inputs, weights, _resized(spot.cotangent, (batch, *node.shape), late), spot.training)


def _kept_inputs(inputs: Sequence[Array], shapes: tuple[Shape, ...]) -> list[Array]:
    """Return as many inputs as there are shapes: those that have them, if one was dropped."""
    if len(inputs) == len(shapes):
        return list(inputs)
    for place in range(len(inputs)):
        rest = [array for other, array in enumerate(inputs) if other != place]
        if tuple(array.shape[1:] for array in rest) == shapes:
            return rest
    return list(inputs[: len(shapes)])


def _made_loss(spot: Spot, op: Op, shapes: tuple[Shape, ...], batch: int, late: bool) -> Spot:
    (shape,) = shapes
    wanted = (batch, *spot.cotangent.shape[1:]) if spot.cotangent.ndim == 1 else (batch, *shape)
    target = _resized(spot.cotangent, wanted, late)
    target = np.minimum(target, shape[0] - 1) if spot.cotangent.ndim == 1 else target
    return Spot(op, (_resized(spot.inputs[0], (batch, *shape), late),), {}, target, spot.training)


def _resized(array: Array, shape: Shape, late: bool) -> Array:
    """Return an array cut off to a shape, or repeated where it is too short."""
    if array.ndim != len(shape):
        return np.resize(array, shape)
    for axis, n in enumerate(shape):
        have = array.shape[axis]
        places = (np.arange(n) + (have - n if late and have > n else 0)) % have
        array = array.take(places, axis)
    return np.ascontiguousarray(array)

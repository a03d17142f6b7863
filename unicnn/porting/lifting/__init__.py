"""Lifting: a tape of calls, in any framework's layout, becomes a description in the vocabulary. Done once, for all frameworks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unicnn.errors import PortError
from unicnn.graph import infer
from unicnn.model import Layer, Model
from unicnn.ops import Pad
from unicnn.porting.imported import Imported, Origin, Place
from unicnn.porting.lifting.calling import called as layer_names
from unicnn.porting.lifting.calling import moved
from unicnn.porting.lifting.draft import Draft, Lifted, refuse
from unicnn.porting.lifting.known import Known
from unicnn.porting.lifting.lifter import Lifter, orders_of
from unicnn.porting.lifting.merging import LOWEST, merged
from unicnn.porting.lifting.patterns import recognise
from unicnn.porting.tape import Recording, Tape

__all__ = ["lift", "read_weights"]


@dataclass(frozen=True)
class Lift:
    """Hold a lifted network whose weights have not been read yet."""

    model: Model
    weights: Mapping[str, Known]
    places: Mapping[str, Place]
    inputs: tuple[Place, ...]
    outputs: tuple[Place, ...]
    classes: Mapping[str, str]


def lift(tape: Tape, *, channels_last: bool = False) -> Lift:
    """Return the network on a tape, in the reading that moves axes least; raise PortError naming the call at which the one that got furthest stops.

    Where nothing tells how the images of the inputs lie, their channels come last if `channels_last`.
    """
    tape = recognise(tape)
    found: tuple[int, Lifter, list[Lifted]] | None = None
    refused: tuple[int, PortError] | None = None
    for absorb in (False, True):
        for orders in orders_of(tape)[:: -1 if channels_last else 1]:
            lifter = Lifter(tape, orders, absorb=absorb)
            try:
                outputs = lifter.run()
            except PortError as error:
                if refused is None or len(lifter.values) > refused[0]:
                    refused = (len(lifter.values), error)
                continue
            cost = lifter.drafts.inserted + _needless_transposes(lifter)
            if found is None or cost < found[0]:
                found = (cost, lifter, outputs)
            if cost == 0:
                break
        if found is not None and found[0] == 0:
            break
    if found is None:
        assert refused is not None
        raise refused[1]
    return _assembled(tape, found[1], found[2])


def _needless_transposes(lifter: Lifter) -> int:
    """Count the transpositions of an image input from channels last to channels first, which a port has no need for."""
    from unicnn.ops import Transpose

    return sum(
        draft.op == Transpose((0, 3, 1, 2))
        and draft.inputs[0] in {name for name, _ in lifter.tape.inputs}
        and lifter.drafts.shapes[draft.inputs[0]][-1] <= 4 < min(lifter.drafts.shapes[draft.inputs[0]][:2])
        for draft in lifter.layers
    )


def _assembled(tape: Tape, lifter: Lifter, outputs: Sequence[Lifted]) -> Lift:
    layers = [Layer(draft.key, draft.op, draft.inputs) for draft in lifter.layers]
    found = merged(layers, [value.draft for value in outputs], lifter.drafts.shapes)
    by_key = {draft.key: draft for draft in lifter.layers}
    drafts = [
        dataclasses.replace(
            by_key[layer.name], op=layer.op, inputs=layer.inputs, place=by_key[found.later.get(layer.name, layer.name)].place
        )
        for layer in found.layers
    ]
    _check_borders(drafts)
    called = dict(zip((draft.key for draft in drafts), layer_names(drafts, [name for name, _ in tape.inputs]), strict=True))

    def source(key: str) -> str:
        key = found.replaced.get(key, key)
        return called.get(key, key)

    named = [Layer(called[draft.key], draft.op, tuple(map(source, draft.inputs))) for draft in drafts]
    weights = {f"{called[draft.key]}.{role}": known for draft in drafts for role, known in draft.weights.items()}
    _check_sharing(weights)
    inputs = [(name, lifter.drafts.shapes[name]) for name, _ in tape.inputs]
    model = Model.of(
        inputs, named, [(key, source(value.draft)) for (key, _), value in zip(tape.outputs, outputs, strict=True)], name=tape.name
    )
    places = {called[draft.key]: draft.place for draft in drafts if draft.place is not None}
    return Lift(
        model,
        weights,
        places,
        tuple(Place(name, order) for (name, _), order in zip(tape.inputs, lifter.orders, strict=True)),
        tuple(value.place(name) for (_, name), value in zip(tape.outputs, outputs, strict=True)),
        _classes(tape, moved(drafts)),
    )


def _check_borders(drafts: Sequence[Draft]) -> None:
    """Refuse a border of -inf that no max pooling takes over."""
    for draft in drafts:
        if isinstance(draft.op, Pad) and draft.op.value == LOWEST:
            raise refuse(draft.call, "it puts -inf around a value that no max pooling reads.", "Pad by a finite number.")


def _classes(tape: Tape, moved: Mapping[str, str]) -> dict[str, str]:
    """Return the class names by path, for the paths that modules have now."""
    kept = {path: name for path, name in tape.classes.items() if path not in moved}
    return kept | {moved[path]: name for path, name in tape.classes.items() if path in moved}


def _check_sharing(weights: Mapping[str, Known]) -> None:
    """Raise PortError if two layers hold the same parameter, or one and the same running statistics."""
    seen: dict[str, str] = {}
    for name, known in weights.items():
        layer, _, role = name.rpartition(".")
        statistics = {known.source} if role in ("mean", "var") and known.source is not None else set()
        for source in sorted(known.roots | statistics):
            other = seen.setdefault(source, layer)
            if other != layer:
                raise PortError(
                    f"The parameter {source} is used by {other} and by {layer}, and the layers of a description do not share weights. "
                    "Give each its own."
                )


def _check_parametrised(weights: Mapping[str, Known]) -> None:
    """Raise PortError if a weight is computed from others that are trained: a training of the weight itself is another one."""
    for name, known in weights.items():
        if known.source is None and known.roots:
            raise PortError(
                f"{name} is computed from {' and '.join(sorted(known.roots))}, which a training would move instead. Make it a parameter of its "
                "own, as torch.nn.utils.parametrize.remove_parametrizations does, or leave training out: training=False, or --inference-only."
            )


def read_weights(lifted: Lift) -> tuple[dict[str, Any], list[str]]:
    """Return copies of the weights in canonical layout as float32, made one after the other, and the names of those that this rounded."""
    wanted = infer(lifted.model).parameters
    result, rounded = {}, []
    for name, parameter in wanted.items():
        given = np.asarray(lifted.weights[name].read())
        if given.shape != parameter.shape:
            raise PortError(
                f"{name} has the shape {given.shape} where the layer needs {parameter.shape}. The network does not fit the input it was given; "
                "check the input's shape."
            )
        # A copy, because the original's memory may change when somebody goes on training it.
        array = np.array(given, np.float32, order="C")
        if given.dtype != np.float32 and not np.array_equal(array, given, equal_nan=True):
            rounded.append(name)
        result[name] = array
    return result, rounded


def imported(lifted: Lift, dialect: str, recording: Recording, notes: tuple[str, ...], *, training: bool) -> Imported:
    """Return what was lifted together with its weights and its original."""
    if training:
        _check_parametrised(lifted.weights)
    origins = {name: Origin(known.source, known.view) for name, known in lifted.weights.items()}
    fixed = sorted(
        {name.rpartition(".")[0] for name, known in lifted.weights.items() if not known.trainable and not name.endswith((".mean", ".var"))}
    )
    if fixed:
        notes = (*notes, f"{', '.join(fixed)}: numbers that are fixed in the original are weights here; a training would move them.")
    weights, rounded = read_weights(lifted)
    if rounded:
        notes = (*notes, f"{', '.join(rounded)}: rounded to float32; the original has more digits.")
    return Imported(
        lifted.model,
        weights,
        dialect,
        origins,
        lifted.places,
        lifted.inputs,
        lifted.outputs,
        lifted.classes,
        notes,
        recording,
        training,
        tuple(rounded),
    )

"""Drafts: the layers of a network being lifted, and the values between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from unicnn.errors import PortError
from unicnn.graph import layer_shape
from unicnn.ops import Flatten, Op, Reshape, Transpose
from unicnn.ops.fields import by
from unicnn.porting.imported import Place
from unicnn.porting.lifting.known import Known
from unicnn.porting.tape import Call

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Lifted:
    """Be a value that depends on an input: the output of a draft, or an input.

    `shape` is canonical and leaves the batch out. Axis i of the original's value is axis order[i] of the canonical one. A vector
    may still lie as the original flattened it: then `image` is the canonical shape that it was, and `order` the order of it.
    """

    draft: str
    shape: Shape
    order: tuple[int, ...]
    image: Shape | None = None

    @property
    def natural(self) -> bool:
        """Tell whether the value lies in the original as it does here."""
        return self.order == tuple(range(len(self.order)))

    @property
    def rank(self) -> int:
        """Return the number of the original's axes, the batch included."""
        return len(self.shape) + 1

    def place(self, call: str) -> Place:
        """Return where the original has the value."""
        return Place(call, self.order, self.image)


Operand: TypeAlias = "Lifted | Known | None"


def natural(rank: int) -> tuple[int, ...]:
    """Return the order in which nothing is moved."""
    return tuple(range(rank))


@dataclass
class Draft:
    """Be a layer without its final name."""

    key: str
    op: Op
    inputs: tuple[str, ...]
    call: Call
    weights: Mapping[str, Known] = field(default_factory=dict)
    place: Place | None = None
    inserted: bool = False
    """Whether the original has no such layer and it only moves axes."""
    affine: bool = False
    """Whether it was made of arithmetic with constants, and takes in what follows of it."""


class Drafts:
    """Collect drafts in order; makes those that only move axes when a layer needs another order."""

    def __init__(self, name: str, inputs: Mapping[str, Shape]) -> None:
        self.name, self.drafts = name, dict[str, Draft]()
        self.shapes: dict[str, Shape] = dict(inputs)
        self.readers: Mapping[str, int] = {}
        self.called: dict[str, list[str]] = {}
        """The names on the tape of each draft's output: several, where calls do nothing but pass it on."""
        self.previous = ""
        """The name of the call lifted last."""
        self.channels_first = False
        """Whether the original keeps the channels of images in front."""

    @property
    def inserted(self) -> int:
        """Return how many layers were put in that the original does not have."""
        return sum(draft.inserted for draft in self.drafts.values())

    def add(
        self,
        call: Call,
        op: Op,
        *values: Lifted,
        weights: Mapping[str, Known | None] | None = None,
        order: tuple[int, ...] | None = None,
        image: Shape | None = None,
        inserted: bool = False,
    ) -> Lifted:
        """Add a layer that `call` made, and return its output, of the first input's order unless `order` says."""
        key = f"{call.name}#{len(self.drafts)}"
        shape = layer_shape(f"{self.name}/{call.path or call.name} ({op})", op, tuple(value.shape for value in values))
        held = {role: value for role, value in (weights or {}).items() if value is not None}
        draft = Draft(key, op, tuple(value.draft for value in values), call, held, inserted=inserted)
        self.drafts[key] = draft
        self.shapes[key] = shape
        if order is None:
            flat = values[0].image is not None and shape == values[0].shape  # single values of a flattened image stay where they are
            kept = flat or len(values[0].order) == len(shape) + 1 or image is not None
            order = values[0].order if kept else natural(len(shape) + 1)
            image = values[0].image if image is None and len(shape) == 1 else image
        return Lifted(key, shape, order, image)

    def reordered(self, call: Call, value: Lifted, order: tuple[int, ...]) -> Lifted:
        """Return `value` in another order, by a Transpose that the original does not have unless it lies so already."""
        value = self.settled(call, value) if value.image is not None else value
        if value.order == order:
            return value
        axes = tuple(value.order[order.index(axis)] for axis in range(len(order)))
        return self.add(call, Transpose(axes), value, order=order, inserted=True)

    def settled(self, call: Call, value: Lifted) -> Lifted:
        """Return `value` in the order in which the original has it, so that canonical axes are the original's."""
        if value.natural and value.image is None:
            return value
        if value.image is None:
            return self.reordered(call, value, natural(value.rank))
        image = self.add(call, Reshape(value.image), replace(value, order=natural(2), image=None), inserted=True)
        turned = self.add(call, Transpose(value.order), image, inserted=True)
        return self.add(call, Flatten(), turned, inserted=True)

    def alone(self, value: Lifted) -> bool:
        """Tell whether only the call that is being lifted reads a value, under whatever name."""
        called = self.called.get(value.draft, [])
        return bool(called) and all(self.readers.get(name, 0) == 1 for name in called)

    def finish(self, call: Call, value: Lifted) -> Lifted:
        """Note that the original's result of `call` is `value`."""
        draft = self.drafts.get(value.draft)
        _check_shape(call, value)
        self.called.setdefault(value.draft, []).append(call.name)
        if draft is not None and draft.place is None and not draft.inserted:
            draft.place = value.place(call.name)
        return value

    def amend(self, value: Lifted, call: Call, *, op: Op | None = None, weights: Mapping[str, Known] | None = None) -> Lifted:
        """Change the layer that gave `value`, of which `call` is the only reader and whose result is the layer's from now on."""
        draft = self.drafts[value.draft]
        draft.op = op or draft.op
        draft.weights = {**draft.weights, **(weights or {})}
        draft.place = value.place(call.name)
        return value

    def joined(self, call: Call, value: Lifted, more: Lifted) -> Lifted:
        """Let the layer that gave `value` take one value more; its result is that of `call` from now on."""
        draft = self.drafts[value.draft]
        draft.inputs = (*draft.inputs, more.draft)
        shape = layer_shape(f"{self.name}/{call.path or call.name} ({draft.op})", draft.op, tuple(self.shapes[key] for key in draft.inputs))
        self.shapes[draft.key] = shape
        value = replace(value, shape=shape)
        draft.place = value.place(call.name)
        return value


def _check_shape(call: Call, value: Lifted) -> None:
    """Refuse a call whose result has another shape than what it was lifted to, as where a constant makes a value larger."""
    sizes = tuple(value.shape[axis - 1] for axis in value.order[1:]) if value.image is None else value.shape
    if call.shape and sizes != tuple(call.shape[1:]):
        raise refuse(
            call,
            f"its result has the sizes {by(call.shape[1:])}, which no layer makes of {by(sizes)}.",
            "Repeat a value by torch.cat or its like, or give constants no axis along which they are larger than the value.",
        )


def refuse(call: Call, why: str, hint: str) -> PortError:
    """Return the error for a call that cannot be expressed, with the module and the line of the user's code."""
    at = f" in {call.path}" if call.path else ""
    line = f" at {call.where}" if call.where else ""
    return PortError(f"{call.op}{at}{line} cannot be ported: {why} {hint}")


def permuted_columns(weight: Known, value: Lifted) -> Known:
    """Return a weight (out, in) for the canonical order of a vector that the original flattened in another order."""
    if value.image is None:
        return weight
    image, order = value.image, value.order
    sizes = tuple(image[axis - 1] for axis in order[1:])
    back = tuple(np.argsort(order))

    def step(array: Any) -> Any:
        return array.reshape(-1, *sizes).transpose(back).reshape(len(array), -1)

    return weight.seen(weight.shape, step)

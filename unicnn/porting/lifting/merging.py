"""Layers that another layer could have done itself: a border before it, or a step wider than one behind it."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from unicnn.model import Layer
from unicnn.ops import AvgPool2d, Conv2d, MaxPool2d, Pad, ReLU, ReLU6, Sigmoid
from unicnn.ops.base import Misfit, Shape
from unicnn.ops.fields import NO_PADDING

LOWEST = -sys.float_info.max
"""What stands for -inf in a Pad, whose value is finite; only a max pooling may read it."""
_NOT_NEGATIVE = (ReLU, ReLU6, Sigmoid)


@dataclasses.dataclass(frozen=True)
class Merged:
    """Hold layers of which some have taken over the work of others.

    `replaced` names, for each layer that is gone, the value that stands for its own; `later` for a layer the one behind it whose
    result is now its.
    """

    layers: tuple[Layer, ...]
    replaced: dict[str, str]
    later: dict[str, str]


def merged(layers: Sequence[Layer], outputs: Sequence[str], shapes: Mapping[str, Shape]) -> Merged:
    """Return the layers with borders and steps joined to the layers that could have done them; `shapes` are those of all values."""
    by_name = {layer.name: layer for layer in layers}
    readers = Counter(source for layer in layers for source in layer.inputs)
    readers.update(outputs)
    ops = {layer.name: layer.op for layer in layers}
    replaced: dict[str, str] = {}
    later: dict[str, str] = {}
    for layer in layers:
        before = by_name.get(layer.inputs[0])
        if before is None or readers[before.name] != 1 or len(layer.inputs) > 1:
            continue
        if _is_step(layer.op) and isinstance(before.op, Conv2d) and before.op.stride == (1, 1) and before.name not in later:
            ops[before.name] = dataclasses.replace(ops[before.name], stride=layer.op.fields()["stride"])  # type: ignore[type-var]
            replaced[layer.name], later[before.name] = before.name, layer.name
        elif isinstance(before.op, Pad):
            source = by_name.get(before.inputs[0])
            not_negative = source is not None and isinstance(source.op, _NOT_NEGATIVE)
            if isinstance(layer.op, AvgPool2d):
                op = _averaged_with_border(layer.op, before.op, shapes[before.inputs[0]])
            else:
                op = _with_border(ops[layer.name], before.op, not_negative)
            if op is not None:
                ops[layer.name], replaced[before.name] = op, before.inputs[0]

    def standing(name: str) -> str:
        return standing(replaced[name]) if name in replaced else name

    kept = (Layer(layer.name, ops[layer.name], tuple(map(standing, layer.inputs))) for layer in layers if layer.name not in replaced)
    return Merged(tuple(kept), {name: standing(name) for name in replaced}, later)


def _is_step(op: Any) -> bool:
    """Tell whether an op only leaves out rows and columns."""
    return isinstance(op, MaxPool2d) and op.kernel_size == (1, 1) and op.padding == NO_PADDING and not op.ceil_mode


def _with_border(op: Any, border: Pad, not_negative: bool) -> Any:
    if not isinstance(op, (Conv2d, MaxPool2d)) or isinstance(op.padding, str):
        return None
    lowest = border.value == LOWEST or (border.value == 0 and not_negative)
    fits = lowest and not op.ceil_mode if isinstance(op, MaxPool2d) else border.value == 0
    sides = _together(op.padding, border.padding)
    if not fits or (isinstance(op, MaxPool2d) and any(n >= k for pair, k in zip(sides, op.kernel_size, strict=True) for n in pair)):
        return None
    return dataclasses.replace(op, padding=sides)


def _averaged_with_border(op: AvgPool2d, border: Pad, shape: Shape) -> AvgPool2d | None:
    """Return an average of windows that takes over the zeros before it: they count, and what it adds itself may not."""
    own = op.attributes(border.output_shape(shape))
    if border.value != 0 or own["counted"] != NO_PADDING:
        return None
    wanted = {"padding": _together(own["padding"], border.padding), "counted": border.padding}
    for ceil_mode in (False, True):
        joined = dataclasses.replace(op, padding=border.padding, ceil_mode=ceil_mode, count_include_pad=True)
        with contextlib.suppress(Misfit):
            if joined.attributes(shape).items() >= wanted.items():
                return joined
    return None


def _together(one: Any, other: Any) -> Any:
    return tuple((a[0] + b[0], a[1] + b[1]) for a, b in zip(one, other, strict=True))

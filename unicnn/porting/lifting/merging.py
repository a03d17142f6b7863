"""Borders: zeros put around an image before a layer that could have put them itself."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

from unicnn.model import Layer
from unicnn.ops import AvgPool2d, Conv2d, MaxPool2d, Pad, ReLU, ReLU6, Sigmoid
from unicnn.ops.fields import NO_PADDING

_NOT_NEGATIVE = (ReLU, ReLU6, Sigmoid)


def merged(layers: Sequence[Layer], outputs: Sequence[str]) -> dict[str, tuple[Any, str]]:
    """Return, for each layer that can do the work of the Pad before it, its new op and the name of that Pad."""
    by_name = {layer.name: layer for layer in layers}
    readers = Counter(source for layer in layers for source in layer.inputs)
    readers.update(outputs)
    found = {}
    for layer in layers:
        before = by_name.get(layer.inputs[0])
        if before is None or not isinstance(before.op, Pad) or readers[before.name] != 1:
            continue
        source = by_name.get(before.inputs[0])
        op = _with_border(layer.op, before.op, source is not None and isinstance(source.op, _NOT_NEGATIVE))
        if op is not None:
            found[layer.name] = (op, before.name)
    return found


def _with_border(op: Any, border: Pad, not_negative: bool) -> Any:
    if not isinstance(op, (Conv2d, MaxPool2d, AvgPool2d)) or isinstance(op.padding, str):
        return None
    lowest = border.value == float("-inf") or (border.value == 0 and not_negative)
    fits = {Conv2d: border.value == 0, MaxPool2d: lowest, AvgPool2d: border.value == 0 and op.padding == NO_PADDING}[type(op)]
    sides: Any = tuple((a[0] + b[0], a[1] + b[1]) for a, b in zip(op.padding, border.padding, strict=True))
    if (
        not fits
        or (isinstance(op, MaxPool2d) and op.ceil_mode)
        or (isinstance(op, AvgPool2d) and (op.ceil_mode or not op.count_include_pad))
    ):
        return None
    if not isinstance(op, Conv2d) and any(side >= size for pair, size in zip(sides, op.kernel_size, strict=True) for side in pair):
        return None
    return dataclasses.replace(op, padding=sides)

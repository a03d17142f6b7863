"""Operations that move, join and cut values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def _reshape(walker: Any, op: Any) -> Any:
    return walker.put(op, "reshape", op.inputs[:1], {})


def _transpose(walker: Any, op: Any) -> Any:
    order = walker.static(op.inputs[1])
    if order is None:
        return NotImplemented
    return walker.put(op, "transpose", op.inputs[:1], {"axes": tuple(int(axis) for axis in order)})


def _pad(walker: Any, op: Any) -> Any:
    widths = walker.static(op.inputs[1])
    value = walker.static(op.inputs[2]) if len(op.inputs) > 2 else np.zeros(())
    if widths is None or value is None:
        return NotImplemented
    pairs = tuple((int(before), int(after)) for before, after in widths)
    return walker.put(op, "pad", op.inputs[:1], {"widths": pairs, "value": float(value)})


def _concat(walker: Any, op: Any) -> Any:
    *parts, axis = op.inputs
    place = walker.static(axis)
    if place is None:
        return NotImplemented
    if len(parts) == 1:
        return walker.alias(op.outputs[0], parts[0])
    return walker.put(op, "concat", parts, {"axis": int(place) % len(op.outputs[0].shape)})


def _stack(walker: Any, op: Any) -> Any:
    axis = op.get_attr("axis") % len(op.outputs[0].shape)
    shape = tuple(1 if i == axis else int(n) for i, n in enumerate(op.outputs[0].shape))
    steps = [
        walker.put(op, "reshape", (part,), {}, shape=shape, result=lambda values, part=part: walker.value(values, part).reshape(shape))
        for part in op.inputs
    ]
    return walker.put(op, "concat", steps, {"axis": axis})


def _cut(walker: Any, op: Any, axis: int, sizes: list[int], *, squeeze: bool = False) -> None:
    """Put one split for each output on the tape."""
    x, start = op.inputs[1] if op.type == "Split" else op.inputs[0], 0
    for index, size in enumerate(sizes):
        attributes = {"axis": axis, "start": start, "size": size}
        if squeeze:
            shape = tuple(1 if i == axis else int(n) for i, n in enumerate(x.shape))
            part = lambda values, at=start: walker.value(values, x).take([at], axis)  # noqa: E731
            step = walker.put(op, "split", (x,), attributes, result=part, shape=shape)
            walker.put(op, "reshape", (step,), {}, index=index)
        else:
            walker.put(op, "split", (x,), attributes, index=index)
        start += size


def _split(walker: Any, op: Any) -> Any:
    given = op.inputs[0] if op.type == "Split" else op.inputs[2]
    place = walker.static(given)
    if place is None:
        return NotImplemented
    axis = int(place) % len(op.outputs[0].shape)
    return _cut(walker, op, axis, [int(output.shape[axis]) for output in op.outputs])


def _unstack(walker: Any, op: Any) -> Any:
    return _cut(walker, op, op.get_attr("axis") % len(op.inputs[0].shape), [1] * len(op.outputs), squeeze=True)


def _slice(walker: Any, op: Any) -> Any:
    begin, size = (walker.static(item) for item in op.inputs[1:])
    if begin is None or size is None:
        return NotImplemented
    spans = [(int(b), int(n) if s == -1 else int(b + s)) for b, s, n in zip(begin, size, op.inputs[0].shape, strict=True)]
    return _windows(walker, op, spans)


def _strided(walker: Any, op: Any) -> Any:
    """Put x[1:, :, 2:-1, 0] on the tape: a split for each axis that is cut, and a reshape if axes come or go."""
    bounds = [walker.static(item) for item in op.inputs[1:]]
    if any(bound is None for bound in bounds):
        return NotImplemented
    index = _index(op, *bounds)
    spans, given = [], [int(n) for n in op.inputs[0].shape]
    for axis, item in enumerate(index):
        if isinstance(item, slice):
            start, stop, step = item.indices(given[axis])
            if step != 1:
                return NotImplemented
            spans.append((start, stop))
        else:
            spans.append((item % given[axis], item % given[axis] + 1))
    return _windows(walker, op, spans)


def _index(op: Any, begin: Any, end: Any, strides: Any) -> list[Any]:
    """Return what Python would write between the brackets, new axes left out, for every axis."""
    masks = {key: op.get_attr(f"{key}_mask") for key in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    rank, index = len(op.inputs[0].shape), []
    real = sum(not masks["new_axis"] >> i & 1 and not masks["ellipsis"] >> i & 1 for i in range(len(begin)))
    for i, (b, e, s) in enumerate(zip(begin, end, strides, strict=True)):
        if masks["ellipsis"] >> i & 1:
            index += [slice(None)] * (rank - real)
        elif masks["new_axis"] >> i & 1:
            continue
        elif masks["shrink_axis"] >> i & 1:
            index.append(int(b))
        else:
            index.append(slice(None if masks["begin"] >> i & 1 else int(b), None if masks["end"] >> i & 1 else int(e), int(s)))
    return index + [slice(None)] * (rank - len(index))


def _windows(walker: Any, op: Any, spans: list[tuple[int, int]]) -> Any:
    x = op.inputs[0]
    sizes = [int(n) for n in x.shape]
    cuts = [(axis, a, b) for axis, (a, b) in enumerate(spans) if (a, b) != (0, sizes[axis])]
    shape = list(sizes)
    for axis, a, b in cuts:
        shape[axis] = b - a
    reshaped = tuple(shape) != tuple(op.outputs[0].shape)
    current: Any = x
    now = list(sizes)
    for i, (axis, a, b) in enumerate(cuts):
        attributes = {"axis": axis, "start": a, "size": b - a}
        now[axis] = b - a
        if i == len(cuts) - 1 and not reshaped:
            return walker.put(op, "split", (current,), attributes)
        done = cuts[: i + 1]
        current = walker.put(
            op, "split", (current,), attributes, shape=tuple(now), result=lambda values, done=done: _taken(walker.value(values, x), done)
        )
    return walker.put(op, "reshape", (current,), {}) if reshaped else walker.alias(op.outputs[0], x)


def _taken(array: Any, cuts: list[tuple[int, int, int]]) -> Any:
    for axis, a, b in cuts:
        array = array.take(range(a, b), axis)
    return array


def _tile(walker: Any, op: Any) -> Any:
    if tuple(op.inputs[0].shape) != tuple(op.outputs[0].shape):
        return NotImplemented
    return walker.alias(op.outputs[0], op.inputs[0])


HANDLERS: Mapping[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(("Reshape", "Squeeze", "ExpandDims"), _reshape),
    "Transpose": _transpose,
    **dict.fromkeys(("Pad", "PadV2"), _pad),
    "ConcatV2": _concat,
    "Pack": _stack,
    "Unpack": _unstack,
    **dict.fromkeys(("Split", "SplitV"), _split),
    "Slice": _slice,
    "StridedSlice": _strided,
    **dict.fromkeys(("Tile", "BroadcastTo"), _tile),
}

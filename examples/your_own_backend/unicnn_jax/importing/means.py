"""Averages and what else is a quotient: windows, means over axes, softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from unicnn_jax.importing import windows
from unicnn_jax.importing.flattening import Operand, Step

if TYPE_CHECKING:
    from unicnn_jax.importing.meaning import Made, Meaning


def concatenated(of: Meaning, step: Step) -> Made:
    """Return a concatenation, or the adaptive average that it is."""
    return _adaptive(of, step) or ("concat", of.inputs(step), {"axis": int(step.params["dimension"])})


def _adaptive(of: Meaning, step: Step) -> Made | None:
    """Return the means of windows along rows and then along columns as an adaptive average; the rows alone are no word."""
    whole = _windows_of(of, step.outputs[0], 2)
    image = None if whole is None else _windows_of(of, whole, 1)
    if image is None or len(step.shapes[0]) != 4:
        return None
    return "adaptive_avg_pool", (of.given(image, ""),), {"output_size": step.shapes[0][1:3], "data": "NHWC"}


def _windows_of(of: Meaning, operand: Operand, axis: int) -> str | None:
    """Return the value of whose windows along an axis an operand holds the means, as an adaptive average takes them."""
    joined = of.source(operand, "concatenate")
    parts = joined.inputs if joined is not None and int(joined.params["dimension"]) == axis else (operand,)
    found = [item for item in (_mean_of_slice(of, part, axis) for part in parts) if item is not None]
    if len(found) < len(parts) or len({source for source, _, _ in found}) != 1:
        return None
    source = found[0][0]
    spans = tuple((start, stop) for _, start, stop in found)
    return source if spans == windows.adaptive_spans(of.shape(source)[axis], len(spans)) else None


def _mean_of_slice(of: Meaning, operand: Operand, axis: int) -> tuple[str, int, int] | None:
    """Return (value, start, stop) of a mean over a part of an axis, its axis kept."""
    division = of.source(operand, "div")
    wide = None if division is None else of.source(division.inputs[0], "broadcast_in_dim", "reshape")
    total = None if wide is None else of.source(wide.inputs[0], "reduce_sum")
    if division is None or total is None or tuple(total.params["axes"]) != (axis,) or isinstance(division.inputs[1], str):
        return None
    part = of.source(total.inputs[0], "slice")
    shape = of.shape(total.inputs[0])
    if float(division.inputs[1]) != shape[axis]:
        return None
    if part is None or set(part.params["strides"] or (1,)) != {1} or not isinstance(part.inputs[0], str):
        return (total.inputs[0], 0, shape[axis]) if isinstance(total.inputs[0], str) else None
    start, stop, full = part.params["start_indices"], part.params["limit_indices"], of.shape(part.inputs[0])
    if any((start[i], stop[i]) != (0, full[i]) for i in range(len(full)) if i != axis):
        return (total.inputs[0], 0, shape[axis]) if isinstance(total.inputs[0], str) else None
    return part.inputs[0], int(start[axis]), int(stop[axis])


def divided(of: Meaning, step: Step) -> Made:
    """Return a quotient, or the average or the softmax that it is."""
    x, by = step.inputs
    total = of.source(x, "reduce_window_sum")
    if total is not None and not isinstance(by, str):
        shape = of.shape(total.inputs[0])
        window = windows.image_window(total.params, shape)
        found = None if window is None else windows.counted_mean(window, shape, by)
        if found is not None:
            return _average(of, total.inputs[0], found)
    soft = _softmax(of, step)
    if soft is not None:
        return soft
    return _adaptive(of, step) or _mean(of, step) or ("div", of.inputs(step), {})


def _average(of: Meaning, x: Operand, attributes: dict[str, Any]) -> Made:
    border = of.source(x, "pad")
    call = of.made.get(x) if isinstance(x, str) else None
    if (
        border is not None
        and call is not None
        and call.op == "pad"
        and not attributes["count_include_pad"]
        and call.attributes["value"] == 0
    ):
        image = border.inputs[0]
        found = windows.ceiled(attributes, call.attributes["widths"][1:3], of.shape(image))
        if found is not None and call.attributes["widths"][0] == call.attributes["widths"][3] == (0, 0):
            return "avg_pool", (of.given(image, ""),), found
    return "avg_pool", (of.given(x, ""),), attributes


def _mean(of: Meaning, step: Step) -> Made | None:
    """Return a sum with its axes kept, divided by how many there were, as a mean."""
    wide = of.source(step.inputs[0], "broadcast_in_dim", "reshape")
    total = of.source(wide.inputs[0] if wide is not None else step.inputs[0], "reduce_sum")
    if total is None or isinstance(step.inputs[1], str) or step.inputs[1].shape != ():
        return None
    axes, shape = tuple(total.params["axes"]), of.shape(total.inputs[0])
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    if float(step.inputs[1]) != np.prod([shape[axis] for axis in axes]) or (wide is not None and step.shapes[0] != kept):
        return None
    return "mean", (of.given(total.inputs[0], ""),), {"axes": axes, "keepdims": wide is not None}


def _softmax(of: Meaning, step: Step) -> Made | None:
    """Return exp(x - max) / sum(exp(x - max)) as a softmax; the maximum is a constant to the gradient, as it may be."""
    over = of.source(step.inputs[1], "broadcast_in_dim", "reshape")
    total = None if over is None else of.source(over.inputs[0], "reduce_sum")
    power = of.source(step.inputs[0], "exp")
    if total is None or power is None or total.inputs[0] != step.inputs[0] or len(total.params["axes"]) != 1:
        return None
    shifted = of.source(power.inputs[0], "sub")
    x = power.inputs[0] if shifted is None or not _largest(of, shifted, total.params["axes"]) else shifted.inputs[0]
    return "softmax", (of.given(x, ""),), {"axis": int(total.params["axes"][0])}


def _largest(of: Meaning, shifted: Step, axes: tuple[int, ...]) -> bool:
    """Tell whether what is subtracted from a value is its largest along an axis."""
    found: Operand = shifted.inputs[1]
    while (step := of.source(found, "stop_gradient", "broadcast_in_dim", "reshape", "max")) is not None:
        values = [item for item in step.inputs if isinstance(item, str)]
        if len(values) != 1:
            return False
        found = values[0]
    largest = of.source(found, "reduce_max")
    return largest is not None and largest.inputs[0] == shifted.inputs[0] and tuple(largest.params["axes"]) == tuple(axes)

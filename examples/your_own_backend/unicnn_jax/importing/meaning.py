"""What the steps of a pass are in the words of the tape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from unicnn.porting.tape import Array, Call, Constant
from unicnn.porting.tape import Operand as Given
from unicnn_jax.importing import windows
from unicnn_jax.importing.flattening import Flat, Operand, Span, Step

Made = tuple[str, tuple[Given, ...], Mapping[str, Any]]


@dataclass
class Meaning:
    """Translate the steps of one pass. `calls` and `constants` are what the tape will hold."""

    flat: Flat
    arrays: Mapping[str, Any]
    trainable: frozenset[str]

    def __post_init__(self) -> None:
        self.calls: list[Call] = []
        self.made: dict[str, Call] = {}
        self.constants: dict[str, Constant] = {name: _constant(name, array, name in self.trainable) for name, array in self.arrays.items()}
        self.sources: dict[str, Step] = {name: step for step in self.flat.steps for name in step.outputs}
        self.alias: dict[str, Given] = {}

    def run(self) -> None:
        """Translate every step, and every span as a whole."""
        spans: dict[int, Span] = {}
        for span in self.flat.spans:  # an outer one is closed after those in it
            spans[span.start] = span
        place = 0
        while place < len(self.flat.steps):
            if place in spans:
                self._span(spans[place])
                place = spans[place].stop
            else:
                self._step(self.flat.steps[place])
                place += 1

    def _span(self, span: Span) -> None:
        inputs = tuple(None if item is None else self.given(item, span.path) for item in span.inputs)
        if span.word == "layer_norm" and len(span.attributes["axes"]) > 1:
            inputs = (inputs[0], *(self._spread(span, item) for item in inputs[1:]))
        self._note(Call(span.word, span.output, inputs, span.shape, span.attributes, span.path, span.own, span.where))

    def _spread(self, span: Span, constant: Given) -> Given:
        """Return a scale or a shift, which Flax keeps as a vector, in the sizes of the axes that are normalised."""
        if constant is None:
            return None
        sizes = tuple(span.shape[axis] for axis in span.attributes["axes"])
        name = f"{constant}.spread"
        self._note(Call("reshape", name, (constant,), sizes, {}, span.path, span.own, span.where))
        return name

    def _note(self, call: Call) -> None:
        self.calls.append(call)
        self.made[call.name] = call

    def _step(self, step: Step) -> None:
        rule = _RULES.get(step.op)
        said = rule(self, step) if rule is not None else None
        if isinstance(said, str):
            self.alias[step.outputs[0]] = said
            return
        for name, shape in zip(step.outputs, step.shapes, strict=True):
            word, inputs, attributes = said or (f"jax.lax.{step.op}", tuple(self.given(item, step.path) for item in step.inputs), {})
            self._note(Call(word, name, inputs, shape, attributes, step.path, step.own, step.where))

    def extra(self, step: Step, suffix: str, word: str, inputs: tuple[Given, ...], **attributes: Any) -> str:
        """Note a call that JAX does not make by itself, and return its name."""
        name = f"{step.outputs[0]}.{suffix}"
        self._note(Call(word, name, inputs, step.shapes[0], attributes, step.path, step.own, step.where))
        return name

    def given(self, operand: Operand, path: str) -> Given:
        """Return an operand as the tape has it: a name, a number, or the name of a constant that code made."""
        if isinstance(operand, str):
            return self.alias.get(operand, operand)
        if operand.shape == () or (operand.size and np.ptp(operand) == 0 and operand.dtype != object):
            return float(operand.ravel()[0])
        name = next(name for i in range(1, len(self.constants) + 2) if (name := f"{path}.constant{i}".lstrip(".")) not in self.constants)
        self.constants[name] = _constant(name, operand, False)
        return name

    def inputs(self, step: Step) -> tuple[Given, ...]:
        """Return the operands of a step."""
        return tuple(self.given(item, step.path) for item in step.inputs)

    def shape(self, operand: Operand) -> tuple[int, ...]:
        """Return the shape of an operand."""
        return self.flat.shapes[operand] if isinstance(operand, str) else operand.shape

    def source(self, operand: Operand, *ops: str) -> Step | None:
        """Return the step that made an operand, if it is one of these."""
        found = self.sources.get(operand) if isinstance(operand, str) else None
        return found if found is not None and found.op in ops else None


def _constant(name: str, array: Any, trainable: bool) -> Constant:
    return Constant(name, tuple(array.shape), lambda: _read(array), trainable)


def _read(array: Any) -> Array:
    given = np.asarray(array)
    return given if given.dtype in (np.float32, np.float64) else given.astype(np.float32)


def _word(word: str, **attributes: Any) -> Callable[[Meaning, Step], Made]:
    return lambda of, step: (word, of.inputs(step), attributes)


def _axes(word: str) -> Callable[[Meaning, Step], Made]:
    return lambda of, step: (word, of.inputs(step), {"axes": tuple(step.params["axes"]), "keepdims": False})


def _power(of: Meaning, step: Step) -> Made:
    exponent = step.params["y"]
    if exponent == 2:
        return "square", of.inputs(step), {}
    return "power", (*of.inputs(step), float(exponent)), {}


def _erfc(of: Meaning, step: Step) -> Made:
    """Return erfc(-v) as 1 + erf(v), which the exact GELU is written with, and otherwise 1 - erf."""
    product = of.source(step.inputs[0], "mul")
    if product is not None:
        for inner, factor in (product.inputs, product.inputs[::-1]):
            negated = of.source(inner, "neg")
            if negated is not None and not isinstance(factor, str) and factor.shape == ():
                scaled = of.extra(step, "scaled", "mul", (of.given(negated.inputs[0], ""), float(factor)))
                return "add", (of.extra(step, "erf", "erf", (scaled,)), 1.0), {}
    return "sub", (1.0, of.extra(step, "erf", "erf", of.inputs(step))), {}


def _broadcast(of: Meaning, step: Step) -> Made | str | None:
    """Return a value with axes of size 1 put in, or itself where it only grows to what it meets."""
    shape, source = step.shapes[0], of.shape(step.inputs[0])
    if np.prod(shape) == np.prod(source):
        return "reshape", of.inputs(step), {}
    kept = [1] * len(shape)
    for axis, size in zip(step.params["broadcast_dimensions"], source, strict=True):
        kept[axis] = size
    if tuple(kept) == (1,) * (len(shape) - len(source)) + source or not source:
        return str(of.given(step.inputs[0], step.path)) if isinstance(step.inputs[0], str) else None
    return None


def _transpose(of: Meaning, step: Step) -> Made:
    return "transpose", of.inputs(step), {"axes": tuple(step.params["permutation"])}


def _concat(of: Meaning, step: Step) -> Made:
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


def _pad(of: Meaning, step: Step) -> Made | None:
    widths = tuple((int(low), int(high)) for low, high, _ in step.params["padding_config"])
    if (
        isinstance(step.inputs[1], str)
        or any(inner for _, _, inner in step.params["padding_config"])
        or min(min(pair) for pair in widths) < 0
    ):
        return None
    return "pad", (of.given(step.inputs[0], step.path),), {"widths": widths, "value": float(step.inputs[1])}


def _max_pool(of: Meaning, step: Step) -> Made | None:
    window = windows.image_window(step.params, of.shape(step.inputs[0]))
    return None if window is None else ("max_pool", of.inputs(step), {**window, "ceil_mode": False, "data": "NHWC"})


def _divided(of: Meaning, step: Step) -> Made:
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


def _slice(of: Meaning, step: Step) -> Any:
    start, stop, shape = step.params["start_indices"], step.params["limit_indices"], of.shape(step.inputs[0])
    cut = [axis for axis, size in enumerate(shape) if (start[axis], stop[axis]) != (0, size)]
    if step.params["strides"] is not None and set(step.params["strides"]) != {1}:
        return None
    if not cut:
        return of.given(step.inputs[0], "")
    if len(cut) != 1:
        return None
    return "split", of.inputs(step), {"axis": cut[0], "start": int(start[cut[0]]), "size": int(stop[cut[0]] - start[cut[0]])}


def _clamped(of: Meaning, step: Step) -> Made | None:
    """Return min(max(x, low), high) as one word."""
    for value, high in (step.inputs, step.inputs[::-1]):
        inner = of.source(value, "max")
        if inner is None or isinstance(high, str) or high.shape != ():
            continue
        for x, low in (inner.inputs, inner.inputs[::-1]):
            if isinstance(x, str) and not isinstance(low, str) and low.shape == ():
                return "clip", (of.given(x, ""),), {"low": float(low), "high": float(high)}
    return "minimum", of.inputs(step), {}


def _conv(of: Meaning, step: Step) -> Made | None:
    settings = windows.convolution(step.params, len(step.shapes[0]))
    if settings is None:
        return None
    spread = settings.pop("spread")
    x, weight = of.inputs(step)
    if spread != (1, 1) or _turned(of, step.inputs[1]) is not None:
        return _conv_transpose(of, step, settings, spread)
    return "conv", (x, weight, None), settings


def _conv_transpose(of: Meaning, step: Step, settings: dict[str, Any], spread: tuple[int, int]) -> Made | None:
    """Return a convolution of a spread input with a kernel that was turned round as what it is: a transposed one."""
    found = _turned(of, step.inputs[1])
    if found is None or settings["stride"] != (1, 1) or settings["data"] != "NHWC" or settings["kernel"] != "HWIO":
        return None
    name, index = found
    rows, columns, inner, outer = of.shape(step.inputs[1])
    groups = settings["groups"]
    held = np.arange(index.size).reshape(rows, columns, outer // groups, inner * groups)
    turned = held[::-1, ::-1].reshape(rows, columns, outer // groups, groups, inner).transpose(0, 1, 4, 3, 2)
    if of.shape(name) != held.shape or not np.array_equal(turned.reshape(rows, columns, inner, outer), index):
        return None
    sizes = [d * (k - 1) + 1 for d, k in zip(settings["dilation"], (rows, columns), strict=True)]
    crop = tuple((k - 1 - before, k - 1 - after) for k, (before, after) in zip(sizes, settings["padding"], strict=True))
    attributes = {"stride": spread, "crop": crop, "dilation": settings["dilation"], "groups": groups, "data": "NHWC", "kernel": "HWOI"}
    return "conv_transpose", (of.given(step.inputs[0], ""), name, None), attributes


def _turned(of: Meaning, operand: Operand) -> tuple[str, np.ndarray[Any, Any]] | None:
    """Return the array whose numbers in another order an operand holds, at least one axis turned round, and that order."""
    steps = []
    while (step := of.source(operand, "rev", "reshape", "transpose")) is not None:
        steps.append(step)
        operand = step.inputs[0]
    if not isinstance(operand, str) or operand not in of.arrays or not any(step.op == "rev" for step in steps):
        return None
    shape = of.shape(operand)
    index = np.arange(int(np.prod(shape))).reshape(shape)
    for step in reversed(steps):
        if step.op == "rev":
            index = np.flip(index, step.params["dimensions"])
        elif step.op == "transpose":
            index = index.transpose(step.params["permutation"])
        else:
            index = index.reshape(step.params["new_sizes"])
    return operand, index


def _product(of: Meaning, step: Step) -> Made | None:
    """Return a product with a matrix along the last axis of a value."""
    ((left, right), (batch, _)) = step.params["dimension_numbers"]
    x, matrix = step.inputs
    if batch or len(left) != 1 or len(of.shape(matrix)) != 2 or left[0] != len(of.shape(x)) - 1:
        return None
    return "linear", (*of.inputs(step), None), {"kernel": "IO" if right[0] == 0 else "OI"}


_RULES: Mapping[str, Callable[[Meaning, Step], Any]] = {
    **{name: _word(name) for name in ("add", "sub", "mul", "neg", "exp", "log", "sqrt", "rsqrt", "square", "abs", "erf", "tanh")},
    "add_any": _word("add"),
    "logistic": _word("sigmoid"),
    "max": _word("maximum"),
    "min": _clamped,
    "div": _divided,
    "pow": _word("power"),
    "integer_pow": _power,
    "erfc": _erfc,
    "reduce_sum": _axes("sum"),
    "reduce_max": _axes("max"),
    "reshape": _word("reshape"),
    "squeeze": _word("reshape"),
    "expand_dims": _word("reshape"),
    "broadcast_in_dim": _broadcast,
    "transpose": _transpose,
    "concatenate": _concat,
    "pad": _pad,
    "slice": _slice,
    "reduce_window_max": _max_pool,
    "conv_general_dilated": _conv,
    "dot_general": _product,
}

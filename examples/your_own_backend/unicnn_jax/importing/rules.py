"""What each primitive of JAX is in the words of the tape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from unicnn_jax.importing import windows
from unicnn_jax.importing.flattening import Step
from unicnn_jax.importing.kernels import convolved, multiplied
from unicnn_jax.importing.means import concatenated, divided

if TYPE_CHECKING:
    from unicnn_jax.importing.meaning import Made, Meaning


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


RULES: Mapping[str, Callable[[Meaning, Step], Any]] = {
    **{name: _word(name) for name in ("add", "sub", "mul", "neg", "exp", "log", "sqrt", "rsqrt", "square", "abs", "erf", "tanh")},
    "add_any": _word("add"),
    "logistic": _word("sigmoid"),
    "max": _word("maximum"),
    "min": _clamped,
    "div": divided,
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
    "concatenate": concatenated,
    "pad": _pad,
    "slice": _slice,
    "reduce_window_max": _max_pool,
    "conv_general_dilated": convolved,
    "dot_general": multiplied,
}

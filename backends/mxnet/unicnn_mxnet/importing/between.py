"""Values inside an operator that does several things at once, computed from what it was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from unicnn.porting.tape import Call

Array = np.ndarray[Any, Any]


def between(call: Call, operands: Sequence[Any]) -> Array:
    """Return what a step inside an operator gives."""
    found = np.asarray(_STEPS[call.op](call, *operands))
    return found.reshape(-1, *call.shape[1:]) if call.shape else found.reshape(())  # the batch may be another than on the tape


def _split(call: Call, x: Array) -> Array:
    axis, start, size = (call.attributes[key] for key in ("axis", "start", "size"))
    return np.take(x, range(start, start + size), axis)


def _batch_norm(call: Call, x: Array, scale: Any, shift: Any, mean: Array, var: Array) -> Array:
    axis = call.attributes["axis"]
    along = [-1 if i == axis else 1 for i in range(x.ndim)]
    mean, var, scale, shift = (np.reshape(1.0 if item is None else item, along) for item in (mean, var, scale, shift))
    return (x - mean) / np.sqrt(var + call.attributes["eps"]) * scale + shift


def _softmax(call: Call, x: Array) -> Array:
    raised = np.exp(x - x.max(call.attributes["axis"], keepdims=True))
    return raised / raised.sum(call.attributes["axis"], keepdims=True)


def _elu(call: Call, x: Array) -> Array:
    return np.where(x > 0, x, call.attributes["alpha"] * np.expm1(np.minimum(x, 0)))


def _reduced(function: Callable[..., Array]) -> Callable[..., Array]:
    return lambda call, x: function(x, axis=call.attributes["axes"], keepdims=call.attributes["keepdims"])


_STEPS: dict[str, Callable[..., Any]] = {
    "reshape": lambda call, x: x,
    "transpose": lambda call, x: x.transpose(call.attributes["axes"]),
    "split": _split,
    "batch_norm": _batch_norm,
    "softmax": _softmax,
    "elu": _elu,
    "sum": _reduced(np.sum),
    "mean": _reduced(np.mean),
    "max": _reduced(np.max),
    "neg": lambda call, x: -x,
    "square": lambda call, x: x * x,
    "sqrt": lambda call, x: np.sqrt(x),
    "add": lambda call, a, b: a + b,
    "div": lambda call, a, b: a / b,
}

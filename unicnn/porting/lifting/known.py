"""Constants: arrays that no input reaches, folded lazily; a weight is read once, when the layer that holds it is finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from unicnn.porting.tape import Call, Constant

Array: TypeAlias = np.ndarray[Any, Any]


def _same(array: Array) -> Array:
    return array


@dataclass(frozen=True)
class Known:
    """Be an array computed from constants. `source` names the constant of which it is a mere view, by `view`; None if it is more."""

    shape: tuple[int, ...]
    read: Callable[[], Array]
    source: str | None = None
    view: Callable[[Array], Array] = _same
    trainable: bool = True
    roots: frozenset[str] = frozenset()
    """The names of the trainable constants that it depends on."""

    @classmethod
    def of(cls, constant: Constant) -> Known:
        """Return the array of a constant as it is."""
        roots = frozenset([constant.name] if constant.trainable else [])
        return cls(constant.shape, constant.read, constant.name, trainable=constant.trainable, roots=roots)

    @classmethod
    def number(cls, value: float) -> Known:
        """Return a number written in code."""
        return cls((), lambda: np.float64(value), trainable=False)  # type: ignore[return-value,arg-type]

    def seen(self, shape: tuple[int, ...], step: Callable[[Array], Array]) -> Known:
        """Return the view of this array that `step` makes, of shape `shape`; it moves elements and computes nothing."""
        read, view = self.read, self.view
        return Known(shape, lambda: step(read()), self.source, lambda array: step(view(array)), self.trainable, self.roots)

    def transposed(self, axes: Sequence[int]) -> Known:
        """Return the array with its axes in another order."""
        order = tuple(axes)
        return self.seen(tuple(self.shape[axis] for axis in order), lambda array: array.transpose(order))

    def reshaped(self, *shape: int) -> Known:
        """Return the array in another shape."""
        return self.seen(shape, lambda array: array.reshape(shape))

    def computed(self, shape: tuple[int, ...], step: Callable[[Array], Array]) -> Known:
        """Return what `step` computes of this array; in float64, so that folding rounds once."""
        return combined(shape, step, self)


def combined(shape: tuple[int, ...], step: Callable[..., Array], *operands: Known) -> Known:
    """Return what `step` computes of several arrays; in float64, so that folding rounds once."""
    return Known(
        shape,
        lambda: step(*(np.asarray(operand.read(), np.float64) for operand in operands)),
        trainable=any(operand.trainable for operand in operands),
        roots=frozenset().union(*(operand.roots for operand in operands)),
    )


_UNARY: dict[str, Callable[..., Array]] = {
    "neg": np.negative,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "square": np.square,
    "abs": np.abs,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
}
_BINARY: dict[str, Callable[..., Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "power": np.power,
}
_REDUCTIONS: dict[str, Callable[..., Array]] = {"mean": np.mean, "sum": np.sum, "max": np.max}


def fold(call: Call, operands: Sequence[Known]) -> Known | None:
    """Return the result of a call on constants alone, or None if the call is not one that can be folded."""
    first, attributes = operands[0], call.attributes
    if call.op == "identity":
        return first
    if call.op == "transpose":
        return first.transposed(attributes["axes"])
    if call.op == "reshape":
        return first.reshaped(*call.shape)
    if call.op == "concat":
        return combined(call.shape, lambda *arrays: np.concatenate(arrays, attributes["axis"]), *operands)
    if call.op == "split":
        cut = (*(slice(None) for _ in range(attributes["axis"])), slice(attributes["start"], attributes["start"] + attributes["size"]))
        return first.seen(call.shape, lambda array: array[cut])
    if call.op == "clip":
        return first.computed(call.shape, lambda array: np.clip(array, attributes["low"], attributes["high"]))
    if call.op in _REDUCTIONS:
        return first.computed(
            call.shape, lambda array: _REDUCTIONS[call.op](array, tuple(attributes["axes"]), keepdims=attributes["keepdims"])
        )
    if call.op in _UNARY:
        return first.computed(call.shape, _UNARY[call.op])
    return combined(call.shape, _BINARY[call.op], *operands) if call.op in _BINARY else None

"""Functions of jax.nn that are one word: recognised by what they compute, whatever they are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import jax
import numpy as np

Settings = Callable[[Sequence[float]], Mapping[str, Any]]


def _none(numbers: Sequence[float]) -> Mapping[str, Any]:
    return {}


_PLAIN: Mapping[str, tuple[str, Callable[..., Any], Settings]] = {
    "relu": ("relu", jax.nn.relu, _none),
    "relu6": ("relu6", jax.nn.relu6, _none),
    "silu": ("silu", jax.nn.silu, _none),
    "hard_sigmoid": ("hardsigmoid", jax.nn.hard_sigmoid, lambda _: {"slope": 1 / 6, "offset": 0.5}),
    "hard_silu": ("hardswish", jax.nn.hard_silu, _none),
    "leaky_relu": ("leaky_relu", jax.nn.leaky_relu, lambda numbers: {"negative_slope": (numbers or [0.01])[0]}),
    "elu": ("elu", jax.nn.elu, lambda numbers: {"alpha": (numbers or [1.0])[0]}),
}


def known(equation: Any, inputs: Sequence[Any]) -> tuple[str, Mapping[str, Any]] | None:
    """Return the word that a call of a function is, and its attributes, or None if it has to be looked into."""
    name = str(equation.params.get("name", ""))
    if name == "log_softmax":
        return _log_softmax(equation, inputs)
    if name not in _PLAIN or not isinstance(inputs[0], str):
        return None
    numbers = [float(item) for item in inputs[1:] if isinstance(item, np.ndarray) and item.shape == ()]
    if len(numbers) != len(inputs) - 1:
        return None
    word, function, settings = _PLAIN[name]
    shape = tuple(equation.invars[0].aval.shape)
    if _text(equation) not in _references(name, function, shape, len(numbers)):
        return None
    return word, settings(numbers)


def _log_softmax(equation: Any, inputs: Sequence[Any]) -> tuple[str, Mapping[str, Any]] | None:
    shape = tuple(equation.invars[0].aval.shape)
    for axis in range(len(shape)):
        if len(inputs) == 1 and _text(equation) in _references("log_softmax", jax.nn.log_softmax, shape, 0, axis):
            return "log_softmax", {"axis": axis}
    return None


def _text(equation: Any) -> str:
    inner = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
    return str(inner)


@cache
def _references(name: str, function: Callable[..., Any], shape: tuple[int, ...], count: int, axis: int | None = None) -> frozenset[str]:
    """Return what the function itself looks like, given `count` numbers besides the value."""
    x = jax.ShapeDtypeStruct(shape, np.float64)
    numbers = [0.123456789] * count
    options = {} if axis is None else {"axis": axis}
    with jax.enable_x64(True):
        whole = jax.make_jaxpr(lambda x: function(x, *numbers, **options))(x)
    return frozenset(_text(equation) for equation in whole.eqns if equation.params.get("name") == name)

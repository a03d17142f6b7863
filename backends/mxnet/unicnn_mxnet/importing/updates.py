"""Steps of MXNet's optimizers in float64 with their numbers as float64: MXNet keeps a learning rate of 0.1 as the float32 next to it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from unicnn_mxnet.compat import mx
from unicnn_mxnet.importing import arrays, operators
from unicnn_mxnet.importing.doubles import in_double
from unicnn_mxnet.importing.heard import plain

Array: TypeAlias = np.ndarray[Any, Any]
Numbers: TypeAlias = Mapping[str, float]
Step: TypeAlias = Callable[..., tuple[Array, ...]]
"""Returns the new weight and the new states of a weight, its gradient, its states and the numbers of the optimizer."""


def _clipped(gradient: Array, n: Numbers) -> Array:
    limit = n.get("clip_gradient", -1.0)
    return np.clip(gradient, -limit, limit) if limit >= 0 else gradient


def _scaled(gradient: Array, weight: Array, n: Numbers) -> Array:
    """Return the gradient scaled, clipped, and with the decay added after that."""
    return _clipped(gradient * n.get("rescale_grad", 1.0), n) + n.get("wd", 0.0) * weight


def _decayed(gradient: Array, weight: Array, n: Numbers) -> Array:
    """Return the gradient scaled, with the decay added, and clipped after that."""
    return _clipped(gradient * n.get("rescale_grad", 1.0) + n.get("wd", 0.0) * weight, n)


def _sgd(w: Array, g: Array, n: Numbers) -> tuple[Array, ...]:
    return (w - n["lr"] * _scaled(g, w, n),)


def _momentum(w: Array, g: Array, velocity: Array, n: Numbers) -> tuple[Array, ...]:
    velocity = n.get("momentum", 0.0) * velocity - n["lr"] * _scaled(g, w, n)
    return w + velocity, velocity


def _nesterov(w: Array, g: Array, velocity: Array, n: Numbers) -> tuple[Array, ...]:
    """Return what MXNet does in place: the velocity that it keeps has the decay of the new weight, because that is written first."""
    momentum, rate = n.get("momentum", 0.0), n["lr"]
    step = rate * _scaled(g, w, n)
    moved = w + momentum * (momentum * velocity - step) - step
    return moved, momentum * velocity - rate * _scaled(g, moved, n)


def _adam(w: Array, g: Array, mean: Array, var: Array, n: Numbers) -> tuple[Array, ...]:
    g, beta1, beta2 = _decayed(g, w, n), n.get("beta1", 0.9), n.get("beta2", 0.999)
    mean, var = beta1 * mean + (1 - beta1) * g, beta2 * var + (1 - beta2) * g * g
    return w - n["lr"] * mean / (np.sqrt(var) + n.get("epsilon", 1e-8)), mean, var


def _rmsprop(w: Array, g: Array, square: Array, n: Numbers) -> tuple[Array, ...]:
    g, rho = _decayed(g, w, n), n.get("gamma1", 0.95)
    square = rho * square + (1 - rho) * g * g
    return w - n["lr"] * g / np.sqrt(square + n.get("epsilon", 1e-8)), square


def _centred(w: Array, g: Array, square: Array, mean: Array, velocity: Array, n: Numbers) -> tuple[Array, ...]:
    g, rho = _decayed(g, w, n), n.get("gamma1", 0.95)
    square, mean = rho * square + (1 - rho) * g * g, rho * mean + (1 - rho) * g
    step = n["lr"] * g / np.sqrt(square - mean * mean + n.get("epsilon", 1e-8))
    velocity = n.get("gamma2", 0.9) * velocity - step
    return w + velocity, square, mean, velocity


STEPS: Mapping[str, tuple[Step, int]] = {
    "sgd_update": (_sgd, 2),
    "sgd_mom_update": (_momentum, 3),
    "nag_mom_update": (_nesterov, 3),
    "adam_update": (_adam, 4),
    "rmsprop_update": (_rmsprop, 3),
    "rmspropalex_update": (_centred, 5),
    "multi_sgd_update": (_sgd, 2),
    "multi_sgd_mom_update": (_momentum, 3),
}
"""What each operator does with one weight, and how many arrays it takes for it."""


def stepped(op: str, given: Sequence[Any], attributes: Mapping[str, Any]) -> None:
    """Do what an operator does to the weights and states it is given, in place."""
    step, size = STEPS[op]
    found = {key: plain(value) for key, value in attributes.items() if key != "out"}
    rates, decays = found.pop("lrs", None), found.pop("wds", None)
    numbers = {key: float(value) for key, value in found.items() if isinstance(value, (int, float)) and not isinstance(value, bool)}
    for place in range(0, len(given), size):
        mine = given[place : place + size]
        own = {} if rates is None else {"lr": float(rates[place // size]), "wd": float(decays[place // size])}
        weight, *states = step(*(arrays.values_of(array) for array in mine), {**numbers, **own})
        for array, values in zip([mine[0], *mine[2:]], [weight, *states], strict=True):
            array._sync_copyfrom(np.ascontiguousarray(values))


@contextlib.contextmanager
def exact() -> Iterator[None]:
    """Make optimizers, and what clips gradients, exact for arrays of float64 inside."""
    inner = mx.nd.register._imperative_invoke

    def invoke(handle: int, given: Sequence[Any], keys: list[str], vals: list[Any], out: Any, is_np: bool, as_list: bool) -> Any:
        op, attributes = operators.name_of(handle), dict(zip(keys, vals, strict=True))
        if not given or given[0].dtype is not np.float64:
            return inner(handle, given, keys, vals, out, is_np, as_list)
        if op in STEPS:
            stepped(op, given, attributes)
            return out
        if op == "clip" and out is None:
            return in_double(
                lambda name, x, a: inner(operators.handle_of(name), x, list(a), list(a.values()), None, False, False), op, given, attributes
            )
        return inner(handle, given, keys, vals, out, is_np, as_list)

    mx.nd.register._imperative_invoke = invoke
    try:
        yield
    finally:
        mx.nd.register._imperative_invoke = inner

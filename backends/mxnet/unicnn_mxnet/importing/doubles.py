"""Operators that compute with numbers of float32 whatever their operands are, or with none of float64 at all.

In float64 they are put together from others that do: so a number means what was written, and not the float32 next to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from unicnn_mxnet.importing.activations import SELU_ALPHA, SELU_SCALE
from unicnn_mxnet.importing.heard import plain

Run: TypeAlias = Callable[[str, list[Any], dict[str, Any]], Any]
"""Runs an operator on arrays with attributes."""
Attributes: TypeAlias = Mapping[str, Any]


def _scaled(run: Run, x: Any, scale: float, offset: float = 0.0) -> Any:
    y = run("_mul_scalar", [x], {"scalar": scale})
    return run("_plus_scalar", [y], {"scalar": offset}) if offset else y


def _bent(run: Run, x: Any, slope: float, *, curved: bool) -> Any:
    """Return x where it is positive, and a multiple of x, or of exp(x) - 1, elsewhere."""
    below = run("_minimum_scalar", [x], {"scalar": 0.0})
    below = run("expm1", [below], {}) if curved else below
    return run("elemwise_add", [run("relu", [x], {}), _scaled(run, below, slope)], {})


def _leaky(run: Run, given: list[Any], a: Attributes) -> Any:
    kind, (x, *_), slope = a.get("act_type", "leaky"), given, float(a.get("slope", 0.25))
    if kind in ("leaky", "elu"):
        return _bent(run, x, slope, curved=kind == "elu")
    if kind == "selu":
        return _scaled(run, _bent(run, x, SELU_ALPHA, curved=True), SELU_SCALE)
    if kind == "gelu":
        share = _scaled(run, run("erf", [_scaled(run, x, 1 / math.sqrt(2))], {}), 0.5, 0.5)
        return run("elemwise_mul", [x, share], {})
    return None


def _clip(run: Run, given: list[Any], a: Attributes) -> Any:
    raised = run("_maximum_scalar", given, {"scalar": float(a["a_min"])})
    return run("_minimum_scalar", [raised], {"scalar": float(a["a_max"])})


def _hard_sigmoid(run: Run, given: list[Any], a: Attributes) -> Any:
    line = _scaled(run, given[0], float(a.get("alpha", 0.2)), float(a.get("beta", 0.5)))
    return run("clip", [line], {"a_min": 0.0, "a_max": 1.0})


def _softmax_activation(run: Run, given: list[Any], a: Attributes) -> Any:
    return run("softmax", given, {"axis": 1 if a.get("mode", "instance") == "channel" else -1})


def _layer_norm(run: Run, given: list[Any], a: Attributes) -> Any:
    x, scale, shift = given
    axis = int(a.get("axis", -1)) % len(x.shape)
    along = {"shape": tuple(-1 if i == axis else 1 for i in range(len(x.shape)))}
    centred = run("broadcast_sub", [x, run("mean", [x], {"axis": axis, "keepdims": True})], {})
    variance = run("mean", [run("square", [centred], {})], {"axis": axis, "keepdims": True})
    root = run("sqrt", [run("_plus_scalar", [variance], {"scalar": float(a.get("eps", 1e-5))})], {})
    scaled = run("broadcast_mul", [run("broadcast_div", [centred, root], {}), run("Reshape", [scale], along)], {})
    return run("broadcast_add", [scaled, run("Reshape", [shift], along)], {})


def _batch_norm_with_relu(run: Run, given: list[Any], a: Attributes) -> Any:
    return run("relu", [run("BatchNorm", given, dict(a))], {})


_BUILT: dict[str, Callable[[Run, list[Any], Attributes], Any]] = {
    "LeakyReLU": _leaky,
    "clip": _clip,
    "hard_sigmoid": _hard_sigmoid,
    "SoftmaxActivation": _softmax_activation,
    "LayerNorm": _layer_norm,
    "_contrib_BatchNormWithReLU": _batch_norm_with_relu,
}


def in_double(run: Run, op: str, given: list[Any], attributes: Attributes) -> Any:
    """Return the result of an operator with its numbers as float64, or None if it is exact by itself."""
    built = _BUILT.get(op)
    return built(run, given, {key: plain(value) for key, value in attributes.items()}) if built else None

"""Operators that keep their numbers as float32 whatever their operands are: in float64 they are put together from others that do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from unicnn_mxnet.importing.heard import plain

Run: TypeAlias = Callable[[str, list[Any], dict[str, Any]], Any]
"""Runs an operator on arrays with attributes."""


def _leaky(run: Run, x: Any, a: Mapping[str, Any]) -> Any:
    kind, slope = a.get("act_type", "leaky"), float(a.get("slope", 0.25))
    if kind not in ("leaky", "elu"):
        return None
    below = run("_minimum_scalar", [x], {"scalar": 0.0})
    below = run("expm1", [below], {}) if kind == "elu" else below
    return run("elemwise_add", [run("relu", [x], {}), run("_mul_scalar", [below], {"scalar": slope})], {})


def _clip(run: Run, x: Any, a: Mapping[str, Any]) -> Any:
    raised = run("_maximum_scalar", [x], {"scalar": float(a["a_min"])})
    return run("_minimum_scalar", [raised], {"scalar": float(a["a_max"])})


def _hard_sigmoid(run: Run, x: Any, a: Mapping[str, Any]) -> Any:
    line = run("_mul_scalar", [x], {"scalar": float(a.get("alpha", 0.2))})
    line = run("_plus_scalar", [line], {"scalar": float(a.get("beta", 0.5))})
    return run("clip", [line], {"a_min": 0.0, "a_max": 1.0})


_BUILT: dict[str, Callable[[Run, Any, Mapping[str, Any]], Any]] = {"LeakyReLU": _leaky, "clip": _clip, "hard_sigmoid": _hard_sigmoid}


def in_double(run: Run, op: str, given: list[Any], attributes: Mapping[str, Any]) -> Any:
    """Return the result of an operator with its numbers as float64, or None if it is exact by itself."""
    built = _BUILT.get(op)
    return built(run, given[0], {key: plain(value) for key, value in attributes.items()}) if built else None

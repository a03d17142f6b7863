"""Initialisers as Keras text."""

from __future__ import annotations

import math
from typing import Any

from unicnn.errors import UnsupportedError
from unicnn.initializers import PRESETS, Constant, Normal, Scaled, Uniform
from unicnn.porting.loops.frame import indented
from unicnn.porting.loops.init import changed, stated, variance
from unicnn.porting.loops.words import call, docstring, laid_out
from unicnn.training.recipe import Recipe

VARIABLES = {"weight": "kernel", "bias": "bias", "scale": "gamma", "shift": "beta", "mean": "moving_mean", "var": "moving_variance"}


def initialization(recipe: Recipe) -> str:
    """Return the source of `initialize`, or a comment if Keras's layers begin so by themselves."""
    layers, norms = changed(recipe, PRESETS["keras"])
    rules = {**layers, **norms}
    if not rules:
        return "# Keras's layers begin as they should: Glorot's uniform distribution, biases 0.\n"
    sides = _sides(rules)
    imports = [*(["import math", ""] if sides else []), "import keras"]
    lines = [*imports, "", "", "def initialize(net):", *indented(docstring(stated(rules), 1)), "    for variable in net.variables:"]
    fans = [f"fan_{side} = {FANS[side]}" for side in sides]
    branches = {"weight": [*fans, *(_set("weight", rules["weight"]) if "weight" in rules else [])]} if sides or "weight" in rules else {}
    branches |= {role: _set(role, rule) for role, rule in rules.items() if role != "weight"}
    for word, (role, body) in zip(["if", *["elif"] * 5], branches.items(), strict=False):
        test = '"kernel" in variable.name' if role == "weight" else f'variable.name == "{VARIABLES[role]}"'
        lines += [f"        {word} {test}:", *indented(indented(indented(body)))]
    return "\n".join(line for whole in lines for line in laid_out(whole)) + "\n"


def _set(role: str, rule: Any) -> list[str]:
    return [f"draw = keras.initializers.{_drawn(role, rule)}", "variable.assign(draw(variable.shape, variable.dtype))"]


FANS = {"in": "math.prod(variable.shape[:-1])", "out": "math.prod(variable.shape[:-2]) * variable.shape[-1]"}


def _own(role: str, rule: Any) -> bool:
    return not isinstance(rule, Scaled) or (role == "weight" and rule.distribution != "truncated")


def _sides(rules: dict[str, Any]) -> list[str]:
    wanted = {rule.fan for role, rule in rules.items() if not _own(role, rule)}
    return [side for side in ("in", "out") if wanted & {side, "avg"}]


def _drawn(role: str, rule: Any) -> str:
    if isinstance(rule, Constant):
        return {0: "Zeros()", 1: "Ones()"}.get(rule.value) or f"Constant({rule.value!r})"
    if isinstance(rule, Uniform):
        return f"RandomUniform({-rule.bound!r}, {rule.bound!r})"
    if isinstance(rule, Normal):
        if math.isinf(rule.cut):
            return f"RandomNormal(stddev={rule.std!r})"
        if rule.cut == 2:
            return f"TruncatedNormal(stddev={rule.std!r})"
        raise UnsupportedError(
            f"init.{role}: Keras cuts a normal distribution at 2 standard deviations and cannot cut it at {rule.cut:g}. Use a cut of 2, or none."
        )
    if not _own(role, rule):
        return _by_fan(rule)
    if (rule.gain, rule.fan) == (1, "avg") and rule.distribution == "uniform":
        return "GlorotUniform()"
    options = {
        "scale": rule.gain,
        "mode": f"fan_{rule.fan}",
        "distribution": {"normal": "untruncated_normal"}.get(rule.distribution, rule.distribution),
    }
    return call("VarianceScaling", options=options, defaults={"scale": 1.0, "mode": "fan_in"})


def _by_fan(rule: Scaled) -> str:
    # VarianceScaling would take a bias for a weight, and widens a truncated normal.
    if rule.distribution == "uniform":
        bound = f"math.sqrt({variance(rule, 3)})"
        return f"RandomUniform(-{bound}, {bound})"
    kind = {"truncated": "TruncatedNormal"}.get(rule.distribution, "RandomNormal")
    return f"{kind}(stddev=math.sqrt({variance(rule)}))"


__all__ = ["initialization"]

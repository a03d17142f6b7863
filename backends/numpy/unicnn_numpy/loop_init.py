"""Initialisers as NumPy text."""

from __future__ import annotations

import math
from typing import Any

from unicnn.initializers import Constant, Normal, Scaled, Uniform
from unicnn.porting.loops.frame import indented
from unicnn.porting.loops.init import STATISTICS, drawn_by_numpy, sides, stated, variance
from unicnn.porting.loops.words import docstring, laid_out
from unicnn.training.recipe import Recipe


def initialization(recipe: Recipe) -> str:
    """Return the source of `initialize`."""
    rules = {role: rule for role, rule in recipe.init.items() if rule != STATISTICS.get(role)}
    lines = ["    for name, parameter in net.parameters.items():"]
    for word, (role, rule) in zip(["if", *["elif"] * 5], rules.items(), strict=False):
        lines += [f'        {word} name.endswith(".{role}"):', *indented(indented(indented(_drawn(role, rule))))]
    text = "\n".join(["def initialize(net):", *indented(docstring(stated(rules), 1)), *_generator(lines), *lines])
    parts = ["import numpy as np", *([drawn_by_numpy()] if "truncated_normal(" in text else []), text]
    return "\n".join(part for line in "\n\n\n".join(parts).splitlines() for part in laid_out(line)) + "\n"


def _generator(lines: list[str]) -> list[str]:
    return ["    rng = np.random.default_rng()"] if any("rng." in line for line in lines) else []


def _drawn(role: str, rule: Any) -> list[str]:
    if isinstance(rule, Constant):
        return [f"parameter[...] = {rule.value!r}"]
    if isinstance(rule, Uniform):
        return [f"parameter[...] = rng.uniform({-rule.bound!r}, {rule.bound!r}, parameter.shape)"]
    if isinstance(rule, Normal):
        if math.isinf(rule.cut):
            return [f"parameter[...] = rng.normal(0.0, {rule.std!r}, parameter.shape)"]
        return [f"parameter[...] = truncated_normal(parameter.shape, {rule.std!r}, {rule.cut!r})"]
    assert isinstance(rule, Scaled)
    return _scaled(role, rule)


def _scaled(role: str, rule: Scaled) -> list[str]:
    weight, lines = "parameter", []
    if role != "weight":
        weight, lines = "weight", [f'weight = net.parameters[name[: -len("{role}")] + "weight"]']
    fans = {"in": f"{weight}[0].size", "out": f"{weight}[:, 0].size"}
    lines += [f"fan_{side} = {fans[side]}" for side in sides(rule)]
    if rule.distribution == "uniform":
        return [*lines, f"bound = ({variance(rule, 3)}) ** 0.5", "parameter[...] = rng.uniform(-bound, bound, parameter.shape)"]
    lines.append(f"std = ({variance(rule)}) ** 0.5")
    if rule.distribution == "normal":
        return [*lines, "parameter[...] = rng.normal(0.0, std, parameter.shape)"]
    return [*lines, "parameter[...] = truncated_normal(parameter.shape, std, 2.0)"]


__all__ = ["initialization"]

"""Initialisers as Flax NNX text."""

from __future__ import annotations

import math
from typing import Any

from unicnn.initializers import Constant, Normal, Scaled, Uniform
from unicnn.porting.loops.frame import indented
from unicnn.porting.loops.init import STATISTICS, sides, stated, variance
from unicnn.porting.loops.words import docstring, laid_out
from unicnn.training.recipe import Recipe

FANS = {"in": "math.prod(kernel.shape[:-1])", "out": "math.prod(kernel.shape[:-2]) * kernel.shape[-1]"}


def initialization(recipe: Recipe) -> str:
    """Return the source of `initialize`; Flax's own kernels are LeCun's truncated normal, which no preset is."""
    rules = {role: rule for role, rule in recipe.init.items() if rule != STATISTICS.get(role)}
    if rules.get("bias") == Constant(0):
        del rules["bias"]
    sentence = stated({"bias": Constant(0), **rules} if "bias" in recipe.init else rules)
    lines = ["    keys = nnx.Rngs(seed)", "    for _, layer in nnx.iter_modules(net):"]
    layers = {role: rules[role] for role in ("weight", "bias") if role in rules}
    lines += _block("(nnx.Conv, nnx.ConvTranspose, nnx.Linear)", layers)
    lines += _block("(nnx.BatchNorm, nnx.LayerNorm)", {role: rule for role, rule in rules.items() if role not in layers})
    text = "\n".join(["def initialize(net, seed=0):", *indented(docstring(sentence, 1)), *lines])
    imports = [*(["import math", ""] if "math." in text else []), *(["import jax"] if "jax." in text else []), "from flax import nnx"]
    if "keys()" not in text:
        text = text.replace("    keys = nnx.Rngs(seed)\n", "").replace("(net, seed=0)", "(net)")
    whole = "\n".join(imports) + "\n\n\n" + text
    return "\n".join(part for line in whole.splitlines() for part in laid_out(line)) + "\n"


def _block(kinds: str, rules: dict[str, Any]) -> list[str]:
    if not rules:
        return []
    lines = [f"        if isinstance(layer, {kinds}):"]
    wanted = {side for rule in rules.values() if isinstance(rule, Scaled) for side in sides(rule)}
    given = {role: {"weight": "kernel", "shift": "bias"}.get(role, role) for role in rules}
    if wanted or "kernel" in given.values():
        lines.append("            kernel = layer.kernel")
    lines += [f"            fan_{side} = {FANS[side]}" for side in ("in", "out") if side in wanted]
    for role, rule in rules.items():
        place = given[role]
        body = _drawn(rule, place)
        if role != "weight":
            body = [f"{place} = layer.{place}", *([] if role in ("mean", "var") else [f"if {place} is not None:"])]
            body += indented(_drawn(rule, place)) if role not in ("mean", "var") else _drawn(rule, place)
        lines += indented(indented(indented(body)))
    return lines


def _drawn(rule: Any, place: str) -> list[str]:
    given = f"{place}.shape, {place}.dtype"
    if isinstance(rule, Constant):
        return [f"{place}[...] = {float(rule.value)!r}"]
    uniform = f"values = jax.random.uniform(keys(), {given}, -1, 1)"
    if isinstance(rule, Uniform):
        return [uniform, f"{place}[...] = {rule.bound!r} * values"]
    normal = f"values = jax.random.normal(keys(), {given})"
    if isinstance(rule, Normal):
        drawn = normal if math.isinf(rule.cut) else _cut(rule.cut, given)
        return [drawn, f"{place}[...] = {rule.std!r} * values"]
    if rule.distribution == "uniform":
        return [uniform, f"{place}[...] = math.sqrt({variance(rule, 3)}) * values"]
    return [normal if rule.distribution == "normal" else _cut(2.0, given), f"{place}[...] = math.sqrt({variance(rule)}) * values"]


def _cut(cut: float, given: str) -> str:
    return f"values = jax.random.truncated_normal(keys(), {-cut!r}, {cut!r}, {given})"


__all__ = ["initialization"]

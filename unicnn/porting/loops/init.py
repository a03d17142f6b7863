"""Initialisers in words, and which of a recipe's differ from a framework's own."""

from __future__ import annotations

from typing import Any

from unicnn.initializers import Constant, Normal, Rules, Scaled, Uniform
from unicnn.porting.loops.words import short
from unicnn.training.recipe import Recipe

STATISTICS = {"scale": Constant(1), "shift": Constant(0), "mean": Constant(0), "var": Constant(1)}
"""How a norm begins in every framework."""


def changed(recipe: Recipe, own: Rules) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the rules of layers, and those of norms, that are not the framework's own."""
    rules = {role: rule for role, rule in recipe.init.items() if rule != {**STATISTICS, **own}.get(role)}
    layers = {role: rules[role] for role in ("weight", "bias") if role in rules}
    return layers, {role: rule for role, rule in rules.items() if role in STATISTICS}


NAMES = {"weight": "weights", "bias": "biases", "scale": "scales", "shift": "shifts", "mean": "running means", "var": "running variances"}


def stated(rules: dict[str, Any]) -> str:
    """Return a sentence that says how parameters begin."""
    rules = {role: rules[role] for role in NAMES if role in rules}
    drawn: dict[str, list[str]] = {}
    for role, rule in rules.items():
        if not isinstance(rule, Constant):
            drawn.setdefault(said(rule), []).append(NAMES[role])
    fixed = [f"{NAMES[role]} to {rule.value:g}" for role, rule in rules.items() if isinstance(rule, Constant)]
    text = "; ".join(
        [
            *(["draw " + " and ".join(f"{' and '.join(names)} {how}" for how, names in drawn.items())] if drawn else []),
            *(["set " + " and ".join(fixed)] if fixed else []),
        ]
    )
    return f"{text[0].upper()}{text[1:]}."


def said(rule: Any) -> str:
    """Return in words how an initialiser draws."""
    if isinstance(rule, Uniform):
        return f"uniformly from [-{rule.bound:g}, {rule.bound:g}]"
    if isinstance(rule, Normal):
        return f"from N(0, {rule.std:g}^2)" + ("" if rule.cut == float("inf") else f" cut at {rule.cut:g} deviations")
    known = {(1.0, "avg", "uniform"): "Glorot's uniform", (1.0, "avg", "normal"): "Glorot's normal", (2.0, "in", "normal"): "He's normal"}
    if name := known.get((rule.gain, rule.fan, rule.distribution)):
        return f"from {name} distribution"
    fan = {"in": "fan_in", "out": "fan_out", "avg": "mean fan"}[rule.fan]
    if rule.distribution == "uniform":
        return f"uniformly from +-sqrt({3 * rule.gain:.4g} / {fan})"
    return f"from a {rule.distribution} normal of variance {rule.gain:.4g} / {fan}".replace("a normal normal", "a normal")


def variance(rule: Scaled, times: int = 1) -> str:
    """Return the variance of a rule, or a multiple of it, as an expression of fan_in and fan_out."""
    if rule.fan == "avg":
        return f"{short(2 * times * rule.gain)} / (fan_in + fan_out)"
    return f"{short(times * rule.gain)} / fan_{rule.fan}"


def sides(rule: Scaled) -> tuple[str, ...]:
    """Return which fans a rule needs."""
    return ("in", "out") if rule.fan == "avg" else (rule.fan,)


def drawn_by_numpy() -> str:
    """Return the definition of `truncated_normal`, which NumPy and MXNet lack."""
    return TRUNCATED


TRUNCATED = '''def truncated_normal(shape, std, cut):
    """Draw from N(0, std^2); what lies beyond `cut` deviations is drawn anew."""
    values = np.random.normal(0.0, std, shape)
    while (beyond := np.abs(values) > cut * std).any():
        values[beyond] = np.random.normal(0.0, std, beyond.sum())
    return values'''


__all__ = ["STATISTICS", "changed", "drawn_by_numpy", "said", "sides", "stated", "variance"]

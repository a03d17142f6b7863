"""Initialisers as PyTorch text."""

from __future__ import annotations

import math
from typing import Any

from unicnn.initializers import PRESETS, Constant, Normal, Scaled, Uniform
from unicnn.porting.loops.frame import indented
from unicnn.porting.loops.init import changed, sides, stated, variance
from unicnn.porting.loops.words import call, docstring, laid_out, tidy
from unicnn.training.recipe import Recipe

LAYERS = "nn.Conv2d, nn.ConvTranspose2d, nn.Linear"
NORMS = "nn.BatchNorm2d, nn.LayerNorm"
ATTRIBUTES = {"weight": "weight", "bias": "bias", "scale": "weight", "shift": "bias", "mean": "running_mean", "var": "running_var"}


def initialization(recipe: Recipe) -> str:
    """Return the source of `initialize`, or a comment if PyTorch's layers begin so by themselves."""
    layers, norms = changed(recipe, PRESETS["torch"])
    if not layers and not norms:
        return "# PyTorch's layers begin as they should: uniform in +-1/sqrt(fan_in), biases too.\n"
    lines = ["from torch import nn", "", "", "def initialize(net):"]
    lines += [*indented(docstring(stated({**layers, **norms}), 1)), "    for layer in net.modules():"]
    for kinds, rules in ((LAYERS, layers), (NORMS, norms)):
        parts = [(role, _drawn(f"layer.{ATTRIBUTES[role]}", rule)) for role, rule in rules.items()]
        only = [f"layer.{ATTRIBUTES[role]} is not None" for role, _ in parts if role != "weight"] if len(parts) == 1 else []
        if parts:
            lines.append(f"        if {' and '.join([f'isinstance(layer, ({kinds}))', *only])}:")
        for role, body in parts:
            asked = [] if role == "weight" or only else [f"if layer.{ATTRIBUTES[role]} is not None:"]
            lines += indented(indented(indented([*asked, *(indented(body) if asked else body)])))
    return "\n".join(line for whole in lines for line in laid_out(whole)) + "\n"


def _drawn(tensor: str, rule: Any) -> list[str]:
    return _scaled(tensor, rule) if isinstance(rule, Scaled) else [_plain(tensor, rule)]


def _plain(tensor: str, rule: Any) -> str:
    if isinstance(rule, Uniform):
        return f"nn.init.uniform_({tensor}, {-rule.bound!r}, {rule.bound!r})"
    if isinstance(rule, Normal):
        if math.isinf(rule.cut):
            return f"nn.init.normal_({tensor}, std={rule.std!r})"
        return f"nn.init.trunc_normal_({tensor}, std={rule.std!r}, a={tidy(-rule.cut * rule.std)!r}, b={tidy(rule.cut * rule.std)!r})"
    assert isinstance(rule, Constant)
    if rule.value in (0, 1):
        return f"nn.init.{'ones_' if rule.value else 'zeros_'}({tensor})"
    return f"nn.init.constant_({tensor}, {rule.value!r})"


def _scaled(tensor: str, rule: Scaled) -> list[str]:
    kind = {"uniform": "uniform_", "normal": "normal_"}.get(rule.distribution)
    if kind and tensor == "layer.weight":
        if rule.fan == "avg":
            return [call(f"nn.init.xavier_{kind}", tensor, options={"gain": math.sqrt(rule.gain)}, defaults={"gain": 1.0})]
        mode = {"mode": "fan_in" if rule.fan == "in" else "fan_out"}
        if rule.gain in (1, 2):
            options = mode | {"nonlinearity": "linear" if rule.gain == 1 else "leaky_relu"}
            return [call(f"nn.init.kaiming_{kind}", tensor, options=options, defaults={"mode": "fan_in", "nonlinearity": "leaky_relu"})]
    lines = [f"fan_{side} = {FANS[side]}" for side in sides(rule)]
    if rule.distribution == "uniform":
        return [*lines, f"bound = ({variance(rule, 3)}) ** 0.5", f"nn.init.uniform_({tensor}, -bound, bound)"]
    lines.append(f"std = ({variance(rule)}) ** 0.5")
    if rule.distribution == "normal":
        return [*lines, f"nn.init.normal_({tensor}, std=std)"]
    return [*lines, f"nn.init.trunc_normal_({tensor}, std=std, a=-2 * std, b=2 * std)"]


FANS = {"in": "layer.weight[0].numel()", "out": "layer.weight[:, 0].numel()"}


__all__ = ["initialization"]

"""Initialisers as Gluon text."""

from __future__ import annotations

from typing import Any

from unicnn.initializers import Constant, Normal, Scaled, Uniform
from unicnn.porting.loops.frame import indented
from unicnn.porting.loops.init import STATISTICS, drawn_by_numpy, sides, stated, variance
from unicnn.porting.loops.words import call, docstring, laid_out, tidy
from unicnn.training.recipe import Recipe

SUFFIXES = {"scale": "gamma", "shift": "beta", "mean": "running_mean", "var": "running_var"}


def initialization(recipe: Recipe) -> str:
    """Return the source of `initialize`; Gluon's networks have no weights before it."""
    rules = {role: rule for role, rule in recipe.init.items() if rule != STATISTICS.get(role)}
    weight = rules.pop("weight", Uniform(0.07))
    if rules.get("bias") == Constant(0):
        del rules["bias"]
    whole = _initializer(weight)
    sentence = stated({"weight": weight, "bias": rules.get("bias", Constant(0)), **rules})
    lines = [call("net.initialize", *([whole] if whole else []), options={"force_reinit": True})]
    definitions: list[str] = []
    if whole is None:
        lines = ["net.initialize(force_reinit=True)", *_by_numpy("weight", weight)]
    for role, rule in rules.items():
        lines += _by_role(role, rule)
    text = "\n".join(lines)
    imports = ["import mxnet as mx"] if "mx." in text else []
    if "np." in text or "truncated_normal(" in text:
        imports.append("import numpy as np")
    definitions += [drawn_by_numpy()] if "truncated_normal(" in text else []
    whole_text = [*(["\n".join(imports)] if imports else []), *definitions]
    body = ["def initialize(net):", *indented([*docstring(sentence, 1), *lines])]
    found = "\n\n\n".join([*whole_text, "\n".join(body)])
    return "\n".join(part for line in found.splitlines() for part in laid_out(line)) + "\n"


def _initializer(rule: Any) -> str | None:
    """Return MXNet's initialiser of a weight, "" for its default, or None if it has none."""
    if isinstance(rule, Uniform):
        return "" if rule.bound == 0.07 else f"mx.init.Uniform({rule.bound!r})"
    if isinstance(rule, Constant):
        return f"mx.init.Constant({rule.value!r})"
    if isinstance(rule, Normal):
        return None if rule.cut != float("inf") else "mx.init.Normal()" if rule.std == 0.01 else f"mx.init.Normal({rule.std!r})"
    if rule.distribution == "truncated":
        return None
    # Its bound is the root of magnitude / fan, its deviation too.
    uniform = rule.distribution == "uniform"
    options = {
        "rnd_type": "uniform" if uniform else "gaussian",
        "factor_type": rule.fan,
        "magnitude": _whole(3 * rule.gain if uniform else rule.gain),
    }
    return call("mx.init.Xavier", options=options, defaults={"rnd_type": "uniform", "factor_type": "avg", "magnitude": 3})


def _whole(number: float) -> Any:
    return int(number) if float(number).is_integer() else tidy(number)


def _by_role(role: str, rule: Any) -> list[str]:
    suffix = SUFFIXES.get(role, role)
    found = _initializer(rule) if not isinstance(rule, Scaled) else None
    if found is None:
        return _by_numpy(suffix, rule)
    return [
        f'for parameter in net.collect_params(".*{suffix}$").values():',
        f"    parameter.initialize({found or 'mx.init.Uniform()'}, force_reinit=True)",
    ]


def _by_numpy(suffix: str, rule: Any) -> list[str]:
    scaled = isinstance(rule, Scaled)
    lines = ["parameters = net.collect_params()", f'for name, parameter in net.collect_params(".*{suffix}$").items():']
    if not scaled:
        lines = [f'for parameter in net.collect_params(".*{suffix}$").values():']
        return [*lines, f"    values = truncated_normal(parameter.shape, {rule.std!r}, {rule.cut!r})", *_set()]
    shape = "parameter.shape" if suffix == "weight" else f'parameters[name[:-{len(suffix)}] + "weight"].shape'
    fans = {"in": "np.prod(shape[1:])", "out": "shape[0] * np.prod(shape[2:])"}
    if suffix == "weight":
        lines = [f'for parameter in net.collect_params(".*{suffix}$").values():']
    lines.append(f"    shape = {shape}")
    lines += [f"    fan_{side} = {fans[side]}" for side in sides(rule)]
    if rule.distribution == "uniform":
        lines += [
            f"    bound = ({variance(rule, 3)}) ** 0.5",
            "    values = np.random.uniform(-bound, bound, parameter.shape)",
        ]
    else:
        drawn = {"normal": "np.random.normal(0.0, std, parameter.shape)"}
        lines += [f"    std = ({variance(rule)}) ** 0.5"]
        lines += [f"    values = {drawn.get(rule.distribution, 'truncated_normal(parameter.shape, std, 2.0)')}"]
    return [*lines, *_set()]


def _set() -> list[str]:
    return ["    parameter.set_data(mx.nd.array(values, dtype=parameter.dtype))"]


__all__ = ["initialization"]

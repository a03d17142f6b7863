"""Optimisers as Keras text: its own wherever that does exactly what a recipe says, otherwise one written out."""

from __future__ import annotations

from typing import Any

from unicnn.porting.loops import Formula, call, constant, constants, formula, spelled
from unicnn.porting.loops.frame import indented
from unicnn.porting.loops.words import docstring, grouped, optimizer_name
from unicnn.training.clipping import ClipNorm, ClipValue
from unicnn.training.optimizers import SGD, Adagrad, Optimizer, RMSProp
from unicnn.training.recipe import Recipe

SPELLED = {"sqrt": "keras.ops.sqrt", "positive": "keras.ops.relu", "w": "variable", "g": "gradient"}
DEFAULTS: dict[str, Any] = {
    "momentum": 0.0, "nesterov": False, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "rho": 0.9, "centered": False,
    "initial_accumulator_value": 0.1,
}  # fmt: skip


def made(recipe: Recipe, rate: str, own: bool, clips: bool) -> str:
    """Return the call that makes the optimiser; `clips` tells whether it limits gradients."""
    of = recipe.optimizer
    name = optimizer_name(of, own)
    options = {} if own else _options(of)
    if of.weight_decay and of.decay == "decoupled":
        options["weight_decay"] = of.weight_decay
    if clips and recipe.clip is not None:
        options[_clip(recipe)] = recipe.clip.limit
    defaults = DEFAULTS | ({"weight_decay": 0.004} if name == "AdamW" else {})
    return call(name if own else f"keras.optimizers.{name}", rate, options=options, defaults=defaults)


def spares(recipe: Recipe) -> list[str]:
    """Return the statement that keeps biases, scales and shifts from decaying by themselves."""
    if not grouped(recipe) or recipe.optimizer.decay != "decoupled":
        return []
    return ['optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])']


def _clip(recipe: Recipe) -> str:
    if isinstance(recipe.clip, ClipValue):
        return "clipvalue"
    return "clipnorm" if isinstance(recipe.clip, ClipNorm) else "global_clipnorm"


def _options(of: Optimizer) -> dict[str, Any]:
    if isinstance(of, SGD):
        return {"momentum": of.momentum, "nesterov": of.nesterov and bool(of.momentum)}
    if isinstance(of, RMSProp):
        return {"rho": of.rho, "momentum": of.momentum, "epsilon": of.eps, "centered": of.centered}
    if isinstance(of, Adagrad):
        return {"initial_accumulator_value": of.initial, "epsilon": of.eps}
    settings = of.fields()
    return {"beta_1": settings["beta1"], "beta_2": settings["beta2"], "epsilon": settings["eps"]}


def reason(recipe: Recipe) -> str:
    """Return in what Keras's own optimiser would differ from the recipe's, or nothing."""
    of = recipe.optimizer
    placement = getattr(of, "eps_placement", None)
    if placement == "outside":
        return "Add eps outside the root, as PyTorch does, not inside."
    if placement == "corrected":
        return "Add eps after the bias correction, as PyTorch does, not before it."
    if getattr(of, "momentum", 0.0) and of.form == "buffer" and not constant(recipe.schedule):
        return "Keep the rate out of the momentum, as PyTorch does.\nKeras keeps it inside, which differs once the rate changes."
    return ""


def written_out(recipe: Recipe) -> str:
    """Return an optimiser as a class of its own, or nothing if Keras has it."""
    why = reason(recipe)
    if not why:
        return ""
    found = formula(recipe.optimizer)
    slots = {slot: f"self.{slot}s[index]" for slot in found.slots}
    lines = [*constants(found.constants), "lr = keras.ops.cast(learning_rate, variable.dtype)"]
    lines += ["t = keras.ops.cast(self.iterations + 1, variable.dtype)"] if found.counts else []
    lines += ["index = self._get_variable_index(variable)"] if slots else []
    lines += [f"{slot} = {place}" for slot, place in slots.items()]
    for slot, text in found.lines:
        value = spelled(text, SPELLED)
        lines.append(f"self.assign({slot}, {value})" if slot in slots else f"{slot} = {value}")
    lines.append(f"self.assign_{'sub' if found.sign == '-' else 'add'}(variable, {spelled(found.change, SPELLED)})")
    return "\n".join(
        [
            f"class {optimizer_name(recipe.optimizer, True)}(keras.optimizers.Optimizer):",
            *indented(docstring(why, 1)),
            "",
            "    def build(self, variables):",
            "        if not self.built:",
            "            super().build(variables)",
            *(" " * 12 + line for line in _slots(found)),
            "",
            "    def update_step(self, gradient, variable, learning_rate):",
            *indented(indented(lines)),
        ]
    )


def _slots(found: Formula) -> list[str]:
    starts = {slot: f", initializer=keras.initializers.Constant({value!r})" if value else "" for slot, value in found.slots.items()}
    return [line for slot, begin in starts.items() for line in _slot(slot, begin)]


def _slot(slot: str, begin: str) -> list[str]:
    if not begin:
        return [f'self.{slot}s = self.add_optimizer_variables(variables, "{slot}")']
    return [f"self.{slot}s = self.add_optimizer_variables(", f'    variables, "{slot}"{begin}', ")"]


__all__ = ["made", "spares", "written_out"]

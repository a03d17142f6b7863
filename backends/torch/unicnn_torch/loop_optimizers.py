"""Optimisers as PyTorch text: its own wherever that does exactly what a recipe says, otherwise one written out."""

from __future__ import annotations

from typing import Any

from unicnn.porting.loops import call, constant, constants, formula, spelled
from unicnn.porting.loops.frame import indented
from unicnn.porting.loops.words import docstring, grouped, optimizer_name
from unicnn.training.optimizers import SGD, Adagrad, Optimizer, RMSProp
from unicnn.training.recipe import Recipe

SPELLED = {"sqrt": "torch.sqrt", "positive": "torch.relu"}
DEFAULTS: dict[str, Any] = {
    "momentum": 0.0, "nesterov": False, "betas": (0.9, 0.999), "alpha": 0.99, "centered": False, "initial_accumulator_value": 0.0,
}  # fmt: skip
EPS = {"Adagrad": 1e-10}


def made(recipe: Recipe, own: bool) -> list[str]:
    """Return the statements that make the optimiser."""
    of = recipe.optimizer
    name = optimizer_name(of, own)
    options: dict[str, Any] = {"lr": of.learning_rate} | ({} if own else _options(of))
    defaults = {**DEFAULTS, "eps": EPS.get(name, 1e-8), "weight_decay": 0.01 if name == "AdamW" else 0.0}
    parameters = "groups" if grouped(recipe) and not by_hand(recipe, own) else "net.parameters()"
    if of.weight_decay and parameters != "groups" and not by_hand(recipe, own):
        options["weight_decay"] = of.weight_decay
    optimizer = call(name if own else f"torch.optim.{name}", parameters, options=options, defaults=defaults)
    return [*_groups(recipe, own), f"optimizer = {optimizer}"]


def _options(of: Optimizer) -> dict[str, Any]:
    if isinstance(of, SGD):
        return {"momentum": of.momentum, "nesterov": of.nesterov and bool(of.momentum)}
    if isinstance(of, RMSProp):
        return {"alpha": of.rho, "eps": of.eps, "momentum": of.momentum, "centered": of.centered}
    if isinstance(of, Adagrad):
        return {"initial_accumulator_value": of.initial, "eps": of.eps}
    settings = of.fields()
    return {"betas": (settings["beta1"], settings["beta2"]), "eps": settings["eps"]}


def _groups(recipe: Recipe, own: bool) -> list[str]:
    if not grouped(recipe):
        return []
    lines = [
        "# Biases, and the scales and shifts of norms, have one axis and do not decay.",
        "weights = [weight for weight in net.parameters() if weight.ndim > 1]",
    ]
    if by_hand(recipe, own):
        return lines
    return [
        *lines,
        "others = [weight for weight in net.parameters() if weight.ndim == 1]",
        "groups = [",
        f'    {{"params": weights, "weight_decay": {recipe.optimizer.weight_decay!r}}},',
        '    {"params": others, "weight_decay": 0.0},',
        "]",
    ]


def by_hand(recipe: Recipe, own: bool) -> bool:
    """Tell whether weights shrink in the loop itself: PyTorch has decoupled decay in AdamW alone."""
    of = recipe.optimizer
    return bool(of.weight_decay) and of.decay == "decoupled" and not own and optimizer_name(of, own) != "AdamW"


def decayed(recipe: Recipe, own: bool) -> list[str]:
    """Return the statements that let weights shrink before a step, if the optimiser does not."""
    if not by_hand(recipe, own):
        return []
    return [
        "with torch.no_grad():  # decoupled decay; PyTorch's own joins the gradient",
        f"    for weight in {'weights' if grouped(recipe) else 'net.parameters()'}:",
        f'        weight *= 1 - optimizer.param_groups[0]["lr"] * {recipe.optimizer.weight_decay!r}',
    ]


def reason(recipe: Recipe) -> str:
    """Return in what PyTorch's own optimiser would differ from the recipe's, or nothing."""
    of = recipe.optimizer
    placement = getattr(of, "eps_placement", None)
    if placement == "inside":
        return "Add eps inside the root, as Keras and MXNet do, not outside."
    if placement == "uncorrected":
        return "Add eps before the bias correction, as Keras and MXNet do, not after it."
    if getattr(of, "momentum", 0.0) and of.form == "velocity" and not constant(recipe.schedule):
        return "Keep the rate in the velocity, as Keras and MXNet do.\nPyTorch keeps it outside, which differs once the rate changes."
    return ""


def written_out(recipe: Recipe) -> str:
    """Return an optimiser as a class of its own, or nothing if PyTorch has it."""
    why, of = reason(recipe), recipe.optimizer
    if not why:
        return ""
    found, name, decay = formula(of), optimizer_name(of, True), bool(of.weight_decay)
    arguments, settings = (
        ("params, lr, weight_decay=0.0", '{"lr": lr, "weight_decay": weight_decay}') if decay else ("params, lr", '{"lr": lr}')
    )
    lines = ['w *= 1 - lr * group["weight_decay"]'] if decay and of.decay == "decoupled" else []
    lines += ['g = w.grad + group["weight_decay"] * w' if decay and of.decay == "l2" else "g = w.grad", "state = self.state[w]"]
    lines += ['t = state.get("t", 0) + 1'] if found.counts else []
    for slot, text in found.lines:
        before = {slot: f'state.get("{slot}", {found.slots[slot]!r})'} if slot in found.slots else {}
        lines.append(f"{slot} = {spelled(text, SPELLED | before)}")
    kept = [*(["t"] if found.counts else []), *found.slots]
    lines.append(f"state.update({', '.join(f'{item}={item}' for item in kept)})" if len(kept) > 1 else f'state["{kept[0]}"] = {kept[0]}')
    lines.append(f"w {found.sign}= {spelled(found.change, SPELLED)}")
    return "\n".join(
        [
            f"class {name}(torch.optim.Optimizer):",
            *indented(docstring(why, 1)),
            "",
            f"    def __init__(self, {arguments}):",
            f"        super().__init__(params, {settings})",
            "",
            "    @torch.no_grad()",
            "    def step(self):",
            *indented(indented(constants(found.constants))),
            "        for group in self.param_groups:",
            '            lr = group["lr"]',
            '            for w in group["params"]:',
            *(" " * 16 + line for line in lines),
        ]
    )


__all__ = ["by_hand", "decayed", "made", "written_out"]

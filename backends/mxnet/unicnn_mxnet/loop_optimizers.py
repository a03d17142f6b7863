"""Optimisers as Gluon text: MXNet's own wherever that does exactly what a recipe says, otherwise one written out."""

from __future__ import annotations

from typing import Any

from unicnn.porting.loops import call, constant, constants, formula, spelled
from unicnn.porting.loops.frame import indented
from unicnn.porting.loops.words import docstring, grouped, literal
from unicnn.training.clipping import ClipValue
from unicnn.training.optimizers import SGD, Adagrad, Optimizer, RMSProp
from unicnn.training.recipe import Recipe

SPELLED = {"sqrt": "mx.nd.sqrt", "positive": "mx.nd.relu", "w": "weight", "g": "grad"}
DEFAULTS: dict[str, Any] = {
    "momentum": 0.0, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "gamma1": 0.9, "gamma2": 0.9, "centered": False, "eps": 1e-7,
}  # fmt: skip


def made(recipe: Recipe, own: str, scheduled: bool) -> list[str]:
    """Return the statements that make the trainer; `own` is the optimiser's class, if the loop brings it."""
    of = recipe.optimizer
    options: dict[str, Any] = {"learning_rate": of.learning_rate}
    given = {} if own and reason(recipe) else _options(of)
    options |= {key: value for key, value in given.items() if value != DEFAULTS[key]}
    if of.weight_decay and not by_hand(recipe):
        options["wd"] = of.weight_decay
    if isinstance(recipe.clip, ClipValue):
        options["clip_gradient"] = recipe.clip.limit
    spared = ['net.collect_params(".*(bias|gamma|beta)$").setattr("wd_mult", 0.0)'] if grouped(recipe) and not by_hand(recipe) else []
    weights = ['weights = net.collect_params(".*weight$")'] if grouped(recipe) and by_hand(recipe) else []
    if own:
        extra = ["lr_scheduler=schedule"] if scheduled else []
        optimizer = call(_name(of), *[f"{key}={value!r}" for key, value in options.items()], *extra)
        return [*spared, *weights, f"trainer = gluon.Trainer(parameters, {optimizer})"]
    items = [f'"{key}": {literal(value)}' for key, value in options.items()] + (['"lr_scheduler": schedule'] if scheduled else [])
    return [*spared, *weights, f'trainer = gluon.Trainer(parameters, "{_name(of).lower()}", {{{", ".join(items)}}})']


def _name(of: Optimizer) -> str:
    if isinstance(of, SGD) and of.nesterov and of.momentum:
        return "NAG"
    return {"Adagrad": "AdaGrad", "AdamW": "Adam"}.get(type(of).__name__, type(of).__name__)


def _options(of: Optimizer) -> dict[str, Any]:
    if isinstance(of, SGD):
        return {"momentum": of.momentum}
    if isinstance(of, RMSProp):
        return {"gamma1": of.rho, "epsilon": of.eps, "centered": of.centered} | ({"gamma2": of.momentum} if of.centered else {})
    if isinstance(of, Adagrad):
        return {"eps": of.eps}
    settings = of.fields()
    return {"beta1": settings["beta1"], "beta2": settings["beta2"], "epsilon": settings["eps"]}


def by_hand(recipe: Recipe) -> bool:
    """Tell whether weights shrink in the loop itself: MXNet has decoupled decay in AdaGrad alone, and an optimiser written out has it."""
    of = recipe.optimizer
    return bool(of.weight_decay) and of.decay == "decoupled" and not reason(recipe) and not isinstance(of, Adagrad)


def decayed(recipe: Recipe) -> list[str]:
    """Return the statements that let weights shrink before a step, if the optimiser does not."""
    if not by_hand(recipe):
        return []
    which = "weights" if grouped(recipe) else "parameters"
    test = [] if grouped(recipe) else ['    if weight.grad_req != "null":']
    return [
        "# Decoupled decay; MXNet's wd joins the gradient.",
        f"keep = 1 - trainer.learning_rate * {recipe.optimizer.weight_decay!r}",
        f"for weight in {which}.values():",
        *test,
        ("        " if test else "    ") + "weight.set_data(weight.data() * keep)",
    ]


def reason(recipe: Recipe) -> str:
    """Return in what MXNet's own optimiser would differ from the recipe's, or nothing."""
    of = recipe.optimizer
    l2 = bool(of.weight_decay) and of.decay == "l2"
    momentum = getattr(of, "momentum", 0.0)
    placement = getattr(of, "eps_placement", None)
    if placement == "outside":
        return "Add eps outside the root, as PyTorch does, not inside."
    if placement == "corrected":
        return "Add eps after the bias correction, as PyTorch does, not before it."
    if momentum and of.form == "buffer" and not constant(recipe.schedule):
        return "Keep the rate out of the momentum, as PyTorch does.\nMXNet keeps it inside, which differs once the rate changes."
    if isinstance(of, RMSProp) and momentum and not of.centered:
        return "Have momentum, as PyTorch and Keras do; MXNet's has it only if it is centered."
    if isinstance(of, SGD) and momentum and of.nesterov and l2:
        return "Add wd at the weight before the step; MXNet adds it at the one after."
    if isinstance(of, Adagrad) and of.initial:
        return "Begin with a sum that is not 0, as Keras does."
    if isinstance(of, Adagrad) and l2:
        return "Add wd to the gradient, as PyTorch does; MXNet's decays the weight itself."
    if l2 and isinstance(recipe.clip, ClipValue) and not isinstance(of, SGD):
        return "Add wd after the gradient is clipped; MXNet adds it before."
    return ""


def written_out(recipe: Recipe) -> str:
    """Return an optimiser as a class of its own, or nothing if MXNet has it."""
    of, why = recipe.optimizer, reason(recipe)
    if why:
        return _class(recipe, why)
    if not isinstance(of, (RMSProp, Adagrad)):
        return ""
    kept = "super().create_state(index, weight)"
    lines = [f"return {kept}.astype(weight.dtype)"]
    if isinstance(of, RMSProp):
        lines = [f"state = {kept}", "return tuple(array.astype(weight.dtype) for array in state)"]
    return "\n".join(
        [
            f"class {_name(of)}(mx.optimizer.{_name(of)}):",
            '    """Keep a state of the weight\'s type: MXNet\'s is float32 and takes no other."""',
            "",
            "    def create_state(self, index, weight):",
            *indented(indented(lines)),
        ]
    )


def _class(recipe: Recipe, why: str) -> str:
    of = recipe.optimizer
    found, slots = formula(of), list(formula(of).slots)
    wd = bool(of.weight_decay)
    lines = [*constants(found.constants), "self._update_count(index)", "lr = self._get_lr(index)"]
    lines += ["wd = self._get_wd(index)"] if wd else []
    lines += ["t = self._index_update_count[index]"] if found.counts else []
    lines += ["grad = self.rescale_grad * grad"]
    lines += ["grad = mx.nd.clip(grad, -self.clip_gradient, self.clip_gradient)"] if isinstance(recipe.clip, ClipValue) else []
    lines += (["grad = grad + wd * weight"] if of.decay == "l2" else ["weight[:] = (1 - lr * wd) * weight"]) if wd else []
    lines += [f"{', '.join(slots)} = state" if len(slots) > 1 else f"{slots[0]} = state"] if slots else []
    for slot, text in found.lines:
        lines.append(f"{slot}{'[:]' if slot in slots else ''} = {spelled(text, SPELLED)}")
    lines.append(f"weight[:] {found.sign}= {spelled(found.change, SPELLED)}")
    starts = [
        f"mx.nd.full(weight.shape, {value!r}, weight.context, weight.dtype)" if value else "mx.nd.zeros_like(weight)"
        for value in found.slots.values()
    ]
    state = starts[0] if len(starts) == 1 else f"[mx.nd.zeros_like(weight) for _ in range({len(starts)})]"
    create = ["    def create_state(self, index, weight):", f"        return {state}", ""]
    return "\n".join(
        [
            f"class {_name(of)}(mx.optimizer.Optimizer):",
            *indented(docstring(why, 1)),
            "",
            *(create if starts else []),
            "    def update(self, index, weight, grad, state):",
            *indented(indented(lines)),
        ]
    )


__all__ = ["by_hand", "decayed", "made", "written_out"]

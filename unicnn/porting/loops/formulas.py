"""The update of a weight as text: what a loop writes out where a framework has no optimiser that does just this."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from unicnn.training.optimizers import SGD, Adagrad, Optimizer, RMSProp


@dataclass(frozen=True)
class Formula:
    """Hold an update as statements in Python.

    They are about the weight `w`, its gradient `g`, the learning rate `lr`, the number `t` of the update (the first is 1) and the
    functions `sqrt` and `positive`. `slots` says what is kept for each weight and how it begins, `constants` which numbers have names.
    The last statement moves the weight; its sign stands before what it is moved by.
    """

    constants: Mapping[str, float]
    slots: Mapping[str, float]
    lines: tuple[tuple[str, str], ...]
    sign: str
    change: str

    @property
    def counts(self) -> bool:
        """Tell whether the number of the update matters."""
        return bool(re.search(r"\bt\b", " ".join([*(text for _, text in self.lines), self.change])))


def spelled(text: str, words: Mapping[str, str]) -> str:
    """Return a statement with some of its words replaced."""
    return re.sub(r"\b[a-z]\w*\b", lambda found: words.get(found.group(), found.group()), text)


def formula(optimizer: Optimizer) -> Formula:
    """Return the update of a recipe's optimiser, without its weight decay."""
    if isinstance(optimizer, SGD):
        return _sgd(optimizer)
    if isinstance(optimizer, RMSProp):
        return _rmsprop(optimizer)
    return _adagrad(optimizer) if isinstance(optimizer, Adagrad) else _adam(optimizer)


def _sgd(of: SGD) -> Formula:
    if not of.momentum:
        return Formula({}, {}, (), "-", "lr * g")
    constants = {"momentum": of.momentum}
    if of.form == "buffer":
        along = "lr * (g + momentum * buffer)" if of.nesterov else "lr * buffer"
        return Formula(constants, {"buffer": 0.0}, (("buffer", "momentum * buffer + g"),), "-", along)
    along = "momentum * velocity - lr * g" if of.nesterov else "velocity"
    return Formula(constants, {"velocity": 0.0}, (("velocity", "momentum * velocity - lr * g"),), "+", along)


def _adam(of: Optimizer) -> Formula:
    settings = of.fields()
    constants = {name: settings[name] for name in ("beta1", "beta2", "eps")}
    lines = [("mean", "beta1 * mean + (1 - beta1) * g"), ("square", "beta2 * square + (1 - beta2) * g**2")]
    if settings["eps_placement"] == "corrected":
        lines.append(("root", "sqrt(square / (1 - beta2**t))"))
        change = "lr / (1 - beta1**t) * mean / (root + eps)"
    else:
        lines.append(("size", "lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t)"))
        change = "size * mean / (sqrt(square) + eps)"
    return Formula(constants, {"mean": 0.0, "square": 0.0}, tuple(lines), "-", change)


def _rmsprop(of: RMSProp) -> Formula:
    constants = {"rho": of.rho or 0.0, "eps": of.eps or 0.0} | ({"momentum": of.momentum} if of.momentum else {})
    slots, lines, spread = {"square": 0.0}, [("square", "rho * square + (1 - rho) * g**2")], "square"
    if of.centered:
        slots["mean"] = 0.0
        lines += [("mean", "rho * mean + (1 - rho) * g"), ("spread", "positive(square - mean * mean)")]
        spread = "spread"
    lines.append(("root", _root(spread, of.eps_placement)))
    if not of.momentum:
        return Formula(constants, slots, tuple(lines), "-", "lr * g / root")
    form = of.form or "buffer"
    slots[form] = 0.0
    if form == "buffer":
        return Formula(constants, slots, (*lines, (form, "momentum * buffer + g / root")), "-", "lr * buffer")
    return Formula(constants, slots, (*lines, (form, "momentum * velocity - lr * g / root")), "+", "velocity")


def _adagrad(of: Adagrad) -> Formula:
    lines = (("square", "square + g**2"), ("root", _root("square", of.eps_placement)))
    return Formula({"eps": of.eps or 0.0}, {"square": of.initial or 0.0}, lines, "-", "lr * g / root")


def _root(spread: str, placement: str | None) -> str:
    return f"sqrt({spread} + eps)" if placement == "inside" else f"sqrt({spread}) + eps"

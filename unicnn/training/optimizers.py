"""Optimisers: how a parameter moves, given its gradient. Each formula is written once, for every backend and numerics.

A formula gets a namespace `t` (`sqrt`, `maximum`), the weight, the gradient, the state by slot, and numbers by name, which are
tensors of one value. Numbers are computed on the host, in float64, from operations that every machine rounds alike.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias

from unicnn.ops.fields import choice, field, flag, number
from unicnn.training.settings import Setting, setting

Value: TypeAlias = Any
State: TypeAlias = Mapping[str, Value]
Moved: TypeAlias = tuple[Value, dict[str, Value]]

OPTIMIZERS: dict[str, type[Optimizer]] = {}

SMALLEST_EPS = 1e-30
"""Below it, what is added to a root would vanish in float32."""
_RATE = number(low=0.0)
_DECAY_RATE = number(low=0.0, high=1.0)
_EPS = number(low=SMALLEST_EPS)

_COUPLED: Mapping[str, Any] = {"weight_decay": 0.0, "decay": "l2", "decay_applies_to": "all"}
_DECOUPLED: Mapping[str, Any] = {"weight_decay": 0.0, "decay": "decoupled", "decay_applies_to": "all"}


@setting()
class Optimizer(Setting, ABC):
    """Be a rule that moves parameters.

    `weight_decay` either adds decay * w to the gradient ("l2") or multiplies w by 1 - learning_rate * decay before the step
    ("decoupled"), for all parameters or only for those called weight.
    """

    learning_rate: float = field(_RATE)
    weight_decay: float | None = field(_RATE, default=None, kw_only=True)
    decay: str | None = field(choice("l2", "decoupled"), default=None, kw_only=True)
    decay_applies_to: str | None = field(choice("all", "weights"), default=None, kw_only=True)

    @property
    @abstractmethod
    def slots(self) -> tuple[str, ...]:
        """Return the names of the arrays that are kept for each parameter, of its shape, zero at first."""

    @abstractmethod
    def numbers(self, rate: float, step: int) -> dict[str, float]:
        """Return the numbers of update `step` (the first is 1) at the learning rate `rate`, by name."""

    @abstractmethod
    def move(self, t: Any, weight: Value, gradient: Value, state: State, s: Mapping[str, Value]) -> Moved:
        """Return the weight after an update, and the new state."""

    def start(self, slot: str) -> float:
        """Return the value with which a slot begins."""
        return 0.0

    def decays(self, role: str) -> bool:
        """Tell whether the parameter of this role ("weight", "bias", "scale", "shift") decays."""
        return bool(self.weight_decay) and (self.decay_applies_to == "all" or role == "weight")

    def all_numbers(self, rate: float, step: int) -> dict[str, float]:
        """Return the numbers of an update, those of weight decay included."""
        decay = self.weight_decay or 0.0
        if not decay:
            return self.numbers(rate, step)
        return self.numbers(rate, step) | ({"decay": decay} if self.decay == "l2" else {"keep": 1 - rate * decay})

    def update(self, t: Any, weight: Value, gradient: Value, state: State, s: Mapping[str, Value], *, decays: bool) -> Moved:
        """Return the weight after an update with its decay, and the new state."""
        if decays and self.decay == "l2":
            gradient = gradient + s["decay"] * weight
        if decays and self.decay == "decoupled":
            weight = weight * s["keep"]
        return self.move(t, weight, gradient, state, s)


@setting(OPTIMIZERS)
class SGD(Optimizer):
    """Step against the gradient, with momentum if it is not 0.

    `form` "buffer": b = momentum b + g; w = w - rate b (PyTorch). "velocity": v = momentum v - rate g; w = w + v (Keras, MXNet). They
    differ once the rate changes. Nesterov's look ahead is w - rate (g + momentum b), or w + momentum v - rate g.
    """

    momentum: float = field(_DECAY_RATE, default=0.0)
    nesterov: bool = field(flag, default=False)
    form: str | None = field(choice("buffer", "velocity"), default=None)

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "torch": {"form": "buffer", **_COUPLED},
        "keras": {"form": "velocity", **_DECOUPLED},
        "gluon": {"form": "velocity", **_COUPLED},
    }

    @property
    def slots(self) -> tuple[str, ...]:
        return () if not self.momentum else ("buffer",) if self.form == "buffer" else ("velocity",)

    def numbers(self, rate: float, step: int) -> dict[str, float]:
        return {"rate": rate} | ({"momentum": self.momentum} if self.momentum else {})

    def move(self, t: Any, weight: Value, gradient: Value, state: State, s: Mapping[str, Value]) -> Moved:
        if not self.momentum:
            return weight - s["rate"] * gradient, {}
        if self.form == "buffer":
            buffer = s["momentum"] * state["buffer"] + gradient
            along = gradient + s["momentum"] * buffer if self.nesterov else buffer
            return weight - s["rate"] * along, {"buffer": buffer}
        velocity = s["momentum"] * state["velocity"] - s["rate"] * gradient
        moved = weight + s["momentum"] * velocity - s["rate"] * gradient if self.nesterov else weight + velocity
        return moved, {"velocity": velocity}


@setting()
class _Adam(Optimizer):
    """Be Adam: m = beta1 m + (1 - beta1) g and v = beta2 v + (1 - beta2) g^2, both corrected for their start at 0."""

    beta1: float = field(_DECAY_RATE, default=0.9)
    beta2: float = field(_DECAY_RATE, default=0.999)
    eps: float | None = field(_EPS, default=None)
    eps_placement: str | None = field(choice("corrected", "uncorrected"), default=None)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("mean", "square")

    def numbers(self, rate: float, step: int) -> dict[str, float]:
        assert self.eps is not None
        first, second = 1 - power(self.beta1, step), math.sqrt(1 - power(self.beta2, step))
        own = {"beta1": self.beta1, "beta2": self.beta2, "new1": 1 - self.beta1, "new2": 1 - self.beta2, "eps": self.eps}
        if self.eps_placement == "corrected":
            return own | {"size": rate / first, "spread": 1 / second}
        return own | {"size": rate * second / first}

    def move(self, t: Any, weight: Value, gradient: Value, state: State, s: Mapping[str, Value]) -> Moved:
        mean = s["beta1"] * state["mean"] + s["new1"] * gradient
        square = s["beta2"] * state["square"] + s["new2"] * (gradient * gradient)
        root = t.sqrt(square)
        root = root * s["spread"] if self.eps_placement == "corrected" else root
        return weight - s["size"] * mean / (root + s["eps"]), {"mean": mean, "square": square}


@setting(OPTIMIZERS)
class Adam(_Adam):
    """Step along the running mean of gradients over the root of the running mean of their squares (Kingma and Ba, 2015).

    `eps_placement` "corrected" adds eps to the root of the corrected square (PyTorch); "uncorrected" to that of the square as it is, which
    is the paper's epsilon hat (Keras, MXNet).
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "torch": {"eps": 1e-8, "eps_placement": "corrected", **_COUPLED},
        "keras": {"eps": 1e-7, "eps_placement": "uncorrected", **_DECOUPLED},
        "gluon": {"eps": 1e-8, "eps_placement": "uncorrected", **_COUPLED},
    }


@setting(OPTIMIZERS)
class AdamW(_Adam):
    """Be Adam with decoupled weight decay (Loshchilov and Hutter, 2019). MXNet 1.9 has none, so the preset "gluon" leaves `eps` and `weight_decay` open."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "torch": {"eps": 1e-8, "eps_placement": "corrected", **_DECOUPLED, "weight_decay": 0.01},
        "keras": {"eps": 1e-7, "eps_placement": "uncorrected", **_DECOUPLED, "weight_decay": 0.004},
        "gluon": {"eps_placement": "uncorrected", "decay": "decoupled", "decay_applies_to": "all"},
    }


@setting(OPTIMIZERS)
class RMSProp(Optimizer):
    """Step along the gradient over the root of the running mean of its square (Tieleman and Hinton, 2012).

    `eps_placement` "outside": sqrt(s) + eps (PyTorch); "inside": sqrt(s + eps) (Keras, MXNet). `centered` takes the square of the running
    mean off s (Graves, 2013). `momentum` in `form` "buffer": b = momentum b + g/root, w = w - rate b; "velocity": the rate inside.
    """

    rho: float | None = field(_DECAY_RATE, default=None)
    eps: float | None = field(_EPS, default=None)
    eps_placement: str | None = field(choice("outside", "inside"), default=None)
    centered: bool = field(flag, default=False)
    momentum: float | None = field(_DECAY_RATE, default=None)
    form: str | None = field(choice("buffer", "velocity"), default=None)

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "torch": {"rho": 0.99, "eps": 1e-8, "eps_placement": "outside", "momentum": 0.0, "form": "buffer", **_COUPLED},
        "keras": {"rho": 0.9, "eps": 1e-7, "eps_placement": "inside", "momentum": 0.0, "form": "velocity", **_DECOUPLED},
        "gluon": {"rho": 0.9, "eps": 1e-8, "eps_placement": "inside", "momentum": 0.0, "form": "velocity", **_COUPLED},
    }

    def filled(self, preset: str) -> RMSProp:
        # MXNet's centred form has a momentum of its own, gamma2, which the plain one lacks.
        if preset == "gluon" and self.centered and self.momentum is None:
            return RMSProp(**{**self.fields(), "momentum": 0.9}).filled(preset)
        return super().filled(preset)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("square", *(("mean",) if self.centered else ()), *((self.form or "buffer",) if self.momentum else ()))

    def numbers(self, rate: float, step: int) -> dict[str, float]:
        assert self.rho is not None
        assert self.eps is not None
        own = {"rate": rate, "rho": self.rho, "new": 1 - self.rho, "eps": self.eps}
        return own | ({"momentum": self.momentum} if self.momentum else {})

    def move(self, t: Any, weight: Value, gradient: Value, state: State, s: Mapping[str, Value]) -> Moved:
        square = s["rho"] * state["square"] + s["new"] * (gradient * gradient)
        new, spread = {"square": square}, square
        if self.centered:
            new["mean"] = s["rho"] * state["mean"] + s["new"] * gradient
            # Rounding can make a variance of 0 negative, and its root NaN.
            spread = t.maximum(square - new["mean"] * new["mean"], 0.0)
        root = t.sqrt(spread + s["eps"]) if self.eps_placement == "inside" else t.sqrt(spread) + s["eps"]
        if not self.momentum:
            return weight - s["rate"] * gradient / root, new
        if self.form == "buffer":
            new["buffer"] = s["momentum"] * state["buffer"] + gradient / root
            return weight - s["rate"] * new["buffer"], new
        new["velocity"] = s["momentum"] * state["velocity"] - s["rate"] * gradient / root
        return weight + new["velocity"], new


@setting(OPTIMIZERS)
class Adagrad(Optimizer):
    """Step along the gradient over the root of the sum of its squares so far, which begins at `initial` (Duchi, Hazan and Singer, 2011)."""

    initial: float | None = field(_RATE, default=None)
    eps: float | None = field(_EPS, default=None)
    eps_placement: str | None = field(choice("outside", "inside"), default=None)

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "torch": {"initial": 0.0, "eps": 1e-10, "eps_placement": "outside", **_COUPLED},
        "keras": {"initial": 0.1, "eps": 1e-7, "eps_placement": "inside", **_DECOUPLED},
        # MXNet's AdaGrad alone takes its wd off the weight itself.
        "gluon": {"initial": 0.0, "eps": 1e-7, "eps_placement": "inside", **_DECOUPLED},
    }

    @property
    def slots(self) -> tuple[str, ...]:
        return ("square",)

    def start(self, slot: str) -> float:
        return self.initial or 0.0

    def numbers(self, rate: float, step: int) -> dict[str, float]:
        assert self.eps is not None
        return {"rate": rate, "eps": self.eps}

    def move(self, t: Any, weight: Value, gradient: Value, state: State, s: Mapping[str, Value]) -> Moved:
        square = state["square"] + gradient * gradient
        root = t.sqrt(square + s["eps"]) if self.eps_placement == "inside" else t.sqrt(square) + s["eps"]
        return weight - s["rate"] * gradient / root, {"square": square}


def power(base: float, exponent: int) -> float:
    """Return base^exponent by multiplications alone: a library's pow differs between machines in the last bit."""
    result = 1.0
    while exponent:
        if exponent & 1:
            result *= base
        base *= base
        exponent >>= 1
    return result


__all__ = [
    "OPTIMIZERS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSProp",
]

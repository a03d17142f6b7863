"""Initial weights: drawn once in the core, so that the same seed gives the same numbers to every backend."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

from unicnn import randomness
from unicnn.errors import DescriptionError, UnknownNameError, closest
from unicnn.graph import Graph, infer
from unicnn.model import Model
from unicnn.ops.base import Parameter

Array: TypeAlias = np.ndarray[Any, Any]


class Initializer(Protocol):
    """Be a rule that draws the initial values of a parameter."""

    def draw(self, parameter: Parameter, *key: object) -> Array:
        """Return float64 values of the parameter's shape."""


@dataclass(frozen=True)
class Constant:
    """Fill with one value."""

    value: float = 0.0

    def draw(self, parameter: Parameter, *key: object) -> Array:
        return np.full(parameter.shape, self.value)


@dataclass(frozen=True)
class Uniform:
    """Draw from [-bound, bound)."""

    bound: float

    def draw(self, parameter: Parameter, *key: object) -> Array:
        return (2 * randomness.uniform(parameter.shape, *key) - 1) * self.bound


@dataclass(frozen=True)
class Normal:
    """Draw from the normal distribution of mean 0, cut at `cut` standard deviations without rescaling."""

    std: float
    cut: float = math.inf

    def draw(self, parameter: Parameter, *key: object) -> Array:
        return self.std * randomness.normal(parameter.shape, *key, cut=self.cut)


@dataclass(frozen=True)
class Scaled:
    """Draw with variance gain / fan: `fan` is "in", "out" or "avg", `distribution` "uniform", "normal" or "truncated" (cut at 2 sd, not rescaled).

    Glorot uniform is Scaled(1, "avg"), He normal Scaled(2, "in", "normal"), PyTorch's default Scaled(1/3, "in").
    """

    gain: float
    fan: str = "in"
    distribution: str = "uniform"

    def __post_init__(self) -> None:
        for value, known in ((self.fan, ("in", "out", "avg")), (self.distribution, ("uniform", "normal", "truncated"))):
            if value not in known:
                raise UnknownNameError(f"Scaled knows no {value!r}.{closest(value, known)}")

    def draw(self, parameter: Parameter, *key: object) -> Array:
        fans = {"in": parameter.fan_in, "out": parameter.fan_out, "avg": (parameter.fan_in + parameter.fan_out) / 2}
        std = math.sqrt(self.gain / fans[self.fan])
        if self.distribution == "uniform":
            return Uniform(math.sqrt(3) * std).draw(parameter, *key)
        return Normal(std, 2 if self.distribution == "truncated" else math.inf).draw(parameter, *key)


Rules: TypeAlias = Mapping[str, Initializer]
_STATISTICS: Rules = {"scale": Constant(1), "shift": Constant(0), "mean": Constant(0), "var": Constant(1)}

PRESETS: dict[str, Rules] = {
    "torch": {"weight": Scaled(1 / 3, "in"), "bias": Scaled(1 / 3, "in")},
    "keras": {"weight": Scaled(1, "avg"), "bias": Constant(0)},
    "gluon": {"weight": Uniform(0.07), "bias": Constant(0)},
}
"""What each framework does by default; sources: torch/nn/modules/conv.py `reset_parameters`, keras.layers.Conv2D, mxnet/gluon/parameter.py."""


def initial_weights(model: Model | Graph, seed: int = 0, init: str | Rules = "torch") -> dict[str, Array]:
    """Return the initial weights of `model` by full name, float32 in canonical layout.

    `init` is a preset ("torch", "keras", "gluon") or initialisers by role, {"weight": Normal(0.01), "bias": Constant(0)}.
    """
    graph = model if isinstance(model, Graph) else infer(model)
    rules = _rules(init)
    weights = {}
    for name, parameter in graph.parameters.items():
        role = name.rpartition(".")[2]
        if role not in rules:
            raise DescriptionError(f"init has no rule for {role!r}, which {graph.model.name}/{name} needs. Add one, such as Constant(0).")
        weights[name] = rules[role].draw(parameter, seed, name).astype(np.float32)
    return weights


def _rules(init: str | Rules) -> Rules:
    if not isinstance(init, str):
        return {**_STATISTICS, **init}
    if init not in PRESETS:
        raise UnknownNameError(f"There is no preset of initialisers called {init!r}.{closest(init, PRESETS)}")
    return {**_STATISTICS, **PRESETS[init]}

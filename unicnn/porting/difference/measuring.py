"""What differences do to the numbers: both networks, in float64, with the same weights on the same samples."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from unicnn import randomness
from unicnn.errors import UnicnnError
from unicnn.graph import Graph, infer
from unicnn.model import Model
from unicnn.ops.fields import by
from unicnn.porting.difference.patching import Atom, added_name, patched
from unicnn.porting.difference.result import Effect
from unicnn.porting.difference.wiring import Wiring
from unicnn.program import lower

Array: TypeAlias = np.ndarray[Any, Any]
Weights: TypeAlias = Mapping[str, Array]

_WORK = 2e9
"""How many multiply-adds a pass may take; it decides how many samples there are."""
_TINY = 2.0**-1022
_FAINT = 1e-3
"""A sample, or a gradient, below this share of the largest one is measured against that share, not against itself."""


@dataclass(frozen=True)
class Ran:
    """Hold what a network computed: every layer, the outputs, and what a training pass gave (gradients, statistics), if it was run."""

    layers: Mapping[str, Array]
    outputs: tuple[Array, ...]
    trained: Mapping[str, Array] | None


class Measuring:
    """Run the first network, and others that differ from it, on the same samples."""

    def __init__(self, wiring: Wiring, weights: Weights, others: Weights, batch: int | None = None, seed: int = 0) -> None:
        self.wiring, self.weights, self.others, self.seed = wiring, weights, others, seed
        graph = wiring.a.graph
        self.samples = batch or int(min(64, max(2, _WORK // max(graph.multiply_adds, 1))))
        self.heavy = self.is_heavy(graph)
        self.x = {name: _samples(self.samples, shape, seed, name) for name, shape in graph.model.inputs}
        self.base = self.run(graph.model, weights, training=not self.heavy)

    def is_heavy(self, graph: Graph) -> bool:
        """Tell whether a network is so large that a pass of it takes many seconds."""
        return graph.multiply_adds * self.samples > 4 * _WORK

    def run(self, model: Model, weights: Weights, *, training: bool) -> Ran:
        """Return what a network computes of the samples; a training pass that is impossible is left out."""
        program = lower(model, "numpy", numerics="float64", seed=self.seed, weights=weights)
        names = [name for name, _ in model.inputs]
        x = dict(zip(names, self.x.values(), strict=True))
        with np.errstate(all="ignore"):
            layers = program.outputs(x)
            values = {**x, **layers}
            outputs = tuple(values[source] for _, source in model.outputs)
            trained = self._trained(program, x, outputs) if training else None
        return Ran(layers, outputs, trained)

    def _trained(self, program: Any, x: Mapping[str, Array], outputs: tuple[Array, ...]) -> dict[str, Array] | None:
        cotangents = [randomness.normal(value.shape, "cotangent", self.seed, place) for place, value in enumerate(outputs)]
        try:
            results, gradients = program.vjp(dict(x), cotangents, mode="training")
        except UnicnnError:  # one value a channel, say: nothing that can be trained on
            return None
        found = list(results.values()) if isinstance(results, dict) else list(results) if isinstance(results, tuple) else [results]
        learned = program.graph.parameters
        states = {name: value for name, value in program.weights().items() if not learned[name].trainable}
        inputs = {f"input {place}": gradients.pop(name) for place, name in enumerate(x)}
        return {f"output {place}": value for place, value in enumerate(found)} | inputs | gradients | states

    def effect(self, atoms: Collection[Atom], layer: str | None = None) -> Effect:
        """Return what the changes `atoms`, made to the first network alone, do to it, and to its layer of the name `layer`."""
        try:
            model = patched(self.wiring, atoms)
            graph = infer(model)
        except UnicnnError as error:
            return Effect(note=f"It cannot be made alone: {error}")
        weights, note = self._fitting(graph)
        if note:
            return Effect(note=note)
        ran = self.run(model, weights, training=self.base.trained is not None)
        local = None if layer is None or layer not in ran.layers else relative(self.base.layers[layer], ran.layers[layer])
        return _effect(self.base, ran, local)

    def _fitting(self, graph: Graph) -> tuple[dict[str, Array], str]:
        """Return the weights of a changed network, and, if they do not fit, why."""
        found: dict[str, Array] = {}
        known = self.wiring.a.graph.parameters
        for name, parameter in graph.parameters.items():
            if name in known and known[name].shape != parameter.shape:
                shapes = f"{by(known[name].shape)} in the first network and would be {by(parameter.shape)}"
                return {}, f"The same weights do not fit: {name} is {shapes}."
            found[name] = self.weights[name] if name in known else self._other(name, parameter.shape)
        return found, ""

    def _other(self, name: str, shape: tuple[int, ...]) -> Array:
        """Return a weight that the first network lacks: the second one's, or a drawn one."""
        layer, _, role = name.rpartition(".")
        names = {added_name(self.wiring, only): only for only in self.wiring.b.only} | self.wiring.matching.to_b
        theirs = self.others.get(f"{names.get(layer, layer)}.{role}")
        return theirs if theirs is not None and theirs.shape == shape else draw(name, shape, self.seed)

    def apart(self, model: Model, weights: Weights) -> dict[str, float | None]:
        """Return how far each matched layer of the second network is from the first one's, by the first one's names."""
        ran = self.run(model, weights, training=False)
        pairs = self.wiring.matching.both
        return {a.name: relative(self.base.layers[a.name], ran.layers[b.name]) for a, b in pairs}


def _effect(base: Ran, ran: Ran, local: float | None) -> Effect:
    if [value.shape for value in base.outputs] != [value.shape for value in ran.outputs]:
        a, b = (", ".join(by(value.shape[1:]) for value in item.outputs) for item in (base, ran))
        return Effect(local=local, note=f"The network's output changes from {a} to {b}.")
    output = max(relative(a, b) or 0.0 for a, b in zip(base.outputs, ran.outputs, strict=True))
    training = None if base.trained is None or ran.trained is None else _trained_apart(base.trained, ran.trained)
    return Effect(local, output, _argmax(base.outputs[0], ran.outputs[0]), training)


def _argmax(a: Array, b: Array) -> float | None:
    if a.ndim != 2 or a.shape[1] < 2:
        return None
    return float((a.argmax(1) != b.argmax(1)).mean())


def relative(a: Array, b: Array) -> float | None:
    """Return the largest difference of any sample, as a share of the sample's largest value; None if the shapes differ."""
    if a.shape != b.shape:
        return None
    with np.errstate(all="ignore"):
        mine, theirs = a.reshape(len(a), -1), b.reshape(len(b), -1)
        gap = np.where((mine == theirs) | (np.isnan(mine) & np.isnan(theirs)), 0.0, np.abs(mine - theirs)).max(1, initial=0)
        scale = np.abs(mine).max(1, initial=0)
        scale = np.maximum(scale, _FAINT * scale.max(initial=0))
        shares = np.where(gap == 0, 0.0, gap / scale)
    return float(np.nan_to_num(shares, nan=np.inf, posinf=np.inf).max(initial=0))


def _trained_apart(a: Mapping[str, Array], b: Mapping[str, Array]) -> float:
    """Return the largest change of an array of a training pass; those that one side lacks do not count."""
    shared = [name for name in a if name in b and a[name].shape == b[name].shape]
    largest = max((_largest(a[name]) for name in shared), default=0.0)
    worst = 0.0
    for name in shared:
        gap = _largest(a[name] - b[name])
        worst = max(worst, gap / max(_largest(a[name]), _FAINT * largest, _TINY))
    return worst


def _largest(values: Array) -> float:
    return float(np.nan_to_num(np.abs(values), nan=np.inf).max(initial=0))


def _samples(count: int, shape: tuple[int, ...], seed: int, name: str) -> Array:
    """Return random samples: most of the size of normalised images, some larger, so that limits such as ReLU6's are reached."""
    sizes = np.array([(1.0, 1.0, 1.0, 6.0)[place % 4] for place in range(count)])
    return randomness.normal((count, *shape), "diff", seed, name) * sizes.reshape(-1, *[1] * len(shape))


def draw(name: str, shape: tuple[int, ...], seed: int) -> Array:
    """Return a weight of a size that keeps signals alive, and not special: no bias is 0 and no scale 1."""
    role = name.rpartition(".")[2]
    values = randomness.uniform(shape, "diff", seed, name)
    if role in ("scale", "var"):
        return 0.5 + values
    spread = (6.0 / max(1, int(np.prod(shape[1:])))) ** 0.5 if role == "weight" else 0.25
    return (2 * values - 1) * spread

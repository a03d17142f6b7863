"""Asking for a diff: match, list what differs, measure what each difference does, and conclude."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from unicnn.errors import InputError
from unicnn.graph import Node, infer
from unicnn.porting.difference.comparing import compare
from unicnn.porting.difference.judging import grouped, judged
from unicnn.porting.difference.matching import Matching, match
from unicnn.porting.difference.measuring import Measuring, draw
from unicnn.porting.difference.result import Effect, NetworkDiff, RecipeDiff, Row
from unicnn.porting.difference.subjects import Network, subject
from unicnn.porting.difference.wiring import Wiring
from unicnn.training.recipe import Recipe

Array: TypeAlias = np.ndarray[Any, Any]
Told: TypeAlias = Callable[[str], None]


def diff(
    a: Any, b: Any, *, input: Any = None, other_input: Any = None, run: bool = True, batch: int | None = None, seed: int = 0,
    training: bool = True, progress: Told = lambda _: None,
) -> NetworkDiff | RecipeDiff:  # fmt: skip
    """Return what differs between two networks, or two recipes, and what each difference does to the numbers.

    Each may be a Model or a Recipe, an imported network, a framework's own network, or a text that names one; for a framework's, `input`
    is the shape it takes, batch axis included, and `other_input` that of the second one, if it is another. Both networks are run on the
    NumPy backend in float64 with the same weights, the first one's, on `batch` random samples (as many as are quick by default);
    `run=False` only compares what is written. `seed` draws the samples, and weights where none came with a network. `training=False`
    does not read what a framework's network does in training. `progress` is told what is being done.
    """
    first, second = subject(a, input, training=training), subject(b, input if other_input is None else other_input, training=training)
    if isinstance(first, Recipe) and isinstance(second, Recipe):
        from unicnn.porting.difference.recipes import recipes

        return recipes(first, second, run=run, seed=seed, progress=progress)
    if isinstance(first, Recipe) or isinstance(second, Recipe):
        kinds = ["recipe" if isinstance(item, Recipe) else "network" for item in (first, second)]
        raise InputError(f"diff compares two networks or two recipes, and was given a {kinds[0]} and a {kinds[1]}. Give two of a kind.")
    if batch is not None and batch < 2:
        raise InputError(f"diff needs a batch of at least 2 samples, for batch norm has no variance of one, not {batch}.")
    return _Networks(first, second, batch, seed, progress).result(run)


class _Networks:
    def __init__(self, a: Network, b: Network, batch: int | None, seed: int, progress: Told) -> None:
        self.a, self.b, self.batch, self.seed, self.progress = a, b, batch, seed, progress
        progress("matching layers")
        self.matching = match(infer(a.model), infer(b.model))
        self.wiring = Wiring(self.matching)
        self.differences = compare(self.wiring)
        self.notes: list[str] = []

    def result(self, run: bool) -> NetworkDiff:
        apart: dict[str, float | None] = {}
        whole, samples = Effect(), 0
        if run and not any(item.kind == "input" for item in self.differences):
            whole, apart, samples = self._measured()
        else:
            self.differences = grouped(self.differences)
        said, same = _weights(self.matching, self.a.weights, self.b.weights)
        a, b = self.matching.a, self.matching.b
        return NetworkDiff(
            a.model.name, b.model.name, self._rows(apart), tuple(self.differences), (a.size, b.size), self.matching.renamed, samples,
            whole.output, whole.argmax, whole.training, said, same, " ".join(self.notes),
        )  # fmt: skip

    def _measured(self) -> tuple[Effect, dict[str, float | None], int]:
        mine, theirs = self._all_weights()
        self.progress(f"running {self.matching.a.model.name}")
        measuring = Measuring(self.wiring, mine, theirs, self.batch, self.seed)
        self.differences, whole = judged(self.differences, measuring, self.progress)
        if left := sum(not item.effect.measured and not item.effect.note for item in self.differences):
            self.notes.append(f"There are so many differences that {left} of them were not made alone.")
        if measuring.heavy:
            self.notes.append("The network is large, so no training pass was made; training may differ where inference does not.")
        return whole, self._apart(measuring, theirs, whole), measuring.samples

    def _apart(self, measuring: Measuring, theirs: Mapping[str, Array], whole: Effect) -> dict[str, float | None]:
        """Return how far the layers are apart; after the first whose weights are others, numbers would say nothing."""
        b = self.matching.b
        if whole.output is None:
            self.notes.append(f"As a whole, the networks cannot be compared in numbers. {whole.note}")
            if measuring.is_heavy(b):
                return {}
        self.progress(f"running {b.model.name}")
        apart = measuring.apart(b.model, theirs)
        if whole.output is not None:
            return apart
        known = itertools.takewhile(lambda pair: _shapes(pair[0]) == _shapes(pair[1]), self.matching.both)
        return {a.name: apart[a.name] for a, _ in known}

    def _all_weights(self) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return weights for both networks: the first one's own or drawn ones, and for the second the same wherever they fit."""
        to_a = self._names()
        own, others = dict(self.a.weights or {}), dict(self.b.weights or {})
        if not own:
            own = {_renamed(name, to_a): value for name, value in others.items()}
        mine: dict[str, Array] = {}
        for name, parameter in self.matching.a.parameters.items():
            fits = name in own and own[name].shape == parameter.shape
            mine[name] = own[name] if fits else draw(name, parameter.shape, self.seed)
        theirs: dict[str, Array] = {}
        for name, parameter in self.matching.b.parameters.items():
            known = _renamed(name, to_a)
            fits = known in mine and mine[known].shape == parameter.shape
            theirs[name] = mine[known] if fits else others[name] if name in others else draw(name, parameter.shape, self.seed)
        return mine, theirs

    def _names(self) -> dict[str, str]:
        return {**self.matching.to_a, **{image: name for name, image in self.matching.moved.items()}}

    def _rows(self, apart: Mapping[str, float | None]) -> tuple[Row, ...]:
        at: dict[int, list[int]] = {}
        for number, item in enumerate(self.differences):
            for place in item.rows:
                at.setdefault(place, []).append(number)
        pairs = self.matching.pairs
        return tuple(
            Row(pair.a, pair.b, tuple(at.get(place, ())), apart.get(pair.a.name) if pair.a and pair.b else None)
            for place, pair in enumerate(pairs)
        )


def _shapes(node: Node) -> list[tuple[int, ...]]:
    return [parameter.shape for parameter in node.parameters.values()]


def _renamed(parameter: str, to_a: Mapping[str, str]) -> str:
    layer, _, role = parameter.rpartition(".")
    return f"{to_a.get(layer, '')}.{role}"


def _weights(matching: Matching, mine: Mapping[str, Array] | None, theirs: Mapping[str, Array] | None) -> tuple[str, bool | None]:
    """Return what can be said of the weights that came with both networks, and whether they are equal."""
    if mine is None or theirs is None:
        return "", None
    to_a = {**matching.to_a, **{image: name for name, image in matching.moved.items()}}
    pairs = [(name, _renamed(name, to_a)) for name in theirs]
    shared = [(known, mine[known], theirs[name]) for name, known in pairs if known in mine and mine[known].shape == theirs[name].shape]
    other = [(name, a, b) for name, a, b in shared if not np.array_equal(a, b)]
    if not other:
        return f"The weights that came with them are equal: {len(shared)} of {len(shared)} arrays that both have.", True
    name, a, b = max(other, key=lambda item: float(np.abs(item[1] - item[2]).max()))
    gap = float(np.abs(a.astype(np.float64) - b).max())
    turned = [name for name, a, b in other if np.array_equal(np.sort(a, axis=None), np.sort(b, axis=None))]
    order = f" {' and '.join(turned)} hold the same values in another order: look at height, width, channels." if turned else ""
    return f"The weights that came with them differ in {len(other)} of {len(shared)} arrays, most in {name}, by {gap:.3g}.{order}", False

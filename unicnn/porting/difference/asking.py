"""Asking for a diff: match, list what differs, measure what each difference does, and conclude."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from unicnn.errors import InputError
from unicnn.graph import infer
from unicnn.porting.difference.comparing import compare
from unicnn.porting.difference.matching import Matching, match
from unicnn.porting.difference.measuring import Measuring, drawn
from unicnn.porting.difference.result import INFERENCE, NO_EFFECT, NOTHING, TRAINING, Difference, Effect, NetworkDiff, RecipeDiff, Row
from unicnn.porting.difference.subjects import Network, subject
from unicnn.porting.difference.wiring import Wiring
from unicnn.training.recipe import Recipe

Array: TypeAlias = np.ndarray[Any, Any]
Told: TypeAlias = Callable[[str], None]

_EXACT = ("conv", "pool", "linear", "shape", "merge")
"""Families whose ops are made of sums, products and choices: if two agree on random numbers, they are the same."""


def diff(
    a: Any, b: Any, *, input: Any = None, other_input: Any = None, run: bool = True, batch: int | None = None, seed: int = 0,
    training: bool = True, progress: Told = lambda _: None,
) -> NetworkDiff | RecipeDiff:  # fmt: skip
    """Return what differs between two networks, or two recipes, and what each difference does to the numbers.

    Each may be a Model or a Recipe, an imported network, a framework's own network, or a text that names one; for a framework's, `input`
    is the shape it takes, batch axis included, and `other_input` that of the second one, if it is another. Both networks are run on the NumPy backend in float64
    with the same weights, the first one's, on `batch` random samples (as many as are quick by default); `run=False` only compares what
    is written. `seed` draws the samples, and weights where none came with a network. `training=False` does not read what a
    framework's network does in training. `progress` is told what is being done.
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
        self.note = ""

    def result(self, run: bool) -> NetworkDiff:
        apart: dict[str, float | None] = {}
        whole, samples = Effect(), 0
        if run and not any(item.kind == "input" for item in self.differences):
            whole, apart, samples = self._measured()
        said, same = _weights(self.matching, self.a.weights, self.b.weights)
        a, b = self.matching.a, self.matching.b
        titles = (a.model.name, b.model.name)
        return NetworkDiff(
            *titles, self._rows(apart), tuple(self.differences), (a.size, b.size), self.matching.renamed, samples,
            whole.output, whole.argmax, whole.training, said, same, self.note,
        )  # fmt: skip

    def _measured(self) -> tuple[Effect, dict[str, float | None], int]:
        a, b = self.matching.a, self.matching.b
        mine, theirs = self._all_weights()
        self.progress(f"running {a.model.name}")
        measuring = Measuring(self.wiring, mine, theirs, self.batch, self.seed)
        self.progress(f"running {b.model.name}")
        apart = measuring.apart(b.model, theirs)
        for place, item in enumerate(self.differences):
            self.progress(f"making difference {place + 1} of {len(self.differences)} alone")
            effect = measuring.effect(item.atoms, None if item.kind in ("missing", "added", "order") else item.a)
            self.differences[place] = dataclasses.replace(item, effect=effect, severity=_severity(item, effect, self.wiring))
        whole = self._together(measuring)
        if whole.output is None:
            self.note = f"As a whole, the networks cannot be compared in numbers. {whole.note}"
            apart = self._comparable(apart)
        if measuring.heavy:
            self.note = "The network is large, so training passes were left out; training may differ where inference does not."
        return whole, apart, measuring.samples

    def _comparable(self, apart: Mapping[str, float | None]) -> dict[str, float | None]:
        """Return what is known of the layers before the first whose weights are others: after it, numbers say nothing."""
        found: dict[str, float | None] = {}
        for a, b in self.matching.both:
            if [item.shape for item in a.parameters.values()] != [item.shape for item in b.parameters.values()]:
                break
            found[a.name] = apart.get(a.name)
        return found

    def _all_weights(self) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return weights for both networks: the first one's own or drawn ones, and for the second the same wherever they fit."""
        a, b = self.matching.a, self.matching.b
        mine, theirs = drawn(a, self.seed), dict(self.b.weights or drawn(b, self.seed))
        to_a = {**self.matching.to_a, **{image: name for name, image in self.matching.moved.items()}}
        for name, value in theirs.items():
            known = _renamed(name, to_a)
            if self.a.weights is None and self.b.weights is not None and known in mine and mine[known].shape == value.shape:
                mine[known] = value
        mine.update(self.a.weights or {})
        for name, value in theirs.items():
            known = _renamed(name, to_a)
            if known in mine and mine[known].shape == value.shape:
                theirs[name] = mine[known]
        return mine, theirs

    def _together(self, measuring: Measuring) -> Effect:
        """Return what all differences do together; those that undo each other are told so."""
        live = [item for item in self.differences if item.severity != NO_EFFECT]
        if not self.differences:
            return measuring.effect(())
        self.progress("making all differences together")
        whole = measuring.effect([atom for item in self.differences for atom in item.atoms])
        for group in _groups(live):
            effect = whole if len(group) == len(live) else measuring.effect([atom for item in group for atom in item.atoms])
            sure = effect.training is not None or all(item.severity == INFERENCE for item in group)
            if len(group) > 1 and effect.nothing and sure:
                self._undo(group)
        return whole

    def _undo(self, group: Sequence[Difference]) -> None:
        names = [item.a or item.b or "the outputs" for item in group]
        told = f"Together the differences at {' and '.join(dict.fromkeys(names))} undo each other: two ways to write the same."
        for item in group:
            place = self.differences.index(item)
            self.differences[place] = dataclasses.replace(item, severity=NO_EFFECT, cause=told)

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


def _renamed(parameter: str, to_a: Mapping[str, str]) -> str:
    layer, _, role = parameter.rpartition(".")
    return f"{to_a.get(layer, '')}.{role}"


def _severity(item: Difference, effect: Effect, wiring: Wiring) -> str:
    """Return the severity of a difference in the light of what was measured; a rule that says more than a sample can stays."""
    if item.severity != INFERENCE or effect.output is None:
        return item.severity
    structural = item.kind in ("missing", "added", "order", "wiring")
    exact = item.a is not None and item.a in wiring.a.nodes and _family(wiring, item.a) in _EXACT
    if not structural and not exact:
        return item.severity
    if effect.nothing:
        return NO_EFFECT
    quiet = effect.output <= NOTHING and (effect.local or 0.0) <= NOTHING
    return TRAINING if quiet and effect.training is not None else INFERENCE


def _family(wiring: Wiring, name: str) -> str:
    from unicnn.ops.base import family

    return family(type(wiring.a.nodes[name].op))


def _groups(differences: Sequence[Difference]) -> Iterator[list[Difference]]:
    """Yield the differences that stand next to each other, and then all of them."""
    group: list[Difference] = []
    for item in differences:
        if group and item.rows and min(item.rows) > max(place for other in group for place in other.rows) + 1:
            yield group
            group = []
        group.append(item)
    if group:
        yield group
    if group and len(group) < len(differences):
        yield list(differences)


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

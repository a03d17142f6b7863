"""Random networks: a network differs in nothing from itself, and in exactly one field from itself with one field changed."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from typing import Any

import pytest

import unicnn as un
from unicnn.conformance.graphs import network
from unicnn.errors import UnicnnError
from unicnn.graph import Graph, infer
from unicnn.model import Layer, Model
from unicnn.porting.difference.comparing import compare
from unicnn.porting.difference.matching import match
from unicnn.porting.difference.patching import patched
from unicnn.porting.difference.result import NO_EFFECT
from unicnn.porting.difference.wiring import Wiring

SEEDS = range(40)


def made(seed: int) -> Model:
    return network(random.Random(seed), seed)


def others(op: Any, field: str) -> list[Any]:
    """Return values that a field may have instead."""
    value = getattr(op, field)
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, (int, float)):
        return [value + 1, value * 2, value * 0.5] if isinstance(value, int) else [value * 0.5 + 0.1]
    if isinstance(value, str):
        return ["none", "tanh", "biased", "unbiased", 1]
    if field == "padding":
        return [1, "same", ((0, 1), (0, 1)), 0]
    return [(value[0] + 1, value[1]), (1, 1)] if field in ("kernel_size", "stride", "dilation", "output_size") else []


def mutants(model: Model, rng: random.Random) -> Iterator[tuple[str, str, Model]]:
    """Yield (layer, field, the model with that field changed, all layers renamed and written down in another order)."""
    changes = [(item, field.name) for item in model.layers for field in dataclasses.fields(item.op) if field.name != "activation"]  # type: ignore[arg-type]
    rng.shuffle(changes)
    for item, field in changes:
        for value in others(item.op, field):
            try:
                op = dataclasses.replace(item.op, **{field: value})  # type: ignore[type-var]
                layers = [Layer(f"x{x.name}", op if x is item else x.op, tuple(_name(model, y) for y in x.inputs)) for x in model.layers]
                rng.shuffle(layers)
                mutant = Model.of(model.inputs, layers, [(key, _name(model, y)) for key, y in model.outputs], name="mutant")
                infer(mutant)
            except UnicnnError:
                continue
            if op != item.op:
                yield item.name, field, mutant


def _name(model: Model, value: str) -> str:
    return value if value in dict(model.inputs) else f"x{value}"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_network_differs_in_nothing_from_itself(seed: int) -> None:
    result = un.diff(made(seed), made(seed), batch=4)
    assert (result.differences, result.same, result.apart, result.training) == ((), True, 0.0, 0.0)
    assert all(row.a == row.b and row.apart == 0.0 for row in result.rows)


@pytest.mark.parametrize("seed", SEEDS)
def test_exactly_the_field_that_was_changed_is_found(seed: int) -> None:
    model = made(seed)
    layer, field, mutant = next(mutants(model, random.Random(seed)))
    result = un.diff(model, mutant, batch=4)
    assert [(item.kind, item.a, item.b, item.what) for item in result.differences] == [("hyperparameter", layer, f"x{layer}", field)]
    (difference,) = result.differences
    assert result.same == (difference.severity == NO_EFFECT)
    assert not (result.same and result.apart)
    if result.apart is not None:  # of the changed first network; the last row is of the second one, run by itself
        assert result.rows[-1].apart == result.apart


def meaning(graph: Graph) -> list[int]:
    """Return numbers that are the same for two networks if they compute the same, whatever their layers are called."""
    found = {name: hash(("input", place)) for place, (name, _) in enumerate(graph.model.inputs)}
    for node in graph.nodes:
        taken = [found[source] for source in node.inputs]
        found[node.name] = hash((node.op, tuple(sorted(taken) if type(node.op).__name__ in ("Add", "Mul") else taken)))
    return [found[source] for _, source in graph.model.outputs]


def taking(model: Model, seed: int) -> Graph:
    """Return another random network that takes the same input."""
    for other in range(seed, 10**6, 1000):
        try:
            found = made(other)
            return infer(Model.of(model.inputs, found.layers, found.outputs, name="other"))
        except UnicnnError:
            continue
    raise AssertionError(f"no network takes {model.inputs}")


@pytest.mark.parametrize("seed", range(60))
def test_all_differences_together_make_the_first_network_the_second(seed: int) -> None:
    a = made(seed)
    b = taking(a, seed + 1000)
    wiring = Wiring(match(infer(a), b))
    differences = compare(wiring)
    whole = patched(wiring, [atom for item in differences for atom in item.atoms])
    assert differences
    assert meaning(infer(whole)) == meaning(b) != meaning(infer(a))


@pytest.mark.parametrize("seed", SEEDS)
def test_no_difference_made_leaves_the_first_network(seed: int) -> None:
    a, (_, _, mutant) = made(seed), next(mutants(made(seed), random.Random(seed)))
    assert patched(Wiring(match(infer(a), infer(mutant))), ()) == a

"""Random networks on hard data: branches, groups, dilations, 512 channels, values over 2^40, zeros, subnormals, empty groups."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from unicnn.conformance.graphs import sample
from unicnn.graph import infer
from unicnn.program import Program, lower

from .same import differing, graph_results, tells

COUNT = 320
EACH = 8
TRACED = 40
"""How many of them every backend compiles as it would for a user; the others run step by step, for compiling takes longest."""


def program(seed: int, backend: str, *, compiled: bool) -> Program:
    drawn = sample(seed)
    result = lower(drawn.model, backend, numerics="identical", weights=drawn.weights)
    if not compiled:
        result.runtime.compile = result.runtime.once  # type: ignore[method-assign]
    return result


@cache
def reference(seed: int) -> dict[str, Any]:
    return graph_results(sample(seed), program(seed, "numpy", compiled=True))


@pytest.mark.parametrize("first", range(0, COUNT, EACH), ids=lambda first: f"networks-{first}-to-{first + EACH - 1}")
def test_random_networks_give_the_same_bytes_as_on_numpy(first: int, backend: str) -> None:
    wrong = {}
    with np.errstate(all="ignore"):
        for seed in range(first, first + EACH):
            found = graph_results(sample(seed), program(seed, backend, compiled=seed < TRACED))
            wrong[seed] = differing(found, reference(seed))
            assert tells(reference(seed)), seed
    assert {seed: names for seed, names in wrong.items() if names} == {}


def test_the_networks_have_what_is_hard() -> None:
    drawn = [sample(seed) for seed in range(COUNT)]
    graphs = [infer(item.model) for item in drawn]
    nodes = [node for graph in graphs for node in graph.nodes]
    kinds = {type(node.op).__name__ for node in nodes}
    assert len(kinds) >= 28
    assert any(node.attributes.get("groups", 1) > 1 for node in nodes)
    assert any(max(node.attributes.get("dilation", (1,))) > 1 for node in nodes)
    assert any(node.shape[0] == 512 for node in nodes)
    assert sum(len(node.inputs) > 1 for node in nodes) > 50
    arrays = [item.inputs for item in drawn] + [array for item in drawn for array in item.weights.values()]
    magnitudes = [np.abs(array[array != 0]) for array in arrays if array.any()]
    assert any(values.max() / values.min() > 2.0**40 for values in magnitudes)
    assert any((values < 2.0**-126).any() for values in magnitudes)
    assert any((item.inputs[0] == 0).all() and item.inputs.any() for item in drawn)

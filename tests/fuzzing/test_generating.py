"""What fuzzing draws: every op with all of its fields, on images, sequences and vectors, and numbers of all kinds."""

from __future__ import annotations

import random
from functools import cache

import numpy as np
import pytest

from unicnn.conformance.fuzzing.generating import Drawn, draw
from unicnn.graph import Node, infer
from unicnn.ops import VOCABULARY
from unicnn.ops.loss import Loss

COUNT = 300


@cache
def drawn() -> tuple[Drawn, ...]:
    return tuple(draw(random.Random(seed), seed) for seed in range(COUNT))


@cache
def nodes() -> tuple[Node, ...]:
    return tuple(node for item in drawn() for node in infer(item.model).nodes)


@pytest.mark.parametrize("op", [op for op in VOCABULARY.values() if not issubclass(op, Loss)], ids=lambda op: op.__name__)
def test_networks_have_the_op(op: type) -> None:
    assert sum(type(node.op) is op for node in nodes()) >= 2


@pytest.mark.parametrize("op", [op for op in VOCABULARY.values() if issubclass(op, Loss)], ids=lambda op: op.__name__)
def test_networks_end_in_the_loss(op: type) -> None:
    assert any(type(item.loss) is op for item in drawn())


HARD = {
    "groups-and-dilation": lambda node: node.attributes.get("groups", 1) > 1 and max(node.attributes.get("dilation", (1,))) > 1,
    "a-stride-beyond-the-kernel": lambda node: "kernel_size" in node.attributes and node.attributes["stride"][0] > node.op.kernel_size[0],
    "more-than-500-channels": lambda node: len(node.shape) == 3 and node.shape[0] >= 500,
    "one-pixel": lambda node: node.shape[1:] == (1, 1),
    "a-sequence": lambda node: len(node.shape) == 2,
    "several-readings-of-one-value": lambda node: len(set(node.inputs)) < len(node.inputs),
    "an-input-that-is-repeated": lambda node: len(set(node.input_shapes)) > 1 and type(node.op).__name__ == "Mul",
    "unbiased-running-variance": lambda node: node.attributes.get("unbiased", False),
}


@pytest.mark.parametrize("what", HARD)
def test_networks_have(what: str) -> None:
    assert any(map(HARD[what], nodes()))


def test_numbers_are_large_small_equal_and_on_corners() -> None:
    arrays = [item.inputs for item in drawn()] + [array for item in drawn() for array in item.weights.values()]
    largest = max(np.abs(array).max(initial=0) for array in arrays)
    assert 1e30 < largest < np.finfo(np.float32).max
    assert any(((array != 0) & (np.abs(array) < 2.0**-126)).any() for array in arrays)
    assert any(array.size > 20 and len(np.unique(array)) < 8 for array in arrays)
    assert any((array == 6).any() and (array == -3).any() for array in arrays)
    assert all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays)


def test_the_same_seed_draws_the_same() -> None:
    one, two = (draw(random.Random(7), 7) for _ in range(2))
    assert one.model == two.model
    assert one.inputs.tobytes() == two.inputs.tobytes()


def test_most_networks_can_be_told_apart_by_their_numbers() -> None:
    assert np.mean([np.ptp(item.inputs) > 0 for item in drawn()]) > 0.8

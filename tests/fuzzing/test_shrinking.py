"""Shrinking, without any framework: the smallest spot for which something is true."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from unicnn.conformance.fuzzing.shrinking import Budget, cost, shrink
from unicnn.conformance.fuzzing.simplifying import complexity, simplify
from unicnn.conformance.fuzzing.spot import Spot
from unicnn.ops import Add, AvgPool2d, BatchNorm2d, Concat, Conv2d, CrossEntropy, LayerNorm, Linear, MaxPool2d, Pad, Reshape, Transpose

from .spots import IMAGE, spot

CASES: dict[str, tuple[Spot, Callable[[Spot], bool], str]] = {
    "anything": (spot(Conv2d(6, 3, 2, 1, 2, 2), (4, 9, 9)), lambda s: True, "Conv2d(1, 1) on 1x1x1x1"),
    "two-groups": (spot(Conv2d(8, 3, groups=4), (8, 5, 5)), lambda s: s.op.groups > 1, "Conv2d(2, 1, groups=2) on 1x2x1x1"),  # type: ignore[attr-defined]
    "two-samples": (spot(Linear(5), (9,)), lambda s: len(s.inputs[0]) > 1, "Linear(1) on 2x1"),
    "a-wide-kernel": (spot(MaxPool2d(3, 2), IMAGE), lambda s: s.op.kernel_size[1] > 2, "MaxPool2d((1, 3)) on 1x1x1x3"),  # type: ignore[attr-defined]
    "a-stride": (spot(AvgPool2d(3, 2), (2, 9, 9)), lambda s: s.graph.nodes[0].attributes["stride"][0] > 1, "on 1x1x1x1"),
    "three-channels": (spot(BatchNorm2d(eps=0.1), (8, 3, 3)), lambda s: s.inputs[0].shape[1] >= 3, "BatchNorm2d() on 1x3x1x1"),
    "two-axes": (spot(LayerNorm((1, 2, 3)), IMAGE), lambda s: len(s.op.axes) == 2, "on 1x1x1x1"),  # type: ignore[attr-defined]
    "two-inputs-of-three": (spot(Add(), IMAGE, IMAGE, IMAGE), lambda s: True, "Add() on 1x1x1x1 and 1x1x1x1"),
    "a-long-second-input": (
        spot(Concat(1), IMAGE, (5, 6, 7)),
        lambda s: s.inputs[1].shape[1] > 3,
        "Concat() on 1x1x1x1 and 1x4x1x1",
    ),
    "a-reshape": (spot(Reshape((7, 24)), IMAGE), lambda s: s.inputs[0].size > 1, "Reshape((1, -1)) on 1x1x1x2"),
    "a-transpose": (spot(Transpose((0, 3, 1, 2)), IMAGE), lambda s: s.inputs[0].shape[3] > 1, "Transpose((0, 3, 1, 2)) on 1x1x1x2"),
    "a-border": (spot(Pad(((2, 1), (0, 2)), 0.5), IMAGE), lambda s: s.op.padding[0][0] > 0, "on 1x1x1x1"),  # type: ignore[attr-defined]
    "a-loss": (spot(CrossEntropy("sum"), (7,)), lambda s: s.inputs[0].shape[1] > 1, "CrossEntropy() on 1x2"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_smallest_layer_is_found(case: str) -> None:
    large, true, wanted = CASES[case]
    small = shrink(large, true)
    sizes = " and ".join("x".join(map(str, array.shape)) for array in small.inputs)
    assert f"{small.op!r} on {sizes}".endswith(wanted)
    assert true(small)
    assert cost(small) < cost(large)
    assert all(array.dtype == large.arrays().get(name, array).dtype for name, array in small.arrays().items())


def test_a_spot_that_cannot_shrink_stays() -> None:
    large = spot(Linear(5), (9,))
    assert shrink(large, lambda s: False) is large


def test_the_same_spot_shrinks_alike_every_time() -> None:
    large = spot(Conv2d(6, 3, 2, 1, 2, 2), (4, 9, 9))
    one, two = (shrink(large, lambda s: s.inputs[0].size > 7) for _ in range(2))
    assert one.op == two.op
    assert {name: array.tobytes() for name, array in one.arrays().items()} == {
        name: array.tobytes() for name, array in two.arrays().items()
    }


def test_no_more_is_tried_than_the_budget_allows() -> None:
    tried: list[Spot] = []
    shrink(spot(Conv2d(6, 3), IMAGE), lambda s: bool(tried.append(s)), Budget(7))
    assert len(tried) == 7


VALUES: dict[str, tuple[Callable[[Spot], bool], float]] = {
    "anything": (lambda s: True, 0),
    "one-value": (lambda s: bool(np.any(s.inputs[0])), 1),
    "a-sum": (lambda s: float(s.inputs[0].sum()) > 2.5, 3),
    "a-product": (lambda s: float(np.abs(s.inputs[0]).max()) * float(np.abs(s.weights["weight"]).max()) > 0.1, 2),
}


@pytest.mark.parametrize("case", VALUES)
def test_the_simplest_numbers_are_found(case: str) -> None:
    true, most = VALUES[case]
    large = spot(Linear(2), (3,), batch=2)
    small = simplify(large, true)
    assert true(small)
    assert sum(map(complexity, small.arrays().values())) <= most


@pytest.mark.parametrize(
    ("simple", "hard"), [(0.0, 1.0), (1.0, -1.0), (1.0, 2.0), (3.0, 64.0), (64.0, 0.7), (0.7, 0.7371)], ids=lambda value: str(value)
)
def test_simple_numbers_count_less(simple: float, hard: float) -> None:
    assert complexity(np.array([simple])) < complexity(np.array([hard]))

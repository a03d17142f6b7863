"""A step of an optimizer in float64 is MXNet's own where its numbers are the same in float32, and exact where they are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from unicnn_mxnet.compat import mx
from unicnn_mxnet.importing import arrays, updates

COMMON = {"wd": 0.125, "rescale_grad": 0.5}
CENTRED = {"gamma1": 0.875, "gamma2": 0.75, "epsilon": 0.125}
OPERATORS: dict[str, dict[str, Any]] = {
    "sgd_update": {"lr": 0.25},
    "sgd_mom_update": {"lr": 0.25, "momentum": 0.875},
    "nag_mom_update": {"lr": 0.25, "momentum": 0.875},
    "adam_update": {"lr": 0.25, "beta1": 0.875, "beta2": 0.75, "epsilon": 0.125},
    "rmsprop_update": {"lr": 0.25, "gamma1": 0.875, "epsilon": 0.125},
    "rmspropalex_update": {"lr": 0.25, **CENTRED},
    "multi_sgd_update": {"lrs": (0.25, 0.5), "wds": (0.125, 0.25), "num_weights": 2},
    "multi_sgd_mom_update": {"lrs": (0.25, 0.5), "wds": (0.125, 0.25), "momentum": 0.875, "num_weights": 2},
}


def case(op: str, clip: bool) -> tuple[list[Any], list[Any], dict[str, Any]]:
    count = updates.STEPS[op][1] * (2 if op.startswith("multi") else 1)
    random = np.random.default_rng(3)
    values = [random.uniform(0.5, 1.0, size=7) for _ in range(count)]
    values[2:3] = [values[2] + 2.0] if op == "rmspropalex_update" else values[2:3]  # a mean square is larger than the square of a mean
    attributes = OPERATORS[op] | ({"rescale_grad": 0.5} if op.startswith("multi") else COMMON)
    one, two = ([arrays.of(array, "float64") for array in values] for _ in range(2))
    return one, two, attributes | ({"clip_gradient": 0.375} if clip else {})


def run(op: str, given: list[Any], attributes: dict[str, Any]) -> None:
    size = updates.STEPS[op][1]
    getattr(mx.nd, op)(*given, out=given[::size] if op.startswith("multi") else given[0], **attributes)


@pytest.mark.parametrize("clip", [False, True], ids=["unlimited", "limited"])
@pytest.mark.parametrize("op", OPERATORS)
def test_a_step_is_that_of_mxnet(op: str, clip: bool) -> None:
    theirs, mine, attributes = case(op, clip)
    before = [array.asnumpy() for array in mine]
    run(op, theirs, attributes)
    with updates.exact():
        run(op, mine, attributes)
    for one, other in zip(mine, theirs, strict=True):
        assert np.max(np.abs(one.asnumpy() - other.asnumpy())) < 1e-14
    assert not np.array_equal(mine[0].asnumpy(), before[0])


@pytest.mark.parametrize("op", ["sgd_update", "adam_update"])
def test_a_rate_is_the_number_that_was_written(op: str) -> None:
    theirs, mine, attributes = case(op, clip=False)
    weight, gradient = (array.asnumpy() for array in mine[:2])
    attributes |= {"lr": 0.1, "wd": 0.0}
    run(op, theirs, attributes)
    with updates.exact():
        run(op, mine, attributes)
    if op == "sgd_update":
        assert np.max(np.abs(mine[0].asnumpy() - (weight - 0.1 * 0.5 * gradient))) < 1e-15
    assert np.max(np.abs(mine[0].asnumpy() - theirs[0].asnumpy())) > 1e-10


def test_arrays_of_float32_and_other_operators_are_left_to_mxnet() -> None:
    weight, gradient = arrays.of(np.ones(3), "float32"), arrays.of(np.ones(3), "float32")
    before = mx.nd.register._imperative_invoke
    with updates.exact():
        mx.nd.sgd_update(weight, gradient, lr=0.1, out=weight)
        assert np.array_equal(mx.nd.relu(arrays.of(np.array([-1.0, 2.0]), "float64")).asnumpy(), [0.0, 2.0])
        limited = mx.nd.clip(arrays.of(np.array([-1.0, 2.0]), "float64"), -0.1, 0.1).asnumpy()
    assert np.array_equal(weight.asnumpy(), np.float32(1) - np.float32(0.1) * np.ones(3, np.float32))
    assert np.array_equal(limited, [-0.1, 0.1])
    assert mx.nd.register._imperative_invoke is before

"""What is not finite has no place in identical numerics: one paragraph names the layer, and nothing is lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn.errors import InputError

NETWORK = un.Sequential(
    [("stem", un.Conv2d(3, 3)), ("cut", un.ReLU()), ("flat", un.Flatten()), ("head", un.Linear(2))], input=(1, 5, 5), name="net"
)


def ones(value: float = 1.0) -> Any:
    return np.full((2, 1, 5, 5), value, np.float32)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
def test_an_input_that_is_not_finite_is_named_with_the_layer_that_it_enters(value: float, backend: str) -> None:
    program = un.lower(NETWORK, backend, numerics="identical")
    x = ones()
    x[1, 0, 2, 3] = value
    with pytest.raises(InputError, match=r"net/stem \(Conv2d 3, 3x3\) is given .* by the input 'input' at \(1, 0, 2, 3\)"):
        program(x)
    with pytest.raises(InputError, match="net/stem"):
        program.gradients(x, np.array([0, 1]))
    assert np.isfinite(program(ones())).all()


@pytest.mark.parametrize("sign", [1, -1], ids=["to plus infinity", "to minus infinity, which relu would hide"])
def test_a_layer_that_overflows_is_named_with_the_one_that_it_enters(sign: int, backend: str) -> None:
    program = un.lower(NETWORK, backend, numerics="identical")
    weights = program.weights()
    weights["stem.weight"][:] = sign * 3e38
    program.load(weights)
    with pytest.raises(InputError, match=r"net/cut \(ReLU\) is given -?inf by net/stem"):
        program(ones(100))


def test_a_weight_that_is_not_finite_is_refused_when_loaded(backend: str) -> None:
    program = un.lower(NETWORK, backend, numerics="identical")
    before = program(ones())
    weights = program.weights()
    weights["head.bias"][1] = np.nan
    with pytest.raises(InputError, match=r"the weight 'head\.bias' holds a value that is not finite"):
        program.load(weights)
    assert (program(ones()) == before).all()


def test_large_values_that_do_not_overflow_are_no_error(backend: str) -> None:
    program = un.lower(NETWORK, backend, numerics="identical")
    weights = {name: np.zeros_like(array) for name, array in program.weights().items()}
    weights["stem.weight"][:, 0, 1, 1] = [1, 0.5, -1]
    program.load(weights)
    assert program.outputs(ones(3e38))["stem"].max() == np.float32(3e38)


def test_a_gradient_that_overflows_is_named(backend: str) -> None:
    program = un.lower(NETWORK, backend, numerics="identical")
    with pytest.raises(InputError, match=r"net: the gradient of '.*' exceeds the range of float32"):
        program.vjp(ones(1e30), np.full((2, 2), 1e30, np.float32))


def test_batch_norm_of_a_constant_channel_without_epsilon_is_refused(backend: str) -> None:
    program = un.lower(un.Sequential([("norm", un.BatchNorm2d(eps=0.0))], input=(2, 3, 3), name="flat"), backend, numerics="identical")
    with pytest.raises(InputError, match="flat"):
        program(np.ones((2, 2, 3, 3), np.float32), mode="training")

"""Every derivative that is written down, against differences of the oracle; and what is agreed where there is none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn import oracle, plugins
from unicnn.derivatives import RULES
from unicnn.numerics import bounds


def smooth(shape: Any, seed: int = 0) -> Any:
    """Return numbers between -4 and 4 of which any two, and any and a whole number, are well apart."""
    count = math.prod(shape)
    steps = np.random.default_rng(seed).permutation(count)
    return ((steps + 0.5) / count * 8 - 4 + 0.003).reshape(shape)


def positive(shape: Any, seed: int = 0) -> Any:
    return np.abs(smooth(shape, seed)) + 0.5


NONE = ((0, 0), (0, 0))
CONV = {"stride": (2, 1), "padding": ((1, 0), (0, 2)), "dilation": (1, 2), "groups": 2}
TRANSPOSED = {"stride": (2, 3), "crop": ((1, -1), (0, 2)), "dilation": (2, 1), "groups": 2}
POOL = {"kernel_size": (3, 2), "stride": (2, 1), "padding": ((1, 0), (1, 1))}
NORM = {"eps": 1e-3, "keep": 0.9, "unbiased": False}
IMAGE = (2, 3, 3, 4)
VECTOR = (4, 5)


def case(id: str, op: str, operands: Any, **attributes: Any) -> Any:
    return pytest.param(op, operands, attributes, id=id)


def elementwise(op: str, **attributes: Any) -> Any:
    return case(op.replace("_", "-"), op, [smooth(IMAGE)], **attributes)


CASES = [
    case("conv", "conv2d", [smooth((2, 4, 3, 4)), smooth((2, 2, 2, 2), 1), smooth((2,), 2)], **CONV),
    case("conv-without-bias", "conv2d", [smooth((1, 4, 5, 4)), smooth((4, 2, 3, 2), 1), None], **CONV),
    case("conv-transpose", "conv_transpose2d", [smooth((2, 4, 2, 3)), smooth((4, 1, 3, 2), 1), smooth((2,), 2)], **TRANSPOSED),
    case("conv-transpose-without-crop", "conv_transpose2d", [smooth((1, 2, 3, 3)), smooth((2, 3, 2, 2), 1), None], **TRANSPOSED | {"crop": NONE, "groups": 1}),
    case("linear", "linear", [smooth(VECTOR), smooth((3, 5), 1), smooth((3,), 2)]),
    case("linear-without-bias", "linear", [smooth(VECTOR), smooth((3, 5), 1), None]),
    case("max-pool", "max_pool2d", [smooth(IMAGE)], **POOL),
    case("max-pool-without-overlap", "max_pool2d", [smooth((2, 3, 4, 6))], kernel_size=(2, 2), stride=(2, 2), padding=NONE),
    case("avg-pool", "avg_pool2d", [smooth(IMAGE)], **POOL, counted=NONE),
    case("avg-pool-that-counts-padding", "avg_pool2d", [smooth(IMAGE)], **POOL, counted=POOL["padding"]),
    case("adaptive-avg-pool", "adaptive_avg_pool2d", [smooth(IMAGE)], rows=((0, 2), (1, 3)), cols=((0, 2), (1, 3), (2, 4))),
    case("batch-norm-in-training", "batch_norm2d", [smooth(IMAGE), positive((3,), 1), smooth((3,), 2), smooth((3,), 3), positive((3,), 4)], **NORM, training=True),
    case("batch-norm-in-training-without-scale", "batch_norm2d", [smooth(IMAGE), None, None, smooth((3,), 3), positive((3,), 4)], **NORM, training=True),
    case("batch-norm-in-inference", "batch_norm2d", [smooth(IMAGE), positive((3,), 1), smooth((3,), 2), smooth((3,), 3), positive((3,), 4)], **NORM, training=False),
    case("batch-norm-in-inference-without-scale", "batch_norm2d", [smooth(IMAGE), None, None, smooth((3,), 3), positive((3,), 4)], **NORM, training=False),
    case("layer-norm", "layer_norm", [smooth(IMAGE), smooth((4,), 1), smooth((4,), 2)], axes=(3,), eps=1e-3),
    case("layer-norm-over-two-axes", "layer_norm", [smooth(IMAGE), smooth((3, 4), 1), smooth((3, 4), 2)], axes=(1, 3), eps=1e-3),
    case("layer-norm-without-scale", "layer_norm", [smooth(IMAGE), None, None], axes=(1, 2, 3), eps=1e-3),
    case("dropout", "dropout", [smooth(IMAGE), (smooth(IMAGE, 1) > 0) * 2.0]),
    elementwise("relu"),
    elementwise("relu6"),
    elementwise("leaky_relu", negative_slope=0.125),
    elementwise("elu", alpha=1.5),
    elementwise("sigmoid"),
    elementwise("tanh"),
    elementwise("silu"),
    case("gelu-exact", "gelu", [smooth(IMAGE)], approximate="none"),
    case("gelu-by-tanh", "gelu", [smooth(IMAGE)], approximate="tanh"),
    elementwise("hardswish"),
    elementwise("hardsigmoid", slope=0.2, offset=0.5),
    case("softmax", "softmax", [smooth(VECTOR)], axis=1),
    case("softmax-of-channels", "softmax", [smooth(IMAGE)], axis=1),
    case("log-softmax", "log_softmax", [smooth(VECTOR)], axis=1),
    case("log-softmax-of-rows", "log_softmax", [smooth(IMAGE)], axis=3),
    elementwise("identity"),
    elementwise("flatten"),
    elementwise("reshape", shape=(4, 9)),
    elementwise("transpose", axes=(0, 2, 3, 1)),
    elementwise("pad", padding=((1, 0), (2, 3)), value=0.5),
    case("add-of-three", "add", [smooth(IMAGE), smooth(IMAGE, 1), smooth(IMAGE, 2)]),
    case("add-that-repeats", "add", [smooth((2, 3, 1, 5)), smooth((2, 1, 4, 1), 1)]),
    case("mul-of-three", "mul", [smooth(VECTOR), smooth(VECTOR, 1), smooth(VECTOR, 2)]),
    case("mul-that-repeats", "mul", [smooth((2, 3, 1, 5)), smooth((2, 1, 4, 1), 1)]),
    case("concat", "concat", [smooth((2, 1, 4)), smooth((2, 3, 4), 1), smooth((2, 2, 4), 2)], axis=1),
    case("cross-entropy-averaged", "cross_entropy", [smooth(VECTOR), np.array([0, 4, 2, 2])], reduction="mean"),
    case("cross-entropy-summed", "cross_entropy", [smooth(VECTOR), np.array([0, 4, 2, 2])], reduction="sum"),
    case("squared-error-averaged", "squared_error", [smooth(VECTOR), smooth(VECTOR, 1)], scale=0.5, reduction="mean"),
    case("squared-error-summed", "squared_error", [smooth(IMAGE), smooth(IMAGE, 1)], scale=2.0, reduction="sum"),
]  # fmt: skip
UNLEARNED = {"batch_norm2d": (3, 4), "dropout": (1,), "cross_entropy": (1,), "squared_error": (1,)}
"""Operands that have no gradient."""


def output(op: str, operands: Any, attributes: Any) -> Any:
    y = getattr(oracle, op)(*operands, **attributes)
    return y[0] if isinstance(y, tuple) else y


def difference(op: str, operands: Any, attributes: Any, dy: Any, place: int) -> Any:
    """Return the gradient of sum(dy * output) in one operand by central differences of fourth order."""
    step = 2.0**-10
    gradient = np.zeros_like(operands[place])
    for index in np.ndindex(*gradient.shape):
        values = {}
        for shift in (-2, -1, 1, 2):
            moved = [value if value is None else value.copy() for value in operands]
            moved[place][index] += shift * step
            values[shift] = float((dy * output(op, moved, attributes)).sum())
        gradient[index] = (8 * (values[1] - values[-1]) - (values[2] - values[-2])) / (12 * step)
    return gradient


def close(found: Any, expected: Any) -> bool:
    """Tell whether two gradients agree to 1e-8 of the largest element: what is left of 16 digits after a difference."""
    return found.shape == expected.shape and bool(np.abs(found - expected).max() <= 1e-8 * max(1, np.abs(expected).max()))


def rule(op: str, operands: Any, attributes: Any, dy: Any) -> list[Any]:
    """Return the gradients by the rule over the functions of the NumPy backend, in float64."""
    table = plugins.backend("numpy").start("cpu", "float64").table
    thunks = RULES[op](table, dy, output(op, operands, attributes), *operands, **attributes)
    return [None if thunk is None or operand is None else thunk() for thunk, operand in zip(thunks, operands, strict=True)]


def ball_rule(op: str, operands: Any, attributes: Any, dy: Any) -> list[Any]:
    """Return the gradients by the same rule over balls around the oracle's values."""
    balls = bounds.gradients(op, operands, dy, attributes, "float64")
    return [None if ball is None else ball.value for ball in balls]


TABLES = pytest.mark.parametrize("gradients", [rule, ball_rule], ids=["numpy", "balls"])


@TABLES
@pytest.mark.parametrize(("op", "operands", "attributes"), CASES)
def test_a_rule_gives_the_derivative_in_every_operand(op: str, operands: Any, attributes: Any, gradients: Any) -> None:
    dy = smooth(np.shape(output(op, operands, attributes)), 9)
    found = gradients(op, operands, attributes, dy)
    wanted = [place for place, operand in enumerate(operands) if operand is not None and place not in UNLEARNED.get(op, ())]
    assert [place for place, gradient in enumerate(found) if gradient is not None] == wanted
    expected = {place: difference(op, operands, attributes, dy, place) for place in wanted}
    assert [close(found[place], expected[place]) for place in wanted] == [True] * len(wanted)
    assert [close(found[place] * (1 + 1e-6) + 1e-6, expected[place]) for place in wanted] == [False] * len(wanted)


@pytest.mark.parametrize(("op", "operands", "attributes"), CASES)
def test_the_ball_of_a_gradient_is_small_and_finite(op: str, operands: Any, attributes: Any) -> None:
    dy = smooth(np.shape(output(op, operands, attributes)), 9)
    balls = [ball for ball in bounds.gradients(op, operands, dy, attributes) if ball is not None]
    assert [bool(np.isfinite(ball.radius).all() and (ball.radius >= 0).all()) for ball in balls] == [True] * len(balls)
    assert max(float(ball.radius.max() / max(1, np.abs(ball.value).max())) for ball in balls) < 1e-3


def test_every_rule_is_checked_above() -> None:
    assert {item.values[0] for item in CASES} == set(RULES)


# Where there is no derivative, one is agreed

NAN = math.nan
SPECIAL = [
    pytest.param("relu", {}, [0.0, -0.0, 1e-300, -1e-300], [0, 0, 1, 0], id="relu-at-0-is-0"),
    pytest.param("relu", {}, [NAN, math.inf, -math.inf], [NAN, 1, 0], id="relu-at-nan-is-nan"),
    pytest.param("relu6", {}, [0.0, 6.0, 3.0, -1.0, 7.0, np.nextafter(6, 0)], [0, 0, 1, 0, 0, 1], id="relu6-at-0-and-6-is-0"),
    pytest.param("leaky_relu", {"negative_slope": 0.25}, [0.0, -0.0, 1.0, -1.0], [0.25, 0.25, 1, 0.25], id="leaky-relu-at-0-is-the-slope"),
    pytest.param("leaky_relu", {"negative_slope": -2.0}, [0.0, 1.0, -1.0], [-2, 1, -2], id="leaky-relu-may-have-a-negative-slope"),
    pytest.param("elu", {"alpha": 2.0}, [0.0, 1.0, -math.inf], [2, 1, 0], id="elu-at-0-is-alpha"),
    pytest.param("hardswish", {}, [-3.0, 3.0, 0.0, -4.0, 4.0], [0, 1, 0.5, 0, 1], id="hardswish-at-minus-3-is-0-and-at-3-is-1"),
    pytest.param("hardsigmoid", {"slope": 1 / 6, "offset": 0.5}, [-3.0, 3.0, 0.0, -4.0, 4.0], [0, 0, 1 / 6, 0, 0], id="hardsigmoid-at-its-corners-is-0"),
    pytest.param("hardsigmoid", {"slope": 0.25, "offset": 0.5}, [-2.0, 2.0, 1.0], [0, 0, 0.25], id="hardsigmoid-at-other-corners-is-0"),
    pytest.param("tanh", {}, [0.0, math.inf, -math.inf], [1, 0, 0], id="tanh-far-out-is-0"),
    pytest.param("sigmoid", {}, [0.0, math.inf, -math.inf], [0.25, 0, 0], id="sigmoid-far-out-is-0"),
]  # fmt: skip


@TABLES
@pytest.mark.parametrize(("op", "attributes", "points", "slopes"), SPECIAL)
def test_the_slope_at_a_special_point_is_as_agreed(op: str, attributes: Any, points: Any, slopes: Any, gradients: Any) -> None:
    x, dy = np.array([points]), np.full((1, len(points)), 4.0)
    with np.errstate(all="ignore"):
        (found,) = gradients(op, [x], attributes, dy)
    expected = 4.0 * np.array([slopes])
    assert np.array_equal(found, expected, equal_nan=True)
    assert not np.array_equal(found, expected + 1, equal_nan=True)


WINDOW = {"kernel_size": (2, 2), "stride": (2, 2), "padding": NONE}
TIES = [
    pytest.param([[1, 1], [1, 1]], WINDOW, [[5, 0], [0, 0]], id="four-equal-values"),
    pytest.param([[0, 2], [2, 2]], WINDOW, [[0, 5], [0, 0]], id="three-equal-values"),
    pytest.param([[0, 1], [2, 2]], WINDOW, [[0, 0], [5, 0]], id="two-in-the-last-row"),
    pytest.param([[0.0, -0.0], [-1, -1]], WINDOW, [[5, 0], [0, 0]], id="zeros-of-both-signs"),
    pytest.param([[1, NAN], [NAN, 3]], WINDOW, [[0, 5], [0, 0]], id="the-first-nan-wins"),
    pytest.param([[-math.inf, -math.inf], [-math.inf, -math.inf]], WINDOW, [[5, 0], [0, 0]], id="nothing-but-minus-infinity"),
    pytest.param([[-1, -2], [-3, -4]], WINDOW | {"padding": ((1, 1), (1, 1))}, [[5, 6], [7, 8]], id="padding-never-wins"),
]


@TABLES
@pytest.mark.parametrize(("x", "attributes", "expected"), TIES)
def test_the_first_of_equal_maxima_gets_the_gradient(x: Any, attributes: Any, expected: Any, gradients: Any) -> None:
    x = np.array([[x]], np.float64)
    y = oracle.max_pool2d(x, **attributes)
    dy = 5.0 + np.arange(y.size).reshape(y.shape)
    with np.errstate(all="ignore"):
        (found,) = gradients("max_pool2d", [x], attributes, dy)
    assert found[0, 0].tolist() == expected
    assert found[0, 0].tolist() != np.flip(expected).tolist()


# Whole graphs


def program(make: Any) -> Any:
    x = un.Input(3, name="x")
    return un.lower(un.Model(x, make(x)), "numpy", numerics="float64")


class TestGraphs:
    def test_a_value_that_is_read_twice_gets_the_sum_of_both(self) -> None:
        x, dy = smooth((2, 3)), smooth((2, 3), 1)
        _, grads = program(lambda value: un.Mul()(value, value)).vjp(x, dy)
        assert np.array_equal(grads["x"], dy * x + dy * x)
        assert not np.array_equal(grads["x"], dy * x)

    def test_a_value_that_is_read_by_branches_gets_the_sum_of_all(self) -> None:
        x, dy = smooth((2, 3)), smooth((2, 3), 1)
        _, grads = program(lambda value: un.Add()(un.ReLU()(value), un.LeakyReLU(0.5)(value), value)).vjp(x, dy)
        slopes = np.where(x > 0, 3.0, 1.5)
        assert close(grads["x"], dy * slopes)
        assert not close(grads["x"], dy * (slopes - 1))

    def test_a_value_that_is_an_output_twice_gets_both_cotangents(self) -> None:
        source = un.Input(3)
        value = un.Linear(2)(source, name="linear")
        net = un.lower(un.Model(source, (value, value)), numerics="float64")
        _, grads = net.vjp(np.ones((1, 3)), (np.array([[1.0, 0.0]]), np.array([[0.0, 10.0]])))
        assert np.array_equal(grads["linear.bias"], [1.0, 10.0])

    def test_several_outputs_send_back_their_own_cotangents(self) -> None:
        x, a, b = smooth((2, 3)), smooth((2, 3), 1), smooth((2, 3), 2)
        net = program(lambda value: {"one": un.LeakyReLU(2.0)(value), "two": value})
        _, grads = net.vjp(x, (a, b))
        slopes = np.where(x > 0, 1.0, 2.0)
        assert close(grads["x"], slopes * a + b)
        assert not close(grads["x"], slopes * b + a)

    def test_an_input_that_nothing_reads_gets_zeros(self) -> None:
        x, y = un.Input(3, name="x"), un.Input(2, name="y")
        net = un.lower(un.Model((x, y), un.Tanh()(x)), "numpy", numerics="float64")
        _, grads = net.vjp((smooth((4, 3)), smooth((4, 2))), smooth((4, 3), 1))
        assert np.array_equal(grads["y"], np.zeros((4, 2)))
        assert grads["x"].any()

    def test_a_network_s_gradients_are_its_loss_s_differences(self) -> None:
        layers = [un.Conv2d(2, 2, activation="tanh"), un.BatchNorm2d(), un.Flatten(), un.Linear(3)]
        net = un.lower(un.Sequential(layers, input=(1, 3, 3)), "numpy", numerics="float64", seed=1)
        x, labels = smooth((4, 1, 3, 3)), np.array([0, 2, 1, 1])
        _, grads = net.gradients(x, labels)
        weights = net.weights()

        def loss(step: float, name: str, index: Any) -> float:
            moved = {key: value.copy() for key, value in weights.items()}
            moved[name][index] += step
            net.load(moved)
            return float(net.gradients(x, labels)[0])

        expected = {
            name: (loss(2.0**-12, name, index) - loss(-(2.0**-12), name, index)) * 2.0**11
            for name, index in {"conv1.weight": (1, 0, 1, 0), "conv1.bias": (0,), "norm1.scale": (1,), "norm1.shift": (0,), "linear1.weight": (2, 5), "linear1.bias": (1,)}.items()
        }  # fmt: skip
        found = {"conv1.weight": grads["conv1.weight"][1, 0, 1, 0], "conv1.bias": grads["conv1.bias"][0], "norm1.scale": grads["norm1.scale"][1],
                 "norm1.shift": grads["norm1.shift"][0], "linear1.weight": grads["linear1.weight"][2, 5], "linear1.bias": grads["linear1.bias"][1]}  # fmt: skip
        assert [name for name in found if abs(found[name] - expected[name]) > 1e-6] == []
        assert [name for name in found if abs(1.01 * found[name] - expected[name]) <= 1e-6] == []

"""Two networks side by side: pairs whose differences, and what they do, are known."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn.errors import InputError
from unicnn.graph import infer
from unicnn.model import Layer, Model
from unicnn.porting.difference.measuring import draw
from unicnn.porting.difference.result import INFERENCE, NO_EFFECT, NOTHING, TRAINING


def net(*layers: Any, input: tuple[int, ...] = (2, 8, 8), name: str = "net") -> Model:
    return un.Sequential(layers, input=input, name=name)


def head(*layers: Any, **options: Any) -> Model:
    """Return a network of these layers and a dense one that fits whatever size they give."""
    return net(*layers, un.AdaptiveAvgPool2d(2), un.Flatten(), un.Linear(5), **options)


def renamed(model: Model, name: str = "other") -> Model:
    """Return a model whose layers have other names, written down in the opposite order."""
    names = {layer.name: f"features.{place}" for place, layer in enumerate(model.layers)}
    layers = [Layer(names[item.name], item.op, tuple(names.get(source, source) for source in item.inputs)) for item in model.layers]
    return Model.of(model.inputs, layers[::-1], [(key, names[source]) for key, source in model.outputs], name=name)


def found(result: Any) -> list[tuple[str, str, str]]:
    return [(item.kind, item.what, item.severity) for item in result.differences]


CONV, BLOCK = un.Conv2d(4, 3), (un.Conv2d(4, 3, padding=1), un.ReLU(), un.MaxPool2d(2))
PAIRS = {
    "SAME and padding 1 at stride 2 pad other sides": (
        head(un.Conv2d(4, 3, stride=2, padding="same")),
        head(un.Conv2d(4, 3, stride=2, padding=1)),
        [("hyperparameter", "padding", INFERENCE)],
    ),
    "SAME and padding 1 at stride 1 are one": (
        head(un.Conv2d(4, 3, padding="same")),
        head(un.Conv2d(4, 3, padding=1)),
        [("hyperparameter", "padding", NO_EFFECT)],
    ),
    "SAME and padding 2 at stride 1 with a dilation of 2 are one": (
        head(un.Conv2d(4, 3, padding="same", dilation=2)),
        head(un.Conv2d(4, 3, padding=2, dilation=2)),
        [("hyperparameter", "padding", NO_EFFECT)],
    ),
    "batch norm's epsilon": (
        head(CONV, un.BatchNorm2d(eps=1e-3)),
        head(CONV, un.BatchNorm2d(eps=1e-5)),
        [("hyperparameter", "eps", INFERENCE)],
    ),
    "batch norm's momentum turned round": (
        head(CONV, un.BatchNorm2d(keep=0.9)),
        head(CONV, un.BatchNorm2d(keep=0.1)),
        [("hyperparameter", "keep", TRAINING)],
    ),
    "the stored variance": (
        head(CONV, un.BatchNorm2d(running_var="unbiased")),
        head(CONV, un.BatchNorm2d()),
        [("hyperparameter", "running_var", TRAINING)],
    ),
    "dropout's probability": (
        head(CONV, un.Dropout(0.5)),
        head(CONV, un.Dropout(0.3)),
        [("hyperparameter", "p", TRAINING)],
    ),
    "dropout on one side": (head(CONV, un.Dropout(0.5)), head(CONV), [("missing", "layer", TRAINING)]),
    "dropout of nothing on one side": (head(CONV), head(CONV, un.Dropout(0.0)), [("added", "layer", NO_EFFECT)]),
    "an identity on one side": (head(CONV), head(CONV, un.Identity()), [("added", "layer", NO_EFFECT)]),
    "padding that counts in a mean": (
        head(un.AvgPool2d(3, padding=1)),
        head(un.AvgPool2d(3, padding=1, count_include_pad=False)),
        [("hyperparameter", "count_include_pad", INFERENCE)],
    ),
    "no padding that could count in a mean": (
        head(un.AvgPool2d(2)),
        head(un.AvgPool2d(2, count_include_pad=False)),
        [("hyperparameter", "count_include_pad", NO_EFFECT)],
    ),
    "ceil mode where windows fit": (
        head(un.MaxPool2d(2)),
        head(un.MaxPool2d(2, ceil_mode=True)),
        [("hyperparameter", "ceil_mode", NO_EFFECT)],
    ),
    "ceil mode where they do not": (
        head(un.MaxPool2d(3)),
        head(un.MaxPool2d(3, ceil_mode=True)),
        [("hyperparameter", "ceil_mode", INFERENCE)],
    ),
    "a bias": (head(CONV), head(un.Conv2d(4, 3, bias=False)), [("hyperparameter", "bias", INFERENCE)]),
    "the slope of a leaky ReLU": (
        head(CONV, un.LeakyReLU(0.01)),
        head(CONV, un.LeakyReLU(0.3)),
        [("hyperparameter", "negative_slope", INFERENCE)],
    ),
    "two spellings of an axis": (
        net(un.Flatten(), un.LayerNorm(-1)),
        net(un.Flatten(), un.LayerNorm(1)),
        [("hyperparameter", "axes", NO_EFFECT)],
    ),
    "the dilation of a kernel of one pixel": (
        head(un.Conv2d(4, 1)),
        head(un.Conv2d(4, 1, dilation=2)),
        [("hyperparameter", "dilation", NO_EFFECT)],
    ),
    "ReLU and max pooling commute": (
        head(CONV, un.ReLU(), un.MaxPool2d(2)),
        head(CONV, un.MaxPool2d(2), un.ReLU()),
        [("order", "place", NO_EFFECT)],
    ),
    "ReLU and mean pooling do not": (
        head(CONV, un.ReLU(), un.AvgPool2d(2)),
        head(CONV, un.AvgPool2d(2), un.ReLU()),
        [("order", "place", INFERENCE)],
    ),
    "batch norm before or after ReLU": (
        head(CONV, un.BatchNorm2d(), un.ReLU()),
        head(CONV, un.ReLU(), un.BatchNorm2d()),
        [("order", "place", INFERENCE)],
    ),
    "a softmax at the end": (head(CONV), net(*[x.op for x in head(CONV).layers], un.Softmax()), [("added", "layer", INFERENCE)]),
    "another function": (head(CONV, un.ReLU()), head(CONV, un.Tanh()), [("op", "op", INFERENCE)]),
    "a second ReLU": (head(CONV, un.ReLU()), head(CONV, un.ReLU(), un.ReLU()), [("added", "layer", NO_EFFECT)]),
    "a flatten written as a reshape": (
        net(CONV, un.Flatten(), un.Linear(3)),
        net(CONV, un.Reshape((-1,)), un.Linear(3)),
        [("op", "op", NO_EFFECT)],
    ),
    "height, width, channels": (
        net(CONV, un.Flatten(), un.Linear(3)),
        net(CONV, un.Transpose((0, 2, 3, 1)), un.Flatten(), un.Linear(3)),
        [("added", "layer", INFERENCE)],
    ),
    "a padding as a layer of its own": (
        net(un.Pad(1), un.Conv2d(4, 3, stride=2), un.Flatten(), un.Linear(3)),
        net(un.Conv2d(4, 3, stride=2, padding=1), un.Flatten(), un.Linear(3)),
        [("missing", "layer", NO_EFFECT), ("hyperparameter", "padding", NO_EFFECT)],
    ),
    "a padding as a layer of its own beside another epsilon": (
        head(un.Pad(1), un.Conv2d(4, 3), un.BatchNorm2d(eps=1e-3)),
        head(un.Conv2d(4, 3, padding=1), un.BatchNorm2d()),
        [("missing", "layer", NO_EFFECT), ("hyperparameter", "padding", NO_EFFECT), ("hyperparameter", "eps", INFERENCE)],
    ),
    "a padding with another value": (
        head(un.Pad(1, 0.5), un.Conv2d(4, 3)),
        head(un.Conv2d(4, 3, padding=1)),
        [("missing", "layer", INFERENCE), ("hyperparameter", "padding", INFERENCE)],
    ),
}


@pytest.mark.parametrize(("a", "b", "expected"), PAIRS.values(), ids=PAIRS)
def test_what_differs_and_how_much_it_matters(a: Model, b: Model, expected: list[tuple[str, str, str]]) -> None:
    result = un.diff(a, renamed(b))
    assert found(result) == expected
    assert result.same == all(severity == NO_EFFECT for _, _, severity in expected)


@pytest.mark.parametrize(("a", "b", "expected"), PAIRS.values(), ids=PAIRS)
def test_what_is_measured_agrees_with_what_is_said(a: Model, b: Model, expected: list[tuple[str, str, str]]) -> None:
    result = un.diff(a, b)
    worst = max(result.differences, key=lambda item: (NO_EFFECT, TRAINING, INFERENCE).index(item.severity)).severity
    assert result.apart is not None
    assert result.training is not None
    assert (result.apart > NOTHING) == (worst == INFERENCE)
    assert (result.training > NOTHING) == (worst != NO_EFFECT)
    assert (result.first is not None) == any(row.apart and row.apart > NOTHING for row in result.rows) * (worst == INFERENCE)


@pytest.mark.parametrize("model", [a for a, _, _ in PAIRS.values()], ids=PAIRS)
def test_other_names_and_another_order_of_writing_are_no_difference(model: Model) -> None:
    result = un.diff(model, renamed(model))
    assert (found(result), result.same, result.apart, result.renamed) == ([], True, 0.0, len(model))
    assert f"{len(model)} layers have another name" in result.verdict


def test_the_effect_of_an_epsilon_is_what_the_formula_says() -> None:
    models = [net(un.BatchNorm2d(eps=eps, shift=False), input=(1, 4, 4)) for eps in (1e-3, 1e-5)]
    (difference,) = un.diff(*models).differences
    var = draw("norm1.var", (1,), 0).item()
    expected = math.sqrt((var + 1e-3) / (var + 1e-5)) - 1
    assert 1e-4 < expected < 1e-2
    assert abs(difference.effect.output - expected) <= 1e-10 * expected
    assert difference.effect.local == difference.effect.output


def test_each_difference_is_made_alone() -> None:
    a = head(CONV, un.BatchNorm2d(eps=1e-3), un.AvgPool2d(3, padding=1))
    both = head(CONV, un.BatchNorm2d(), un.AvgPool2d(3, padding=1, count_include_pad=False))
    eps, counted = un.diff(a, both).differences
    one = un.diff(a, head(CONV, un.BatchNorm2d(), un.AvgPool2d(3, padding=1)))
    other = un.diff(a, head(CONV, un.BatchNorm2d(eps=1e-3), un.AvgPool2d(3, padding=1, count_include_pad=False)))
    assert (eps.effect, counted.effect) == (one.differences[0].effect, other.differences[0].effect)
    assert eps.effect.output != counted.effect.output
    assert eps.effect.output == one.apart


def test_the_first_layer_that_parts_is_the_one_that_differs() -> None:
    a = head(*BLOCK, un.Conv2d(4, 3, padding=1), un.LeakyReLU(0.1), un.Conv2d(4, 1))
    result = un.diff(a, head(*BLOCK, un.Conv2d(4, 3, padding=1), un.LeakyReLU(0.2), un.Conv2d(4, 1)))
    before = [row for row in result.rows if row.a is not None and row.a.name in ("conv1", "relu1", "pool1", "conv2")]
    assert result.first is not None
    assert result.first.a is not None
    assert result.first.a.name == "leaky_relu1"
    assert [row.apart for row in before] == [0.0] * 4
    assert "part at leaky_relu1" in result.verdict


@pytest.mark.parametrize(
    ("a", "b", "what", "told"),
    [
        (un.Conv2d(4, 3, stride=2, padding="same"), un.Conv2d(4, 3, stride=2, padding=1), "padding", "pads 0 before and 1 after here"),
        (un.BatchNorm2d(keep=0.9), un.BatchNorm2d(keep=0.1), "keep", "momentum is 1 - everybody else's"),
        (un.BatchNorm2d(keep=0.9), un.BatchNorm2d(keep=0.99), "keep", "0.99 in Keras"),
        (un.BatchNorm2d(eps=1e-3), un.BatchNorm2d(), "eps", "1e-3 in Keras"),
        (un.BatchNorm2d(running_var="unbiased"), un.BatchNorm2d(), "running_var", "n/(n - 1)"),
        (un.AvgPool2d(3, padding=1), un.AvgPool2d(3, padding=1, count_include_pad=False), "count_include_pad", "Keras and, by default, ONNX do not"),
        (un.MaxPool2d(2), un.MaxPool2d(2, stride=1), "stride", "by 1 in mx.nd.Pooling"),
        (un.GELU(), un.GELU("tanh"), "approximate", "JAX"),
        (un.Conv2d(4, 3, padding=2), un.Conv2d(4, 3, stride=2, padding=1), "padding", "may have been written for a stride"),
    ],
    ids=["same at stride 2", "momentum turned round", "momentum", "epsilon", "variance", "counting", "a pool's stride", "gelu", "stride 2 as padding 2"],
)  # fmt: skip
def test_the_likely_cause_is_told(a: Any, b: Any, what: str, told: str) -> None:
    (cause,) = [item.cause for item in un.diff(head(a), head(b)).differences if item.what == what]
    assert told in cause


def test_a_padding_written_for_a_stride_changes_the_shape() -> None:
    a, b = (net(op, input=(1, 8, 8)) for op in (un.Conv2d(1, 3, padding=2), un.Conv2d(1, 3, stride=2, padding=1)))
    result = un.diff(a, b)
    assert [(item.what, item.a_value, item.b_value) for item in result.differences] == [("stride", "1x1", "2x2"), ("padding", "2", "1")]
    assert (result.rows[0].a.shape, result.rows[0].b.shape) == ((1, 10, 10), (1, 4, 4))  # type: ignore[union-attr]
    assert (result.same, result.apart) == (False, None)
    assert "from 1x10x10 to 1x4x4" in result.note


def test_weights_that_no_longer_fit_are_named() -> None:
    lenet = un.zoo.lenet()
    layers = [
        Layer(item.name, dataclasses.replace(item.op, padding="same"), item.inputs) if item.name == "conv2" else item  # type: ignore[type-var]
        for item in lenet.layers
    ]
    result = un.diff(lenet, Model.of(lenet.inputs, layers, lenet.outputs, name="wider"))
    (difference,) = result.differences
    assert "linear1.weight is 128x1250 in the first network and would be 128x1800" in difference.effect.note
    assert result.parameters == (170_988, 241_388)
    known = {row.a.name: row.apart for row in result.rows if row.a is not None}
    assert known["pool1"] == 0
    assert known["linear2"] is None


def test_a_default_that_many_layers_have_is_one_difference() -> None:
    a, b = (head(CONV, un.BatchNorm2d(eps=eps), CONV, un.BatchNorm2d(eps=eps)) for eps in (1e-3, 1e-5))
    (difference,) = un.diff(a, b).differences
    assert difference.layers == (("norm1", "norm1"), ("norm2", "norm2"))
    assert "eps of 2 BatchNorm2d layers" in un.diff(a, b).verdict


def branches(first: str, second: str, kernel: int = 3, *, swapped: bool = False, joined: bool = True) -> Model:
    x = un.Input(2, 8, 8)
    left = un.Conv2d(2, kernel, padding="same")(x, name=first)
    right = un.Conv2d(2, 1)(un.Tanh()(x), name=second)
    both = (right, left) if swapped else (left, right)
    y = un.Add()(*both) if joined else left
    return Model(x, un.Linear(3)(un.Flatten()(un.ReLU()(y))), name="branches")


def test_branches_are_matched_by_what_they_do() -> None:
    a = branches("left", "right")
    assert un.diff(a, branches("b", "a", swapped=True)).same
    result = un.diff(a, branches("b", "a", kernel=5, swapped=True))
    assert [(item.a, item.b, item.what) for item in result.differences] == [("left", "b", "kernel_size")]
    assert {(pair.a.name, pair.b.name) for pair in result.rows if pair.a and pair.b} >= {("left", "b"), ("right", "a")}


def test_a_branch_that_is_missing_is_told_apart() -> None:
    result = un.diff(branches("left", "right"), branches("left", "right", joined=False))
    assert {item.a for item in result.differences if item.kind == "missing"} == {"tanh1", "right", "add1"}
    assert not result.same


def test_operands_that_matter_are_told_apart() -> None:
    def model(*, swapped: bool) -> Model:
        x = un.Input(1, 4, 4)
        values = [un.Conv2d(2, 1)(x, name="one"), un.Conv2d(2, 3, padding=1)(x, name="two")]
        return Model(x, un.Concat()(*(values[::-1] if swapped else values)), name="joined")

    result = un.diff(model(swapped=False), model(swapped=True))
    assert found(result) == [("wiring", "inputs", INFERENCE)]
    assert result.apart is not None
    assert result.apart > 0.1


def test_a_layer_put_in_front_shifts_names_and_not_the_matching() -> None:
    a = net(un.Conv2d(4, 3), un.Conv2d(8, 3), un.Flatten(), un.Linear(3))
    b = net(un.Conv2d(2, 1), un.Conv2d(4, 3), un.Conv2d(8, 3), un.Flatten(), un.Linear(3))
    result = un.diff(a, b)
    assert [(item.kind, item.b) for item in result.differences] == [("added", "conv1")]
    assert [(row.a.name, row.b.name) for row in result.rows if row.a and row.b][:2] == [("conv1", "conv2"), ("conv2", "conv3")]


def test_other_inputs_are_not_run() -> None:
    result = un.diff(head(CONV), head(CONV, input=(3, 8, 8)))
    assert found(result) == [("input", "shape", INFERENCE)]
    assert (result.samples, result.apart) == (0, None)


def weighted(model: Model, change: Any = lambda name, value: value) -> Any:
    """Return what an import gives, as far as a diff looks at it."""
    weights = {name: draw(name.rpartition(".")[2], item.shape, 1) for name, item in infer(model).parameters.items()}
    return SimpleNamespace(model=model, weights={name: change(name, value) for name, value in weights.items()})


def flipped(name: str, value: Any) -> Any:
    return value[:, ::-1].copy() if value.shape == (5, 16) else value


def moved(name: str, value: Any) -> Any:
    return value + 0.25 if name.endswith("conv1.weight") or name == "features.0.weight" else value


@pytest.mark.parametrize(
    ("change", "same", "told"),
    [
        (lambda name, value: value, True, "are equal: 4 of 4 arrays"),
        (flipped, False, "the same values in another order"),
        (moved, False, "differ in 1 of 4 arrays, most in conv1.weight, by 0.25"),
    ],
    ids=["equal", "in another order", "moved"],
)
def test_weights_that_came_with_both_are_compared(change: Any, same: bool, told: str) -> None:
    model = head(CONV)
    result = un.diff(weighted(model), weighted(renamed(model), change))
    assert (result.same_weights, result.same) == (same, True)
    assert told in result.weights
    assert result.apart == 0


def test_weights_of_the_network_are_what_is_run_with() -> None:
    a, b = head(CONV, un.BatchNorm2d(eps=1e-3)), head(CONV, un.BatchNorm2d())
    ours, theirs = un.diff(a, b), un.diff(weighted(a), b)
    swapped = un.diff(a, weighted(b))
    assert ours.apart != theirs.apart
    assert swapped.apart == theirs.apart


def test_a_layer_that_is_added_brings_its_weights() -> None:
    a, b = head(CONV), head(CONV, un.Conv2d(4, 1))
    result = un.diff(weighted(a), weighted(renamed(b)))
    (difference,) = result.differences
    assert difference.effect.output == result.rows[-1].apart  # the changed first network, and the second one itself
    assert difference.effect.output != un.diff(weighted(a), b).apart


def test_without_running_only_what_is_written_is_compared() -> None:
    a, b = head(CONV, un.ReLU(), un.MaxPool2d(2)), head(un.Conv2d(4, 3, padding=1), un.MaxPool2d(2), un.ReLU())
    result = un.diff(a, b, run=False)
    assert found(result) == [("hyperparameter", "padding", INFERENCE), ("order", "place", NO_EFFECT)]
    assert result.apart is None
    assert not any(item.effect.measured for item in result.differences)


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(InputError, match=r"a network and a recipe"):
        un.diff("resnet18", un.Recipe(optimizer=un.SGD(0.1), batch_size=2, epochs=1))
    with pytest.raises(InputError, match=r"batch of at least 2"):
        un.diff(head(CONV), head(CONV), batch=1)
    with pytest.raises(InputError, match=r"given a ndarray"):
        un.diff(np.ones(3), head(CONV))

"""The rule by which layers are called, and which layers may therefore be written as functions."""

from __future__ import annotations

import pytest

import unicnn as un
from unicnn.graph import infer
from unicnn.model import Model
from unicnn.ops import Add, Conv2d, Flatten, Linear, ReLU
from unicnn.ops.symbolic import Input
from unicnn.porting.naming import Occurrence, functional, names


def glue(scope: str, prefix: str = "relu") -> Occurrence:
    return Occurrence(scope, prefix)


def own(name: str, prefix: str = "relu") -> Occurrence:
    return Occurrence(name.rpartition(".")[0], prefix, name)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([own("conv1", "conv"), own("a.b", "conv")], ["conv1", "a.b"]),
        ([glue(""), glue("", "flatten")], ["relu1", "flatten1"]),
        ([own("a.conv", "conv"), glue("a")], ["a.conv", "a.relu"]),
        ([own("a.conv", "conv"), glue("a"), glue("a"), glue("a", "add")], ["a.conv", "a.relu1", "a.relu2", "a.add"]),
        ([glue("a")], ["a"]),
        ([glue("a.b"), own("a.conv", "conv")], ["a.b", "a.conv"]),
        ([own("a.relu"), own("a.relu"), own("a.conv", "conv")], ["a.relu1", "a.relu2", "a.conv"]),
        ([own("relu1"), glue("")], ["relu1", "relu2"]),
        ([glue(""), own("relu1"), glue("")], ["relu2", "relu1", "relu3"]),
        ([own("a.relu"), glue("a")], ["a.relu", "a.relu1"]),
        ([own("act"), own("act"), own("act1")], ["act2", "act3", "act1"]),
    ],
    ids=[
        "own names stay", "glue of the network is numbered", "single glue of a scope is not", "several are", "alone it is its scope",
        "alone in an inner scope", "a module called twice is numbered", "numbers skip own names", "also those that come later",
        "a name that is taken is numbered", "numbers skip names that look like theirs",
    ],
)  # fmt: skip
def test_layers_are_called(layers: list[Occurrence], expected: list[str]) -> None:
    assert names(layers) == expected


def test_numbers_skip_the_names_of_inputs() -> None:
    assert names([glue("")], ["relu1"]) == ["relu2"]


def test_every_name_is_given_once() -> None:
    layers = [glue(scope) for scope in ("", "a", "a", "a.b", "")] + [own("a.relu1"), own("relu1"), own("a.relu1")]
    assert len(set(names(layers))) == len(layers)


def _model(*labels: str | None) -> Model:
    layers = [(label or f"fc{i}", ReLU() if label else Linear(4)) for i, label in enumerate(labels)]
    return un.Sequential(layers, input=(4,))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["relu1", None, "relu2"], {"relu1", "relu2"}),
        (["relu", None, "relu1"], {"relu1"}),
        (["relu2", None, "relu1"], {"relu2"}),
        (["relu2", "relu3", None, "relu1"], {"relu2", "relu3"}),
        (["relu1", None, "relu3", "relu2"], {"relu1", "relu3"}),
        (["relu1", "relu3", None, "relu4"], {"relu1"}),
        (["a.conv", "a.relu1"], set()),
        (["a.relu", "a.conv", "a.relu1", "a.relu2"], {"a.relu1", "a.relu2"}),
        (["a.relu", None], set()),
        (["a.relu", "a.conv", "b.relu1", "b.x", "b.relu2"], {"a.relu", "b.relu1", "b.relu2"}),
    ],
    ids=[
        "as numbered",
        "one is called otherwise",
        "in another order",
        "most of them in order",
        "one number is out of line",
        "a number is missing",
        "a number without need",
        "more with numbers",
        "alone in its scope",
        "in scopes",
    ],
)
def test_what_the_rule_calls_by_its_name_may_be_a_function(labels: list[str | None], expected: set[str]) -> None:
    model = _model(*labels)
    expressible = {label for label in labels if label and label.rpartition(".")[2].startswith("relu")}
    assert functional(infer(model), expressible) == expected


def test_the_choice_gives_back_all_names() -> None:
    x = Input(3, 8, 8)
    y = ReLU()(Conv2d(4, 3)(x, name="a.conv"), name="a.relu")
    z = ReLU()(Add()(y, y, name="sum"), name="relu2")
    graph = infer(Model(x, Linear(2)(Flatten()(ReLU()(z, name="relu1"), name="flatten1"), name="fc")))
    chosen = functional(graph, {"a.relu", "sum", "relu1", "relu2", "flatten1"})
    assert chosen == {"a.relu", "relu2", "flatten1"}
    layers = [Occurrence(node.name.rpartition(".")[0], node.op.prefix, None if node.name in chosen else node.name) for node in graph.nodes]
    assert names(layers) == [node.name for node in graph.nodes]

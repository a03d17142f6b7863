"""What is written as NumPy source computes what the model says, reads back as the model, and is what a person would have written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unicnn as un
from tests.porting.emitted import (
    Arrays,
    arranged,
    batch,
    complaints,
    cotangents,
    distance,
    executed,
    listed,
    random_model,
    scoped_model,
    weights,
    written,
)
from tests.porting.structures import STRUCTURES, ZOO, structure
from unicnn import plugins
from unicnn.model import Model
from unicnn.ops import Conv2d, Dropout, Flatten, Linear, ReLU
from unicnn.porting.emitting import formatted
from unicnn.porting.normal import first_difference, same
from unicnn.porting.outline import Hints
from unicnn.porting.outline.words import class_name
from unicnn.porting.reading import from_framework
from unicnn.sources import find_recipe

pytest.importorskip("unicnn_numpy", reason="the NumPy plugin is not installed")
import unicnn_numpy
from unicnn_numpy.emitting.pieces import ORDER, every, pieces


def entry(model: Model) -> str:
    return plugins.dialect("numpy").emitter().entry(model.name)


def build(source: str, model: Model, held: Arrays, tmp_path: Path) -> Any:
    """Return the network of a source, in float64, with weights."""
    names = executed(source)
    net = names[entry(model)]()
    for layer, _ in net.layers.values():
        layer.parameters = {key: array.astype(np.float64) for key, array in layer.parameters.items()}
    un.save_weights(held, tmp_path / "weights.safetensors")
    names["load_weights"](net, tmp_path / "weights.safetensors")
    return net


def check(source: str, model: Model, tmp_path: Path, samples: int = 2) -> float:
    """Return how far outputs and gradients of a source are from those of the model's program."""
    held, inputs, given = weights(model), batch(model, samples), cotangents(model, samples)
    net = build(source, model, held, tmp_path)
    program = un.lower(model, "numpy", numerics="float64", weights=held)
    values = list(inputs.values())
    wanted, gradients = program.vjp(values[0] if len(values) == 1 else values, arranged(model, given))
    outputs = net(*values)
    back = net.backward(arranged(model, given)) if isinstance(outputs, dict) else net.backward(*given)
    assert set(outputs if isinstance(outputs, dict) else ()) == {key for key, _ in model.outputs} - {None}
    found = dict(zip(inputs, listed(back), strict=True)) | net.gradients
    known = [name for name in gradients if found.get(name) is not None]
    assert {name for name in gradients if np.any(gradients[name])} <= set(known)
    return max(distance(listed(outputs), listed(wanted)), distance([found[name] for name in known], [gradients[name] for name in known]))


def reread(source: str, model: Model) -> Model:
    """Return the model that is read from a source."""
    shapes = [(2, *shape) for _, shape in model.inputs]
    return from_framework(executed(source)[entry(model)](), shapes, dialect="numpy").model


@pytest.mark.parametrize("name", [*STRUCTURES, *ZOO])
def test_a_network_computes_what_the_model_says_and_reads_back_as_it(name: str, tmp_path: Path) -> None:
    model, hints = structure(name)
    source = written(model, "numpy", hints)
    assert check(source, model, tmp_path, samples=1 if name in ZOO else 2) < 1e-10
    assert first_difference(reread(source, model), model) is None
    assert complaints(source) == ""


@pytest.mark.slow
def test_vgg_computes_what_the_model_says(tmp_path: Path) -> None:
    model = un.zoo.vgg11()
    assert check(written(model, "numpy"), model, tmp_path, samples=1) < 1e-10


@pytest.mark.parametrize("seed", range(60))
def test_a_random_network_computes_what_the_model_says_and_reads_back_as_it(seed: int, tmp_path: Path) -> None:
    model = random_model(seed)
    source = written(model, "numpy")
    assert check(source, model, tmp_path) < 1e-10
    assert first_difference(reread(source, model), model) is None


@pytest.mark.parametrize("seed", range(60))
def test_a_random_network_in_random_scopes_computes_what_the_model_says_and_reads_back_as_it(seed: int, tmp_path: Path) -> None:
    model = scoped_model(seed)
    source = written(model, "numpy")
    assert check(source, model, tmp_path) < 1e-10
    assert first_difference(reread(source, model), model) is None
    assert complaints(source) == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("np.maximum(x, 0)", "np.maximum(x, 1e-3)"), ("self.positive = x > 0", "self.positive = x < 0"), ("+= part", "-= part")],
    ids=["a wrong value", "a wrong slope", "another sum"],
)
def test_a_line_that_is_wrong_is_noticed(right: str, wrong: str, tmp_path: Path) -> None:
    model, hints = structure("unet")
    source = written(model, "numpy", hints)
    assert right in source
    assert check(source.replace(right, wrong), model, tmp_path) > 1e-5


@pytest.mark.parametrize(
    ("right", "wrong", "what"),
    [
        ("128, stride=2", "128, stride=1", "stride"),
        ("3, padding=1), y)", "3, padding=1, bias=False), y)", "parameters"),
        ('{name}.relu2"', '{name}.relu"', "stage1.block1.relu2"),
        ("Add(), y, x)", "Add(), x, y)", "inputs"),
    ],
)
def test_another_network_is_not_read_as_the_same(right: str, wrong: str, what: str) -> None:
    big = un.zoo.resnet18()
    model = Model.of([("input", (1, 32, 32))], big.layers, big.outputs, name=big.name)
    source = written(model, "numpy")
    assert right in source
    assert what in str(first_difference(reread(source.replace(right, wrong), model), model))


def test_writing_twice_gives_the_same_text() -> None:
    model, hints = structure("inverted residuals")
    assert written(model, "numpy", hints) == written(model, "numpy", hints)
    assert written(model, "numpy", hints) != written(model, "numpy")


@pytest.mark.parametrize(
    ("name", "has", "lacks"),
    [
        ("lenet", ("class Conv2d(", "class Sequential("), ("class BatchNorm2d(", "erf", "Grouped", "class KeyedNetwork(")),
        ("convnext", ("from scipy.special import erf", "class GroupedConv2d("), ("class TanhGELU(", "class ReLU(", "class Sequential(")),
        ("gates and named outputs", ("class KeyedNetwork(", "class GlobalAvgPool2d("), ("class AdaptiveAvgPool2d(", "scipy")),
    ],
)
def test_a_file_has_the_layers_that_it_needs_and_no_others(name: str, has: tuple[str, ...], lacks: tuple[str, ...]) -> None:
    source = source_of(name)
    assert all(text in source for text in has)
    assert not any(text in source for text in lacks)


def source_of(name: str) -> str:
    model, hints = structure(name)
    return written(model, "numpy", hints)


def test_a_network_without_windows_imports_none() -> None:
    model = un.Sequential([Flatten(), Linear(3), ReLU()], input=(1, 4, 4), name="plain")
    assert "sliding_window_view" not in written(model, "numpy")
    assert "sliding_window_view" in written(un.zoo.lenet(), "numpy")


@pytest.mark.parametrize("name", sorted(every()))
def test_a_layer_stands_in_a_file_as_it_stands_in_its_module(name: str) -> None:
    folder = Path(unicnn_numpy.__file__).parent / "emitting" / "layers"
    sources = "\n".join((folder / f"{module}.py").read_text(encoding="utf-8") for module in ORDER)
    mine = every()[name].source
    assert f"\n\n{mine}\n" in sources
    assert mine in pieces([name])
    assert formatted(f"{mine}\n") == f"{mine}\n"


def test_a_loop_stands_where_siblings_repeat() -> None:
    source = source_of("bottlenecks")
    assert re.search(r'for i in range\(1, 4\):\n +x = self\.bottleneck\(f"layer3\.\{i\}", x, 64, 16\)', source)


def test_a_number_that_grows_evenly_is_no_reason_to_write_a_loop_out() -> None:
    source = source_of("even growth")
    assert re.search(r'for i in range\(1, 5\):\n +x = self\.dense_layer\(f"dense\.\{i\}", x, 4 \+ 2 \* i\)', source)


@pytest.mark.parametrize("name", ["gates and named outputs", "two inputs and hard names"])
def test_the_importer_runs_what_was_written(name: str) -> None:
    model = structure(name)[0]
    held, inputs, given = weights(model), batch(model), cotangents(model)
    net = executed(source_of(name))[entry(model)]()
    for key, array in held.items():
        net.parameters[key][...] = array
    read = from_framework(net, [(2, *shape) for _, shape in model.inputs], dialect="numpy")
    assert read.recording is not None
    ran = read.recording.runner.run(list(inputs.values()), given, "float64")
    wanted, gradients = un.lower(model, "numpy", numerics="float64", weights=held).vjp(
        next(iter(inputs.values())) if len(inputs) == 1 else list(inputs.values()), arranged(model, given)
    )
    assert distance(list(ran.outputs), listed(wanted)) < 1e-10
    assert distance([ran.gradients[key] for key in gradients], list(gradients.values())) < 1e-10
    assert set(ran.values) == {*inputs, *(layer.name for layer in model.layers)}
    assert read.model.name == model.name


@pytest.mark.parametrize("dialect", ["numpy", "torch"])
def test_blocks_that_take_more_values_are_not_the_same_block(dialect: str) -> None:
    pytest.importorskip(dialect)
    model = structure("dense blocks")[0]
    paths = [f"denseblock{b}.layer{i}" for b in (1, 2) for i in (1, 2, 3)]
    source = written(model, dialect, Hints(dict.fromkeys(paths, "DenseLayer")))
    net = executed(source)[class_name(model.name)]()
    assert same(from_framework(net, [(2, 3, 16, 16)], dialect=dialect).model, model)


def test_a_network_called_like_a_layer_has_another_class() -> None:
    model = un.Sequential([Conv2d(2, 3), Flatten()], input=(1, 4, 4), name="conv2d")
    assert entry(model) == "Conv2dNet"
    assert same(reread(written(model, "numpy"), model), model)


def test_dropout_works_in_training_alone(tmp_path: Path) -> None:
    model = un.Sequential([Flatten(), Dropout(0.25), Linear(2)], input=(1, 40, 40), name="dropping")
    net = build(written(model, "numpy"), model, weights(model), tmp_path)
    x = np.ones((4, 1, 40, 40))
    assert np.array_equal(net(x), net(x))
    net(x, training=True)
    kept = net.values["dropout1"]
    assert set(np.unique(kept)) == {0, 1 / 0.75}
    assert abs(np.mean(kept > 0) - 0.75) < 0.05


@pytest.mark.parametrize("recipe", ["lenet", "gluon-lenet"])
def test_a_file_with_a_recipe_trains(recipe: str, tmp_path: Path) -> None:
    model = un.zoo.lenet()
    source = un.emit(model, "numpy", recipe=find_recipe(recipe))
    assert complaints(source) == ""
    names = executed(source)
    net = names["LeNet"]()
    names["initialize"](net)
    rng = np.random.default_rng(0)
    data = [(rng.normal(size=(16, 1, 28, 28)).astype(np.float32), rng.integers(0, 10, 16))] * 8
    losses = names["train"](net, lambda epoch: data, epochs=3)
    assert len(losses) == 24
    assert losses[-1] < losses[0]

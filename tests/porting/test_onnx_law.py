"""What is written as a graph of ONNX is read as the same network, and computes what the model says."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unicnn as un
from tests.porting.emitted import Arrays, batch, complaints, executed, random_model, scoped_model, weights, written
from tests.porting.structures import STRUCTURES, structure
from unicnn import plugins
from unicnn.errors import UnsupportedError
from unicnn.graph import infer
from unicnn.model import Model
from unicnn.ops import BatchNorm2d, Conv2d, Dropout, LayerNorm, LeakyReLU, Reshape
from unicnn.porting.normal import first_difference, same
from unicnn.porting.outline import Hints
from unicnn.porting.reading import from_framework

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
emitter = pytest.importorskip("unicnn_onnx.emitter")

ZOO = [name for name in un.zoo.names() if not name.startswith("vgg")]
SEEDS = range(1000, 1060)


def built(model: Model, hints: Hints | None = None) -> Any:
    return executed(written(model, "onnx", hints))[emitter.entry(model.name)]()


def read(net: Any, model: Model) -> Any:
    return from_framework(net, [(2, *shape) for _, shape in model.inputs])


def moves_nothing(model: Model) -> bool:
    """Tell whether a network has a Reshape to the shape that is there, which leaves no trace in any framework."""
    return any(isinstance(node.op, Reshape) and node.shape == node.input_shapes[0] for node in infer(model).nodes)


@pytest.mark.parametrize("name", ZOO)
def test_a_network_of_the_zoo_is_read_as_it_was_written(name: str) -> None:
    model = un.zoo.get(name)
    assert first_difference(model, read(built(model), model).model) is None


@pytest.mark.slow
def test_the_largest_network_of_the_zoo_is_read_as_it_was_written() -> None:
    model = un.zoo.get("vgg11")
    assert first_difference(model, read(built(model), model).model) is None


@pytest.mark.parametrize("hinted", [True, False], ids=["with its classes' names", "without them"])
@pytest.mark.parametrize("name", STRUCTURES)
def test_a_structure_is_read_as_it_was_written(name: str, hinted: bool) -> None:
    model, hints = structure(name)
    net = built(model, hints if hinted else None)
    onnx.checker.check_model(net, full_check=True)
    assert first_difference(model, read(net, model).model) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_network_is_read_as_it_was_written(seed: int) -> None:
    model = random_model(seed)
    if moves_nothing(model):
        pytest.skip("a Reshape to the same shape is none")
    net = built(model)
    onnx.checker.check_model(net, full_check=True)
    assert first_difference(model, read(net, model).model) is None


@pytest.mark.parametrize("seed", SEEDS[::2])
def test_random_scopes_are_read_as_they_were_written(seed: int) -> None:
    model = scoped_model(seed)
    if moves_nothing(model):
        pytest.skip("a Reshape to the same shape is none")
    source = written(model, "onnx")
    assert complaints(source) == ""
    assert source == written(model, "onnx")
    net = executed(source)[emitter.entry(model.name)]()
    assert first_difference(model, read(net, model).model) is None


def filled(model: Model, held: Arrays, folder: Path, hints: Hints | None = None) -> Any:
    names = executed(written(model, "onnx", hints))
    un.save_weights(held, folder / "weights.safetensors")
    return names["load_weights"](names[emitter.entry(model.name)](), folder / "weights.safetensors")


def apart(model: Model, folder: Path, dtype: str, held: Arrays, hints: Hints | None = None) -> dict[str, float]:
    """Return how far each layer's value is from the program's in float64, relative to the value's largest number."""
    net = filled(model, held, folder, hints)
    imported = read(net, model)
    inputs = batch(model)
    program = un.lower(model, "numpy", numerics="float64", weights=held)
    wanted = program.outputs(next(iter(inputs.values())) if len(inputs) == 1 else inputs)
    assert imported.recording is not None
    ran = imported.recording.runner.run(list(inputs.values()), [], dtype)
    found = {name: value for name, value in ran.values.items() if name in wanted}
    assert len(found) >= len(infer(model).nodes) - 3
    return {name: float(np.abs(value - wanted[name]).max() / (np.abs(wanted[name]).max() + 1e-300)) for name, value in found.items()}


@pytest.mark.parametrize("name", [*STRUCTURES, "lenet", "inception-block"])
def test_every_value_is_the_models_in_double(name: str, tmp_path: Path) -> None:
    model, hints = structure(name)
    assert max(apart(model, tmp_path, "float64", weights(model), hints).values()) < 1e-10


@pytest.mark.parametrize("seed", SEEDS[::3])
def test_every_value_of_a_random_network_is_the_models_in_double(seed: int, tmp_path: Path) -> None:
    model = random_model(seed)
    assert max(apart(model, tmp_path, "float64", weights(model)).values()) < 1e-10


@pytest.mark.parametrize("name", [*STRUCTURES, "lenet", "inception-block"])
def test_onnx_runtime_is_as_near_as_float32_allows(name: str, tmp_path: Path) -> None:
    model, hints = structure(name)
    assert max(apart(model, tmp_path, "float32", weights(model), hints).values()) < 1e-4


def test_another_weight_would_be_seen(tmp_path: Path) -> None:
    model = un.zoo.get("lenet")
    held = weights(model)
    net = filled(model, held, tmp_path)
    imported = read(net, model)
    held["conv2.bias"] = held["conv2.bias"] * np.float32(1 + 1e-6)
    wanted = un.lower(model, "numpy", numerics="float64", weights=held).outputs(batch(model)["input"])["conv2"]
    assert imported.recording is not None
    found = imported.recording.runner.run(list(batch(model).values()), [], "float64").values["conv2"]
    assert 1e-10 < np.abs(found - wanted).max() / np.abs(wanted).max() < 1e-5


CHANGES = [
    ("a slope", LeakyReLU(0.1), LeakyReLU(0.11)),
    ("a padding", Conv2d(4, 3, padding=1), Conv2d(4, 3, padding=((1, 1), (2, 0)))),
    ("a small number", BatchNorm2d(eps=1e-3), BatchNorm2d(eps=1e-5)),
    ("what running statistics are", BatchNorm2d(), BatchNorm2d(running_var="unbiased")),
    ("a scale that is not there", BatchNorm2d(), BatchNorm2d(scale=False)),
    ("axes", LayerNorm((1,)), LayerNorm((1, 2))),
    ("a rate", Dropout(0.3), Dropout(0.4)),
]


@pytest.mark.parametrize(("first", "second"), [pytest.param(*change[1:], id=change[0]) for change in CHANGES])
def test_what_differs_is_read_as_different(first: Any, second: Any) -> None:
    one, other = (un.Sequential([("layer", op)], input=(4, 6, 6)) for op in (first, second))
    assert same(one, read(built(one), one).model)
    assert same(other, read(built(other), other).model)
    assert not same(one, read(built(other), other).model)


def test_a_graph_cannot_be_trained() -> None:
    from unicnn.sources import find_recipe

    recipe = find_recipe("gluon-lenet")
    with pytest.raises(UnsupportedError, match="no loss and no optimiser"):
        plugins.dialect("onnx").emitter().training(recipe)
    with pytest.raises(UnsupportedError, match="no loss and no optimiser"):
        emitter.write(infer(un.zoo.get("lenet")), style="graph", recipe=recipe, hints=Hints())


def test_one_value_cannot_be_two_outputs_without_keys() -> None:
    net = un.zoo.get("lenet")
    twice = Model.of(net.inputs, net.layers, [(None, "linear2"), (None, "linear2")], name="twice")
    with pytest.raises(UnsupportedError, match="Give each output a key"):
        written(twice, "onnx")
    keyed = Model.of(net.inputs, net.layers, [("scores", "linear2"), ("again", "linear2")], name="twice")
    assert same(keyed, read(built(keyed), keyed).model)


def test_the_emitter_imports_no_framework() -> None:
    import subprocess
    import sys

    code = "import sys, unicnn_onnx.emitter; print(sorted({'onnx', 'onnxruntime', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_dialect_is_not_a_backend() -> None:
    assert "onnx" not in {item.name for item in plugins.discover()}
    assert plugins.dialect("onnx").suffixes == (".onnx",)
    assert dataclasses.replace(plugins.dialect("onnx"), framework="no_such_module").installed is False

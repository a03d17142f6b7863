"""What is written as PyTorch source computes what the model says, and reads as a person would have written it."""

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
from unicnn.errors import UnknownNameError, UnsupportedError
from unicnn.model import Model
from unicnn.ops import Add, BatchNorm2d, Concat, Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU
from unicnn.ops.symbolic import Input
from unicnn.porting.outline import Hints
from unicnn.porting.outline.words import class_name

torch = pytest.importorskip("torch")
ROLES = {"scale": "weight", "shift": "bias", "mean": "running_mean", "var": "running_var"}


def build(source: str, model: Model, held: Arrays, tmp_path: Path) -> Any:
    """Return the network of a source, with weights, in float64."""
    names = executed(source)
    net = names[class_name(model.name)]().double()
    un.save_weights(held, tmp_path / "weights.safetensors")
    names["load_weights"](net, tmp_path / "weights.safetensors")
    return net


def run(net: Any, model: Model, inputs: Arrays) -> tuple[list[Any], list[Any]]:
    """Return the outputs, and the gradients of inputs and parameters in the order of the model."""
    net.eval()
    given = [torch.tensor(value, requires_grad=True) for value in inputs.values()]
    outputs = listed(net(*given))
    sum((y * torch.tensor(c)).sum() for y, c in zip(outputs, cotangents(model), strict=True)).backward()
    gradients = sorted((name, parameter.grad.numpy()) for name, parameter in net.named_parameters())
    return [y.detach().numpy() for y in outputs], [*(x.grad.numpy() for x in given), *(value for _, value in gradients)]


def expected(model: Model, held: Arrays, inputs: Arrays, renamed: dict[str, str] | None = None) -> tuple[list[Any], list[Any]]:
    """Return what the program of the model gives for the same, in the same order."""
    program = un.lower(model, "torch", numerics="float64", weights=held)
    given = list(inputs.values())
    outputs, gradients = program.vjp(given[0] if len(given) == 1 else given, arranged(model, cotangents(model)))
    named = []
    for name, value in gradients.items():
        layer, _, role = name.rpartition(".")
        if name not in inputs:
            named.append((f"{(renamed or {}).get(layer, layer)}.{ROLES.get(role, role)}", value))
    return listed(outputs), [*(gradients[name] for name in inputs), *(value for _, value in sorted(named, key=lambda pair: pair[0]))]


def renamings(model: Model, hints: Hints) -> dict[str, str]:
    from unicnn_torch.emitting.spelling import Spelling

    from unicnn.graph import infer
    from unicnn.porting.outline import outline

    return dict(outline(infer(model), Spelling(), hints).renamed)


def check(model: Model, hints: Hints, tmp_path: Path) -> None:
    source = written(model, "torch", hints)
    held, inputs = weights(model), batch(model)
    outputs, gradients = run(build(source, model, held, tmp_path), model, inputs)
    wanted_outputs, wanted_gradients = expected(model, held, inputs, renamings(model, hints))
    assert distance(outputs, wanted_outputs) < 1e-10
    assert distance(gradients, wanted_gradients) < 1e-10
    assert complaints(source) == ""


@pytest.mark.parametrize("name", [*STRUCTURES, *ZOO])
def test_a_network_computes_what_the_model_says(name: str, tmp_path: Path) -> None:
    check(*structure(name), tmp_path)


@pytest.mark.parametrize("seed", range(16))
def test_a_random_network_computes_what_the_model_says(seed: int, tmp_path: Path) -> None:
    check(random_model(seed), Hints(), tmp_path)


@pytest.mark.parametrize("seed", range(16))
def test_a_random_network_in_random_scopes_computes_what_the_model_says(seed: int, tmp_path: Path) -> None:
    check(scoped_model(seed), Hints(), tmp_path)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("F.relu(", "F.relu6(8 * "),
        ("padding=1", "padding=(1, 1), padding_mode='reflect'"),
        ("y + x", "y - x"),
        ("stride=2", "stride=(2, 1)"),
    ],
)
def test_a_line_that_is_wrong_is_noticed(right: str, wrong: str, tmp_path: Path) -> None:
    model, hints = structure("bottlenecks")
    source = written(model, "torch", hints)
    assert right in source
    held, inputs = weights(model), batch(model)
    outputs, _ = run(build(source.replace(right, wrong), model, held, tmp_path), model, inputs)
    assert distance(outputs, expected(model, held, inputs)[0]) > 1e-10


def test_a_weight_in_another_place_is_noticed(tmp_path: Path) -> None:
    model = un.zoo.lenet()
    held, inputs = weights(model), batch(model)
    turned = held | {"conv1.weight": held["conv1.weight"].swapaxes(2, 3)}
    outputs, gradients = run(build(written(model, "torch"), model, turned, tmp_path), model, inputs)
    wanted = expected(model, held, inputs)
    assert distance(outputs, wanted[0]) > 1e-10
    assert distance(gradients, wanted[1]) > 1e-10


@pytest.mark.parametrize("running_var", ["biased", "unbiased"])
@pytest.mark.parametrize(("scale", "shift"), [(True, True), (True, False), (False, True), (False, False)])
def test_twenty_steps_of_batch_norm_are_the_models(running_var: str, scale: bool, shift: bool, tmp_path: Path) -> None:
    ops = [
        Conv2d(3, 3, bias=False),
        BatchNorm2d(keep=0.75, scale=scale, shift=shift, running_var=running_var),
        ReLU(),
        Flatten(),
        Linear(4),
    ]
    model = un.Sequential(ops, input=(2, 6, 6), name="normed")
    source = written(model, "torch")
    assert ("class BatchNorm2d" in source) == (running_var == "biased" or scale != shift)
    held = weights(model)
    net = build(source, model, held, tmp_path).train()
    program = un.lower(model, "torch", numerics="float64", weights=held)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, labels = rng.normal(size=(5, 2, 6, 6)), rng.integers(0, 4, 5)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(torch.tensor(x)), torch.tensor(labels)).backward()
        optimizer.step()
        _, gradients = program.gradients(x, labels, mode="training")
        moved = program.weights()
        program.load({name: value - 0.5 * gradients.get(name, 0) for name, value in moved.items()})
    found = {name: value.numpy() for name, value in net.state_dict().items()}
    names = {name: f"{name.rpartition('.')[0]}.{ROLES.get(name.rpartition('.')[2], name.rpartition('.')[2])}" for name in held}
    ended = program.weights()
    for name in held:
        assert distance([found[names[name]]], [ended[name]]) < 1e-10
        assert name.endswith((".mean", ".var")) or distance([found[names[name]]], [held[name]]) > 1e-3
    wrong = ended["norm1.var"] * (1 + 1e-6)
    assert distance([found["norm1.running_var"]], [wrong]) > 1e-10


def test_a_chain_can_be_written_as_one_sequence(tmp_path: Path) -> None:
    ops = [Conv2d(4, 3, 2, padding="same"), ReLU(), MaxPool2d(2), Dropout(0.3), Flatten(), Linear(3)]
    model = un.Sequential(ops, input=(1, 8, 8), name="chain")
    source = written(model, "torch", style="sequential")
    assert "def forward" not in source
    assert "conv1_pad=nn.ZeroPad2d((0, 1, 0, 1))," in source
    held, inputs = weights(model), batch(model)
    outputs, gradients = run(build(source, model, held, tmp_path), model, inputs)
    wanted = expected(model, held, inputs)
    assert distance(outputs, wanted[0]) < 1e-10
    assert distance(gradients, wanted[1]) < 1e-10


def test_what_is_no_chain_is_refused_as_a_sequence() -> None:
    with pytest.raises(UnsupportedError, match=r"resnet18/stage1.block1.add cannot stand in a sequence.*style=\"class\""):
        un.emit(un.zoo.resnet18(), "torch", style="sequential")


def test_an_unknown_style_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"'clas'.*Did you mean 'class'"):
        un.emit(un.zoo.lenet(), "torch", style="clas")


def test_writing_twice_gives_the_same_text() -> None:
    assert un.emit(un.zoo.resnet18(), "torch") == un.emit(un.zoo.resnet18(), "torch")


@pytest.mark.parametrize("name", [*STRUCTURES, *ZOO])
def test_every_layer_keeps_its_place(name: str, tmp_path: Path) -> None:
    model, hints = structure(name)
    names = executed(written(model, "torch", hints))
    modules = dict(names[class_name(model.name)]().named_modules())
    renamed = renamings(model, hints)
    holders = [layer.name for layer in model.layers if isinstance(layer.op, (Conv2d, Linear, BatchNorm2d))]
    assert [name for name in holders if renamed.get(name, name) not in modules] == []


def test_shapes_stand_in_comments_where_all_instances_agree() -> None:
    source = written(un.zoo.resnet18(), "torch")
    block = source[source.index("class Block") : source.index("def stage")]
    assert re.findall(r"# [\dx]+$", block, re.MULTILINE) == []
    assert "x = self.stage2(x)  # 128x28x28" in source


@pytest.mark.parametrize("name", ["add", "concat", "batch-norm2d", "ordered_dict"])
def test_a_network_called_like_a_class_of_the_file_is_told_apart(name: str) -> None:
    x = Input(2, 4, 4)
    y = BatchNorm2d()(Add()(x, x, name="sum"), name="norm")
    names = executed(written(Model(x, Concat()(y, x, name="both"), name=name), "torch"))
    assert names[plugins.dialect("torch").emitter().entry(name)]()(torch.ones(1, 2, 4, 4)).shape == (1, 4, 4, 4)

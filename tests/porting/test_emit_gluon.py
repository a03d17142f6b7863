"""What is written as Gluon source computes what the model says, in float64 and also when it is hybridized."""

from __future__ import annotations

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
from unicnn.errors import UnsupportedError
from unicnn.graph import infer
from unicnn.model import Model
from unicnn.ops import GELU, BatchNorm2d, Conv2d, ConvTranspose2d, Flatten, Linear, MaxPool2d, ReLU
from unicnn.porting.outline import Hints, outline
from unicnn.porting.outline.words import class_name

pytest.importorskip("unicnn_mxnet.compat", exc_type=ImportError)
from unicnn_mxnet.compat import mx
from unicnn_mxnet.emitting.spelling import Spelling

ROLES = {"scale": "gamma", "shift": "beta", "mean": "running_mean", "var": "running_var"}
ERF = 1e-7
"""How exact MXNet's derivative of erf is, which has the root of pi as float32 in it, in float64 too."""


def build(source: str, model: Model, held: Arrays, tmp_path: Path) -> Any:
    """Return the network of a source, with weights, in float64."""
    names = executed(source)
    net = names[class_name(model.name)]()
    net.cast("float64")
    un.save_weights(held, tmp_path / "weights.safetensors")
    names["load_weights"](net, tmp_path / "weights.safetensors")
    return net


def run(net: Any, model: Model, inputs: Arrays) -> tuple[list[Any], dict[str, Any]]:
    """Return the outputs, and the gradients of inputs and parameters by their names in Gluon."""
    given = {name: mx.nd.array(value, dtype="float64") for name, value in inputs.items()}
    for x in given.values():
        x.attach_grad()
    with mx.autograd.record(train_mode=False):
        outputs = listed(net(*given.values()))
        heads = [(y * mx.nd.array(c, dtype="float64")).sum() for y, c in zip(outputs, cotangents(model), strict=True)]
    mx.autograd.backward(heads, train_mode=False)
    learned = {name: p for name, p in net._collect_params_with_prefix().items() if p.grad_req != "null"}
    gradients = {name: x.grad.asnumpy() for name, x in given.items()} | {name: p.grad().asnumpy() for name, p in learned.items()}
    return [y.asnumpy() for y in outputs], gradients


def expected(model: Model, held: Arrays, inputs: Arrays, renamed: dict[str, str] | None = None) -> tuple[list[Any], dict[str, Any]]:
    """Return what NumPy gives for the same."""
    program = un.lower(model, "numpy", numerics="float64", weights=held)
    given = list(inputs.values())
    outputs, gradients = program.vjp(given[0] if len(given) == 1 else given, arranged(model, cotangents(model)))
    return listed(outputs), {
        _gluon(name, renamed or {}): value for name, value in gradients.items() if not name.endswith((".mean", ".var"))
    }


def _gluon(name: str, renamed: dict[str, str]) -> str:
    layer, dot, role = name.rpartition(".")
    return f"{renamed.get(layer, layer)}.{ROLES.get(role, role)}" if dot else name


def check(model: Model, hints: Hints, tmp_path: Path) -> None:
    try:
        source = written(model, "gluon", hints)
    except UnsupportedError as error:
        pytest.skip(str(error))
    held, inputs = weights(model), batch(model)
    net = build(source, model, held, tmp_path)
    outputs, gradients = run(net, model, inputs)
    renamed = dict(outline(infer(model), Spelling(), hints).renamed)
    wanted, wanted_gradients = expected(model, held, inputs, renamed)
    assert distance(outputs, wanted) < 1e-10
    assert set(gradients) == set(wanted_gradients)
    inexact = any(layer.op == GELU() for layer in model.layers)
    assert distance([gradients[name] for name in wanted_gradients], list(wanted_gradients.values())) < (ERF if inexact else 1e-10)
    assert complaints(source) == ""
    if all(key is None for key, _ in model.outputs):
        net.hybridize()
        assert distance([y.asnumpy() for y in listed(net(*(mx.nd.array(x, dtype="float64") for x in inputs.values())))], wanted) < 1e-10


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
    [("F.relu(", "F.relu(-0.5 * "), ("padding=1", "padding=1, dilation=1, groups=1, activation='relu'"), ("y + x", "y - x")],
)
def test_a_line_that_is_wrong_is_noticed(right: str, wrong: str, tmp_path: Path) -> None:
    model, hints = structure("bottlenecks")
    source = written(model, "gluon", hints)
    assert right in source
    held, inputs = weights(model), batch(model)
    outputs, _ = run(build(source.replace(right, wrong), model, held, tmp_path), model, inputs)
    assert distance(outputs, expected(model, held, inputs)[0]) > 1e-10


@pytest.mark.parametrize(("size", "ceil"), [(5, True), (4, False)])
def test_ceil_mode_is_written_only_where_mxnet_keeps_the_same_windows(size: int, ceil: bool, tmp_path: Path) -> None:
    # From 4 pixels, MXNet would keep a third window, which begins in the padding.
    pool = MaxPool2d(2, 3, 1, ceil_mode=True) if size == 4 else MaxPool2d(2, ceil_mode=True)
    model = un.Sequential([pool, Flatten(), Linear(2)], input=(1, size, size), name="ceiled")
    assert ("ceil_mode=True" in written(model, "gluon")) == ceil
    check(model, Hints(), tmp_path)


@pytest.mark.parametrize(("scale", "shift"), [(True, True), (True, False), (False, True), (False, False)])
def test_twenty_steps_of_batch_norm_are_the_models(scale: bool, shift: bool, tmp_path: Path) -> None:
    ops = [Conv2d(3, 3, bias=False), BatchNorm2d(keep=0.75, scale=scale, shift=shift), ReLU(), Flatten(), Linear(4)]
    model = un.Sequential(ops, input=(2, 6, 6), name="normed")
    held = weights(model)
    net = build(written(model, "gluon"), model, held, tmp_path)
    program = un.lower(model, "numpy", numerics="float64", weights=held)
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})
    loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, labels = rng.normal(size=(4, 2, 6, 6)), rng.integers(0, 4, 4)
        with mx.autograd.record():
            value = loss(net(mx.nd.array(x, dtype="float64")), mx.nd.array(labels, dtype="float64"))
        value.backward()
        trainer.step(4)  # a power of two: MXNet holds what it divides by as float32
        _, gradients = program.gradients(x, labels, mode="training")
        program.load({name: value - 0.5 * gradients.get(name, 0) for name, value in program.weights().items()})
    found = {name: parameter.data().asnumpy() for name, parameter in net._collect_params_with_prefix().items()}
    for name, wanted in program.weights().items():
        assert distance([found[_gluon(name, {})]], [wanted]) < 1e-10
        assert distance([found[_gluon(name, {})]], [held[name]]) > 1e-3


def test_a_running_variance_that_mxnet_cannot_keep_is_told() -> None:
    hints = structure("bottlenecks")
    assert "the unbiased one, larger by n / (n - 1)" in " ".join(written(hints[0], "gluon").split())
    assert "unbiased" not in written(un.zoo.resnet18(), "gluon")


def test_a_chain_can_be_written_as_one_sequence(tmp_path: Path) -> None:
    model = un.Sequential([Conv2d(4, 3, 2, padding="same"), ReLU(), MaxPool2d(2), Flatten(), Linear(3)], input=(1, 8, 8), name="chain")
    source = written(model, "gluon", style="sequential")
    assert "def hybrid_forward" not in source
    held, inputs = weights(model), batch(model)
    outputs, _ = run(build(source, model, held, tmp_path), model, inputs)
    assert distance(outputs, expected(model, held, inputs)[0]) < 1e-10


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (ConvTranspose2d(2, 3, 2, dilation=2), "both stride and dilation wrongly"),
        (ConvTranspose2d(2, 3, 1, 0, 1, dilation=2), "adds fewer rows after its output than its stride"),
    ],
    ids=["stride and dilation", "more rows than its stride"],
)
def test_what_gluon_cannot_say_is_refused(layer: ConvTranspose2d, why: str) -> None:
    model = un.Sequential([("up", layer), ("flatten", Flatten())], input=(1, 4, 4), name="refused")
    with pytest.raises(UnsupportedError, match=rf"^up \(ConvTranspose2d.*cannot be written in Gluon.*{why}.*Choose another dialect"):
        un.emit(model, "gluon")

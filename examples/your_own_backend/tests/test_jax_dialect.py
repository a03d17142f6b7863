"""Networks written as Flax NNX and read from it: what is written computes what the model says, and is read as it was."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import unicnn as un
from tests.porting.emitted import Arrays, batch, cotangents, executed, listed, random_model, weights, written
from tests.porting.proving import distances, worst
from tests.porting.structures import STRUCTURES, structure
from unicnn.errors import PortError
from unicnn.model import Model
from unicnn.ops.symbolic import Input
from unicnn.porting.imported import Imported
from unicnn.porting.normal import first_difference, same
from unicnn.porting.outline import Hints
from unicnn.porting.outline.layouts import native
from unicnn.porting.outline.words import class_name

CLOSE = 1e-10


def corners() -> Model:
    """Return what Flax has no layer for, and what it says in another way."""
    x = Input(4, 9, 10)
    y = un.ConvTranspose2d(6, 3, 2, 1, (1, 0), groups=2)(x, name="grouped")
    y = un.ConvTranspose2d(4, (2, 3), (1, 2), ((0, 1), (1, 0)), dilation=2)(y, name="spread")
    y = un.BatchNorm2d(running_var="unbiased", keep=0.75)(y, name="norm")
    y = un.AvgPool2d(3, 2, 1, ceil_mode=True)(y, name="ceiled")
    y = un.LayerNorm((1, 2, 3))(un.AdaptiveAvgPool2d((3, 2))(y, name="adaptive"), name="layernorm")
    y = un.Identity()(un.Dropout(0.25)(y, name="drop"), name="same")
    return Model(x, un.Flatten()(un.Concat(1)(y, y, name="twice"), name="vector"), name="corners")


ZOO = ("lenet", "tf-cnn", "inception-block", *(pytest.param(name, marks=pytest.mark.slow) for name in ("nin", "resnet18", "vgg11")))
UNLIKE = {"two inputs and hard names", "moves under own names"}
"""These have names that no attribute can have, or move axes, and what moves them is found where it matters."""
CASES = (*ZOO, "corners", *STRUCTURES, *(f"random {seed}" for seed in range(30)))


def model_of(name: str) -> tuple[Model, Hints]:
    if name == "corners":
        return corners(), Hints()
    return (random_model(int(name.split()[1])), Hints()) if name.startswith("random") else structure(name)


def shapes(model: Model, samples: int = 2) -> list[tuple[int, ...]]:
    return [(samples, *native(shape)) for _, shape in model.inputs]


def build(source: str, model: Model, held: Arrays, folder: Path) -> Any:
    """Return the network of a source, with weights."""
    names = executed(source)
    net = names[class_name(model.name)]()
    un.save_weights(held, folder / "weights.safetensors")
    names["load_weights"](net, folder / "weights.safetensors")
    return net


def first(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


def last(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def run(net: Any, model: Model, inputs: Arrays) -> list[np.ndarray[Any, Any]]:
    """Return the outputs and the gradients of the inputs in float64, channels first, without anything of the importer."""
    with jax.enable_x64(True):
        graph, state = nnx.split(net)
        wide = jax.tree.map(lambda array: array.astype(jnp.float64) if array.dtype == jnp.float32 else array, state)

        def passed(*given: Any) -> list[Any]:
            copy = nnx.merge(graph, wide)
            copy.eval()
            return listed(copy(*given))

        outputs, pull_back = jax.vjp(passed, *(jnp.asarray(last(value)) for value in inputs.values()))
        slopes = pull_back([jnp.asarray(last(c)) for c in cotangents(model, samples=len(next(iter(inputs.values()))))])
    return [first(np.asarray(array)) for array in (*outputs, *slopes)]


def apart(found: list[np.ndarray[Any, Any]], model: Model, held: Arrays, inputs: Arrays) -> float:
    """Return the largest difference to the program of the model, relative to the largest value of each array."""
    program = un.lower(model, "numpy", numerics="float64", weights=held)
    given: Any = next(iter(inputs.values())) if len(inputs) == 1 else inputs
    seeds = cotangents(model, samples=len(next(iter(inputs.values()))))
    results, gradients = program.vjp(given, seeds[0] if model.outputs[0][0] is None and len(seeds) == 1 else seeds)
    wanted = [*listed(results), *(gradients[name] for name in inputs)]
    return max(float(np.abs(one - two).max() / np.abs(two).max()) for one, two in zip(found, wanted, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_what_is_written_computes_what_the_model_says_and_is_read_as_it_was(name: str, tmp_path: Path) -> None:
    model, hints = model_of(name)
    held, inputs = weights(model), batch(model, samples=1 if name == "vgg11" else 2)
    net = build(written(model, "jax", hints), model, held, tmp_path)
    assert apart(run(net, model, inputs), model, held, inputs) < CLOSE
    imported = un.from_framework(net, shapes(model), name=model.name)
    if name in UNLIKE:
        return
    assert same(model, imported.model), first_difference(model, imported.model)
    assert {name: array.shape for name, array in imported.weights.items()} == {name: array.shape for name, array in held.items()}
    assert all(np.array_equal(array, held[name]) for name, array in imported.weights.items())


@pytest.mark.parametrize("name", ["lenet", "corners", "bottlenecks", "convnext", "random 3"])
def test_every_value_and_every_gradient_is_seen(name: str, tmp_path: Path) -> None:
    model, hints = model_of(name)
    net = build(written(model, "jax", hints), model, weights(model), tmp_path)
    imported = un.from_framework(net, shapes(model), name=model.name)
    found = distances(imported)
    assert {f"value {layer.name}" for layer in model.layers} <= found.keys()
    assert worst(found)[1] < CLOSE, worst(found)
    for weight in (key for key in imported.weights if not key.endswith((".mean", ".var"))):
        assert f"gradient {weight}" in found
    assert worst(distances(imported, perturb=next(iter(imported.weights))))[1] > CLOSE


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("nnx.relu(", "nnx.relu6(8 * "),
        ("padding=1", "padding=((2, 0), (1, 1))"),
        ("y + x", "y - x"),
        ("strides=2,", "strides=(2, 1),"),
        ("transpose(2, 3, 1, 0)", "transpose(3, 2, 1, 0)"),
    ],
)
def test_a_line_that_is_wrong_is_noticed(right: str, wrong: str, tmp_path: Path) -> None:
    model, hints = structure("bottlenecks")
    source, held, inputs = written(model, "jax", hints), weights(model), batch(model)
    assert right in source
    assert apart(run(build(source.replace(right, wrong), model, held, tmp_path), model, inputs), model, held, inputs) > CLOSE


def test_a_flattened_image_is_read_in_its_own_order(tmp_path: Path) -> None:
    model = un.zoo.lenet()
    source, held, inputs = written(model, "jax"), weights(model), batch(model)
    wrong = source.replace('images = {"linear1": (50, 5, 5)}', "images = {}")
    assert wrong != source
    assert apart(run(build(wrong, model, held, tmp_path), model, inputs), model, held, inputs) > 1e-3


def normed(running_var: str) -> Model:
    ops = [un.Conv2d(3, 3, bias=False), un.BatchNorm2d(keep=0.75, running_var=running_var), un.ReLU(), un.Flatten(), un.Linear(4)]
    return un.Sequential(ops, input=(2, 6, 6), name="normed")


RECIPE = un.Recipe(optimizer=un.SGD(0.05, momentum=0.5), batch_size=4, epochs=1)


@pytest.mark.parametrize("name", ["lenet", "biased", "unbiased"])
def test_a_port_is_proven_with_twenty_steps_of_training(name: str, tmp_path: Path) -> None:
    model = un.zoo.lenet() if name == "lenet" else normed(name)
    file = tmp_path / "net.py"
    file.write_text(un.emit(model, "jax", recipe=RECIPE), encoding="utf-8")
    certificate = un.verify(model, file, to="jax", recipe=RECIPE)
    assert certificate.proven, certificate.verdict
    assert certificate.training.steps == 20
    assert certificate.training.moved > 1e-3


def test_a_port_with_another_training_is_not_proven(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(un.emit(normed("unbiased"), "jax", recipe=RECIPE).replace("momentum=0.75", "momentum=0.5"), encoding="utf-8")
    certificate = un.verify(normed("unbiased"), file, to="jax", recipe=RECIPE)
    assert not certificate.proven
    assert "keep is 0.75 in the original and 0.5 in the port" in certificate.verdict


class Residual(nnx.Module):
    def __init__(self, features: int, *, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(features, features, (3, 3), use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(features, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return jax.nn.relu(x + self.norm(self.conv(x)))


class CNN(nnx.Module):
    """Be a network as people write one."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.stem = nnx.Sequential(nnx.Conv(3, 8, (3, 3), strides=2, rngs=rngs), nnx.relu, nnx.LayerNorm(8, rngs=rngs))
        self.blocks = nnx.List([Residual(8, rngs=rngs) for _ in range(2)])
        self.avg_pool = partial(nnx.avg_pool, window_shape=(2, 2), strides=(2, 2))
        self.dropout = nnx.Dropout(rate=0.25)
        self.linear1 = nnx.Linear(32, 12, rngs=rngs)
        self.linear2 = nnx.Linear(12, 5, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = self.stem(x / 255)
        for block in self.blocks:
            x = block(x)
        x = self.avg_pool(x)
        x = x.reshape(x.shape[0], -1)
        x = nnx.gelu(self.dropout(self.linear1(x)))
        return nnx.log_softmax(self.linear2(x))


@cache
def cnn() -> tuple[CNN, Imported]:
    net = CNN(rngs=nnx.Rngs(0))
    random = np.random.default_rng(0)
    for _, layer in nnx.iter_modules(net):
        if isinstance(layer, nnx.BatchNorm):
            layer.mean[...] = jnp.asarray(random.normal(size=8), jnp.float32)
            layer.var[...] = jnp.asarray(random.uniform(0.5, 2, 8), jnp.float32)
    return net, un.from_framework(net, (1, 8, 8, 3))


def test_a_network_as_people_write_one_is_read_under_its_names() -> None:
    _, imported = cnn()
    assert [layer.name for layer in imported.model.layers] == [
        "conv1", "stem.0", "stem.1", "stem.2", "blocks.0.conv", "blocks.0.norm", "blocks.0.add", "blocks.0.relu", "blocks.1.conv",
        "blocks.1.norm", "blocks.1.add", "blocks.1.relu", "avg_pool", "flatten1", "linear1", "dropout", "gelu1", "linear2", "log_softmax1",
    ]  # fmt: skip
    ops = {layer.name: layer.op for layer in imported.model.layers}
    assert ops["gelu1"] == un.GELU("tanh")
    assert ops["dropout"] == un.Dropout(0.25)
    assert ops["blocks.0.norm"] == un.BatchNorm2d(keep=0.99)
    assert ops["stem.0"] == un.Conv2d(8, 3, 2, "same")


def test_a_network_as_people_write_one_computes_the_same() -> None:
    _, imported = cnn()
    found = distances(imported)
    assert worst({key: value for key, value in found.items() if "conv1" not in key})[1] < CLOSE
    assert worst(distances(imported, perturb="linear2.bias"))[1] > CLOSE


def test_reading_and_running_leave_a_network_as_it_was() -> None:
    net, imported = cnn()
    before = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(net, (nnx.Param, nnx.BatchStat))))
    modes = [getattr(module, "use_running_average", None) for _, module in nnx.iter_modules(net)]
    assert imported.recording is not None
    distances(un.from_framework(net, (1, 8, 8, 3)))
    assert modes == [getattr(module, "use_running_average", None) for _, module in nnx.iter_modules(net)]
    after = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(net, (nnx.Param, nnx.BatchStat))))
    assert jax.tree.all(jax.tree.map(np.array_equal, before, after))


class Holder(nnx.Module):
    """Run a function with a layer."""

    def __init__(self, layer: Any, function: Any) -> None:
        self.layer, self.function = layer, nnx.static(function)

    def __call__(self, x: Any) -> Any:
        return self.function(self.layer, x)


def called(layer: Any, x: Any) -> Any:
    return layer(x)


RNGS = nnx.Rngs(0)
REFUSED = {
    "a kernel that slides as it is": (lambda: nnx.ConvTranspose(3, 4, (3, 3), rngs=RNGS), called, "transpose_kernel=True"),
    "padding by what is opposite": (lambda: nnx.Conv(3, 4, (3, 3), padding="CIRCULAR", rngs=RNGS), called, 'padding="CIRCULAR"'),
    "a masked kernel": (lambda: nnx.Conv(3, 4, (3, 3), mask=jnp.ones((3, 3, 3, 4)), rngs=RNGS), called, "masks its kernel"),
    "groups of channels": (lambda: nnx.GroupNorm(3, num_groups=3, rngs=RNGS), called, "nnx.GroupNorm"),
    "the batch's statistics always": (
        lambda: nnx.BatchNorm(3, rngs=RNGS),
        lambda layer, x: layer(x, use_running_average=False),
        "leave use_running_average out",
    ),
    "dropping always": (lambda: nnx.Dropout(0.5, rngs=RNGS), lambda layer, x: layer(x, deterministic=False), "leave deterministic out"),
    "rows that are dropped": (lambda: nnx.Dropout(0.5, broadcast_dims=(1,), rngs=RNGS), called, "broadcast_dims"),
    "half precision": (lambda: nnx.Conv(3, 4, (3, 3), dtype=jnp.bfloat16, rngs=RNGS), called, "computes in bfloat16"),
    "a function without a word": (lambda: nnx.Conv(3, 4, (3, 3), rngs=RNGS), lambda layer, x: jnp.sin(layer(x)), "sin"),
    "a number": (lambda: nnx.Conv(3, 4, (3, 3), rngs=RNGS), lambda layer, x: jnp.ones((2, 3)), "whatever its input"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_word_is_refused_with_the_reason(name: str) -> None:
    make, function, reason = REFUSED[name]
    with pytest.raises(PortError, match=reason):
        un.from_framework(Holder(make(), function), (2, 6, 6, 3))


def test_a_refusal_names_the_line() -> None:
    net = Holder(nnx.Conv(3, 4, (3, 3), rngs=RNGS), lambda layer, x: jnp.cos(layer(x)))
    with pytest.raises(PortError, match=r"test_jax_dialect\.py:\d+ \(.*jnp\.cos\(layer\(x\)\)"):
        un.from_framework(net, (2, 6, 6, 3))

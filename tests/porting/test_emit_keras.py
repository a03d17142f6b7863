"""What is written as Keras source computes what the model says, and reads as a person would have written it."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
from unicnn.model import Layer, Model
from unicnn.ops import (
    GELU,
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    LeakyReLU,
    Linear,
    MaxPool2d,
    ReLU,
)
from unicnn.porting.normal import first_difference
from unicnn.porting.outline import Hints
from unicnn.porting.outline.words import class_name
from unicnn.porting.reading import from_framework
from unicnn.training.optimizers import SGD

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
from unicnn_tensorflow.importing.copying import precision  # noqa: E402

SMALL = {"resnet18": (1, 32, 32), "nin": (1, 80, 80)}
"""The zoo's large networks on images that run in a moment."""


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with precision("float64"):
        yield


def quick_seeds(quick: int, count: int) -> list[Any]:
    """Return `count` seeds, all but the first `quick` of them only for the slow tests."""
    return [seed if seed < quick else pytest.param(seed, marks=pytest.mark.slow) for seed in range(count)]


def model_of(name: str) -> tuple[Model, Hints]:
    """Return a structure, or a network of the zoo, on small images."""
    model, hints = structure(name)
    inputs = [("input", SMALL[name])] if name in SMALL else model.inputs
    return Model.of(inputs, model.layers, model.outputs, name=model.name), hints


def exact(model: Model) -> Model:
    """Return the model with slopes that float32 can hold: TensorFlow keeps that of a leaky ReLU so, also where it computes in float64."""
    layers = [Layer(layer.name, LeakyReLU(0.125) if isinstance(layer.op, LeakyReLU) else layer.op, layer.inputs) for layer in model.layers]
    return Model.of(model.inputs, layers, model.outputs, name=model.name)


def bound(model: Model) -> float:
    """Return how far a result may be off: TensorFlow rounds the coefficients of GELU to float32."""
    return 1e-7 if any(isinstance(layer.op, GELU) for layer in model.layers) else 1e-10


def native(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[1:], shape[0]) if len(shape) == 3 else shape


def last(array: Any) -> Any:
    """Return an array with its channels last, if it holds images."""
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def first(array: Any) -> Any:
    """Return an array of Keras with its channels first."""
    array = np.asarray(array)
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


def build(source: str, model: Model, held: Arrays, tmp_path: Path) -> Any:
    """Return the network of a source, with weights."""
    names = executed(source)
    net = names[class_name(model.name)]()
    un.save_weights(held, tmp_path / "weights.safetensors")
    names["load_weights"](net, tmp_path / "weights.safetensors")
    return net


def run(net: Any, model: Model, inputs: Arrays) -> tuple[list[Any], list[Any], list[Any]]:
    """Return the outputs, the gradients of the inputs, and those of the weights in Keras' order."""
    given = [tf.constant(last(value)) for value in inputs.values()]
    with tf.GradientTape() as tape:
        tape.watch(given)
        outputs = listed(net(given[0] if len(given) == 1 else given))
        total = sum(tf.reduce_sum(y * last(c)) for y, c in zip(outputs, cotangents(model), strict=True))
    found = tape.gradient(total, [given, [variable.value for variable in net.trainable_weights]], unconnected_gradients="zero")
    return [first(y) for y in outputs], [first(x) for x in found[0]], [np.asarray(w) for w in found[1]]


def expected(model: Model, held: Arrays, inputs: Arrays) -> tuple[list[Any], list[Any], Arrays]:
    """Return what the program of the model gives for the same; gradients of weights by name."""
    program = un.lower(model, "numpy", numerics="float64", weights=held)
    given = list(inputs.values())
    outputs, gradients = program.vjp(given[0] if len(given) == 1 else given, arranged(model, cotangents(model)))
    return listed(outputs), [gradients[name] for name in inputs], {name: gradients.get(name, held[name]) for name in held}


def apart(found: list[Any], wanted: list[Any]) -> float:
    """Return the largest difference relative to the largest value wanted; what is to be zero must be."""
    if all(not np.any(value) for value in wanted):
        return max(float(np.abs(value).max(initial=0)) for value in found)
    return distance(found, wanted)


def check(source: str, model: Model, tmp_path: Path) -> None:
    """Assert that source computes what the model says, with all gradients.

    Gradients of weights are compared as weights: in a second network, into which the program's are loaded.
    """
    held, inputs = weights(model), batch(model)
    outputs, inner, mine = run(build(source, model, held, tmp_path), model, inputs)
    wanted_outputs, wanted_inner, by_name = expected(model, held, inputs)
    assert distance(outputs, wanted_outputs) < bound(model)
    assert apart(inner, wanted_inner) < bound(model)
    # Files hold float32, and so do the weights; their gradients are compared by less.
    single = {name: np.asarray(value, np.float32) for name, value in by_name.items()}
    theirs = [np.asarray(w) for w in build(source, model, single, tmp_path).trainable_weights]
    if mine:
        assert apart(mine, theirs) < max(bound(model), 1e-6)


@pytest.mark.parametrize("name", [*STRUCTURES, *ZOO])
def test_a_network_computes_what_the_model_says(name: str, tmp_path: Path) -> None:
    model, hints = model_of(name)
    source = written(model, "keras", hints)
    check(source, model, tmp_path)
    assert complaints(source) == ""


@pytest.mark.parametrize("seed", quick_seeds(14, 60))
def test_a_random_network_computes_what_the_model_says(seed: int, tmp_path: Path) -> None:
    model = exact(random_model(seed))
    check(written(model, "keras"), model, tmp_path)


@pytest.mark.parametrize("seed", quick_seeds(7, 20))
def test_a_random_network_in_random_scopes_computes_what_the_model_says(seed: int, tmp_path: Path) -> None:
    model = exact(scoped_model(seed))
    source = written(model, "keras")
    check(source, model, tmp_path)
    assert complaints(source) == ""


@pytest.mark.parametrize("name", [*STRUCTURES, *ZOO])
def test_what_is_written_is_read_again_as_the_same_network(name: str) -> None:
    model, hints = model_of(name)
    keras.utils.clear_session()
    net = executed(written(model, "keras", hints))[class_name(model.name)]()
    found = from_framework(net, [(2, *native(shape)) for _, shape in model.inputs])
    assert first_difference(model, found.model) is None
    assert first_difference(Model.of(model.inputs, model.layers[:-1], name=model.name), found.model) is not None


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('layers.ReLU(name=f"{name}.relu1")', 'layers.ReLU(max_value=0.1, name=f"{name}.relu1")'),
        ("layers.ZeroPadding2D(1, ", "layers.ZeroPadding2D(((0, 2), (0, 2)), "),
        ("epsilon=1e-5", "epsilon=1e-3"),
        ("layers.Add(", "layers.Maximum("),
    ],
)
def test_a_line_that_is_wrong_is_noticed(right: str, wrong: str, tmp_path: Path) -> None:
    model, hints = structure("bottlenecks")
    source = written(model, "keras", hints)
    assert right in source
    held, inputs = weights(model), batch(model)
    outputs, _, _ = run(build(source.replace(right, wrong), model, held, tmp_path), model, inputs)
    assert distance(outputs, expected(model, held, inputs)[0]) > 1e-10


def test_rows_that_are_not_reordered_are_noticed(tmp_path: Path) -> None:
    model = un.zoo.lenet()
    source = written(model, "keras")
    assert "weight.transpose(0, 2, 3, 1)" in source
    held, inputs = weights(model), batch(model)
    outputs, _, _ = run(build(source.replace("weight.transpose(0, 2, 3, 1)", "weight"), model, held, tmp_path), model, inputs)
    assert distance(outputs, expected(model, held, inputs)[0]) > 1e-3


@pytest.mark.parametrize("running_var", ["biased", "unbiased"])
def test_twenty_steps_of_batch_norm_are_the_models(running_var: str, tmp_path: Path) -> None:
    ops = [Conv2d(3, 3), BatchNorm2d(keep=0.75, running_var=running_var), ReLU(), Flatten(), Linear(4)]
    model = un.Sequential(ops, input=(2, 6, 6), name="normed")
    source = written(model, "keras")
    assert ("class UnbiasedBatchNormalization" in source) == (running_var == "unbiased")
    held = weights(model)
    net = build(source, model, held, tmp_path)
    program = un.lower(model, "numpy", numerics="float64", weights=held)
    optimizer, loss = keras.optimizers.SGD(0.5), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, labels = rng.normal(size=(5, 2, 6, 6)), rng.integers(0, 4, 5)
        with tf.GradientTape() as tape:
            value = loss(labels, net(tf.constant(last(x)), training=True))
        optimizer.apply(tape.gradient(value, [weight.value for weight in net.trainable_weights]), net.trainable_weights)
        _, gradients = program.gradients(x, labels, mode="training")
        moved = program.weights()
        program.load({name: array - 0.5 * gradients.get(name, 0) for name, array in moved.items()})
    norm = next(layer for layer in net.layers if isinstance(layer, keras.layers.BatchNormalization))
    ended = program.weights()
    for name, variable in (("scale", norm.gamma), ("shift", norm.beta), ("mean", norm.moving_mean), ("var", norm.moving_variance)):
        assert distance([np.asarray(variable)], [ended[f"norm1.{name}"]]) < 1e-10
    assert distance([np.asarray(norm.moving_variance)], [ended["norm1.var"] * (1 + 1e-9)]) > 1e-10


@pytest.mark.parametrize("name", ["moves under own names", "bottlenecks"])
def test_classes_of_a_files_own_are_saved_and_loaded(name: str, tmp_path: Path) -> None:
    model, hints = structure(name)
    net = build(written(model, "keras", hints), model, weights(model), tmp_path)
    net.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras")
    x = [last(value) for value in batch(model).values()]
    assert np.array_equal(np.asarray(net(x[0])), np.asarray(again(x[0])))


@pytest.mark.parametrize(
    ("op", "shape", "line"),
    [
        (Conv2d(8, 7, 2, 3), (3, 224, 224), '# Pads 3 on every side; "same" would pad 2 before and 3 after.'),
        (Conv2d(8, 3, 2, ((0, 1), (0, 1))), (3, 8, 8), 'padding="same"'),
        (Conv2d(8, 3, padding=1, groups=2), (4, 8, 8), "groups=2"),
        (Conv2d(4, 3, padding=1, groups=4), (4, 8, 8), "layers.DepthwiseConv2D(3"),
        (Conv2d(4, 3, 2, dilation=2), (4, 9, 9), "Keras has no strides beside a dilation"),
        (ConvTranspose2d(4, 3, 2, ((0, 1), (0, 1))), (4, 9, 9), 'layers.Conv2DTranspose(4, 3, strides=2, padding="same"'),
        (ConvTranspose2d(4, 3, 2, 1, 1), (4, 9, 9), "layers.Cropping2D"),
        (ConvTranspose2d(4, 3, 2, groups=2), (4, 9, 9), "class GeneralConv2DTranspose"),
        (MaxPool2d(3, 2, 1), (4, 8, 8), "class LowestPadding2D"),
        (MaxPool2d(3, 1, 1), (4, 8, 8), 'padding="same"'),
        (AvgPool2d(3, 1, 1, count_include_pad=False), (4, 8, 8), 'padding="same"'),
        (AvgPool2d(3, 1, 1), (4, 8, 8), "The zeros count here"),
        (AdaptiveAvgPool2d(3), (4, 8, 8), "layers.AdaptiveAveragePooling2D(3"),
        (AdaptiveAvgPool2d((1, 3)), (4, 8, 8), "class AdaptivePooling2D"),
        (Dropout(0.25), (4, 8, 8), "layers.Dropout(0.25"),
    ],
    ids=lambda value: str(value) if not isinstance(value, tuple) else "x".join(map(str, value)),
)
def test_a_layer_is_spelt_as_its_sides_ask(op: Any, shape: tuple[int, ...], line: str) -> None:
    assert line in written(un.Sequential([op, Flatten(), Linear(2)], input=shape, name="one"), "keras")


def test_a_chain_can_be_written_as_one_sequence(tmp_path: Path) -> None:
    source = written(un.zoo.lenet(), "keras", style="sequential")
    assert 'layers.Conv2D(20, 5, activation="relu"),  # 24x24x20' in source
    check(source, un.zoo.lenet(), tmp_path)


def test_what_is_no_chain_is_refused_as_a_sequence() -> None:
    with pytest.raises(UnsupportedError, match=r"resnet18 is no chain of layers.*functional"):
        un.emit(un.zoo.resnet18(), "keras", style="sequential")


def test_writing_twice_gives_the_same_text() -> None:
    assert un.emit(un.zoo.resnet18(), "keras") == un.emit(un.zoo.resnet18(), "keras")


def test_shapes_stand_in_comments_where_all_instances_agree() -> None:
    source = written(un.zoo.resnet18(), "keras")
    block = source[source.index("def residual_block") : source.index("def stage")]
    assert re.findall(r"# [\dx]+$", block, re.MULTILINE) == []
    assert 'name="stage2")  # 28x28x128' in source


def test_a_recipe_is_written_behind_the_network(tmp_path: Path) -> None:
    model = un.zoo.lenet()
    recipe = un.Recipe(optimizer=SGD(0.0625), batch_size=4, epochs=2)
    source = un.emit(model, "keras", recipe=recipe)
    assert complaints(source) == ""
    assert source.index("import tensorflow as tf") < source.index("def LeNet")
    names = executed(source)
    net = build(source, model, weights(model), tmp_path)
    rng = np.random.default_rng(0)
    data = [(rng.normal(size=(4, 28, 28, 1)), rng.integers(0, 10, 4)) for _ in range(3)]
    losses = names["train"](net, lambda epoch: data, epochs=2)
    assert len(losses) == 6
    assert losses[5] < losses[0]

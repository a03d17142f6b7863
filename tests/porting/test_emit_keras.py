"""What is written as Keras source computes what the model says, and reads as a person would have written it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
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
from unicnn.porting.outline import Hints
from unicnn.porting.outline.words import class_name

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

SMALL = {"resnet18": (1, 64, 64), "nin": (1, 96, 96)}
"""The zoo's large networks on images that run in a moment."""


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)


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


@pytest.mark.parametrize("seed", range(60))
def test_a_random_network_computes_what_the_model_says(seed: int, tmp_path: Path) -> None:
    model = exact(random_model(seed))
    check(written(model, "keras"), model, tmp_path)


@pytest.mark.parametrize("seed", range(20))
def test_a_random_network_in_random_scopes_computes_what_the_model_says(seed: int, tmp_path: Path) -> None:
    model = exact(scoped_model(seed))
    source = written(model, "keras")
    check(source, model, tmp_path)
    assert complaints(source) == ""

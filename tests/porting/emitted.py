"""Run source that was written, and compare it with the program of the same model."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from typing import Any

import numpy as np
from ruff.__main__ import find_ruff_bin

import unicnn as un
from unicnn import plugins
from unicnn.conformance.graphs import network
from unicnn.graph import infer
from unicnn.model import Layer, Model
from unicnn.porting.emitting import CHECKS, formatted
from unicnn.porting.outline import Hints

Arrays = dict[str, np.ndarray[Any, Any]]


def written(model: Model, dialect: str, hints: Hints | None = None, style: str | None = None) -> str:
    """Return the source of a model in a dialect."""
    found = plugins.dialect(dialect)
    chosen = style or found.styles[0]
    return formatted(found.emitter().write(infer(model), style=chosen, recipe=None, hints=hints or Hints()))


def executed(source: str) -> dict[str, Any]:
    """Return the names that a source defines."""
    names: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(source, "emitted.py", "exec", dont_inherit=True), names)
    return names


def complaints(source: str) -> str:
    """Return what ruff finds wrong with a source, apart from its format."""
    command = [find_ruff_bin(), "check", "--isolated", "--no-cache", "--quiet", "--select", CHECKS, "--stdin-filename", "network.py", "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=False).stdout


def weights(model: Model, seed: int = 1) -> Arrays:
    """Return weights of which none has the value that a layer starts with."""
    rng = np.random.default_rng(seed)
    drawn = un.initial_weights(model, seed)
    return {
        name: (np.abs(value) + 0.5 if name.endswith(".var") else value + rng.normal(0, 0.05, value.shape)).astype(np.float32)
        for name, value in drawn.items()
    }


def batch(model: Model, samples: int = 2, seed: int = 2) -> Arrays:
    """Return inputs by name."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(samples, *shape)) for name, shape in model.inputs}


def cotangents(model: Model, samples: int = 2, seed: int = 3) -> list[np.ndarray[Any, Any]]:
    """Return an array of each output's shape."""
    rng, shapes = np.random.default_rng(seed), infer(model).shapes
    return [rng.normal(size=(samples, *shapes[value])) for _, value in model.outputs]


def arranged(model: Model, values: list[Any]) -> Any:
    """Return one value for each output as a program takes them."""
    if len(values) == 1 and model.outputs[0][0] is None:
        return values[0]
    return values if model.outputs[0][0] is None else dict(zip((key for key, _ in model.outputs), values, strict=True))


def listed(outputs: Any) -> list[Any]:
    """Return the outputs in order, however they are arranged."""
    if isinstance(outputs, dict):
        return list(outputs.values())
    return list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]


def distance(found: list[Any], wanted: list[Any]) -> float:
    """Return the largest difference between arrays in pairs, relative to the largest value of all wanted ones."""
    scale = max(float(np.abs(value).max()) for value in wanted)
    assert [np.shape(value) for value in found] == [np.shape(value) for value in wanted]
    return max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in zip(found, wanted, strict=True)) / scale


def random_model(seed: int) -> Model:
    """Return a random network whose layers all stand directly in it."""
    return network(random.Random(f"unicnn {seed}"), seed)


def scoped_model(seed: int) -> Model:
    """Return a random network whose layers stand in random scopes, some interleaved, under names good and bad."""
    rng = random.Random(f"scopes {seed}")
    model = network(rng, seed)
    names = {"input": "input"}
    for layer, path in zip(model.layers, _paths(rng, len(model.layers)), strict=True):
        names[layer.name] = next(name for name in _candidates(rng, path, layer) if name not in names.values())
    layers = [Layer(names[layer.name], layer.op, tuple(names[source] for source in layer.inputs)) for layer in model.layers]
    return Model.of(model.inputs, layers, [(key, names[value]) for key, value in model.outputs], name=model.name)


def _paths(rng: random.Random, count: int) -> list[list[str]]:
    paths: list[list[str]] = [[] for _ in range(count)]
    for _ in range(rng.randrange(1, 5)):
        first = rng.randrange(count)
        last, scope = rng.randrange(first, count), rng.choice(["block1", "block2", "stage", "0", "1", "branch-a", "train"])
        for path in paths[first : last + 1]:
            path.append(scope)
    return [["odd"] if rng.random() < 0.1 else path[:3] for path in paths]


def _candidates(rng: random.Random, path: list[str], layer: Layer) -> Iterator[str]:
    yield ".".join([*path, rng.choice([layer.op.prefix, f"{layer.op.prefix}{rng.randrange(1, 4)}", str(rng.randrange(4))])])
    for i in range(100):
        yield ".".join([*path, f"{layer.op.prefix}{i}"])

"""What tests of reading Keras share: numbers for a network, and a look at whether its tape computes what it computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from unicnn_tensorflow import importer
from unicnn_tensorflow.importing.copying import variables

from unicnn.porting.tape import Call, Recording, Tape

from .interpret import distance, interpret

import keras  # isort: skip
import tensorflow as tf  # isort: skip

Shape = tuple[int, ...]


def filled(root: Any, seed: int = 0) -> Any:
    """Return a network with random numbers in all its variables, those of variances positive."""
    random = np.random.default_rng(seed)
    held = variables(root)
    for name in sorted(held):
        shape = tuple(held[name].shape)
        fans = np.prod(shape[:-1]) if len(shape) > 1 else 1.0
        value = random.normal(size=shape) / np.sqrt(fans)
        scales = name.endswith(("variance", "gamma"))
        held[name].assign(np.abs(value) * 0.5 + 0.75 if scales else value)
    return root


def images(*shapes: Shape, seed: int = 1) -> list[Any]:
    random = np.random.default_rng(seed)
    return [random.normal(size=shape) for shape in shapes]


def sequential(*layers: Any, shape: Shape = (9, 8, 4), name: str | None = None) -> Any:
    return filled(keras.Sequential([keras.Input(shape), *layers], name=name))


def calls(tape: Tape) -> list[str]:
    return [call.op for call in tape.calls]


def only(tape: Tape, op: str) -> Call:
    (call,) = [call for call in tape.calls if call.op == op]
    return call


def recorded(root: Any, *shapes: Shape, training: bool = False) -> Recording:
    return importer.record(root, shapes, training=training)


def agreement(root: Any, *shapes: Shape, prepare: Callable[[Any], Any] | None = None) -> Recording:
    """Record a network's inference, and assert that each value of the tape is what the network computes in float64, and in float32."""
    recording = recorded(root, *shapes)
    if prepare is not None:
        prepare(root)
    given = images(*shapes)
    values = interpret(recording.tape, given)
    cotangents = [np.ones(values[name].shape) for _, name in recording.tape.outputs]
    ran = recording.runner.run(given, cotangents, "float64")
    assert set(ran.values) == {call.name for call in recording.tape.calls}
    for call in recording.tape.calls:
        assert distance(values[call.name], ran.values[call.name]) < 1e-10, call
    itself = recording.runner.run(given, cotangents, "float32").outputs
    for (_, name), output, single in zip(recording.tape.outputs, ran.outputs, itself, strict=True):
        assert distance(values[name], output) < 1e-10
        assert distance(np.asarray(single, np.float64), output) < 1e-4
        assert distance(np.roll(values[name], 1, -1), output) > 1e-3 or output.shape[-1] == 1
    return recording


def constant(root: Any, name: str) -> Any:
    return variables(root)[name].numpy()


def function_of(tape: Tape, given: list[Any]) -> list[Any]:
    """Return the outputs of a tape as TensorFlow arrays would come."""
    values = interpret(tape, given)
    return [values[name] for _, name in tape.outputs]


__all__ = [
    "agreement",
    "calls",
    "constant",
    "filled",
    "function_of",
    "images",
    "importer",
    "keras",
    "only",
    "recorded",
    "sequential",
    "tf",
    "variables",
]

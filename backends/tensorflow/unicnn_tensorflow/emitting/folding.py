"""Activations that a layer of Keras applies itself: ``Conv2D(20, 5, activation="relu")``."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

from unicnn.model import Layer, Model
from unicnn.ops import (
    ELU,
    GELU,
    Conv2d,
    ConvTranspose2d,
    Hardsigmoid,
    Hardswish,
    Linear,
    LogSoftmax,
    Op,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)

WORDS: dict[Op, str] = {
    ReLU(): "relu", ReLU6(): "relu6", ELU(): "elu", Sigmoid(): "sigmoid", Tanh(): "tanh", SiLU(): "silu", GELU(): "gelu",
    Hardswish(): "hard_silu", Hardsigmoid(): "hard_sigmoid", Softmax(): "softmax", LogSoftmax(): "log_softmax",
}  # fmt: skip
"""What Keras calls the functions that it computes as we do, along the last axis where an axis matters."""


def folded(model: Model) -> Model:
    """Return `model` with each activation joined to the layer before it, if that is how both are called: "conv1" and "conv1_relu"."""
    by_name = {layer.name: layer for layer in model.layers}
    readers = Counter(source for layer in model.layers for source in layer.inputs)
    readers.update(value for _, value in model.outputs)
    joined: dict[str, tuple[Any, str]] = {}
    for layer in model.layers:
        source = by_name.get(layer.inputs[0])
        if source is None or layer.op not in WORDS or not isinstance(source.op, (Conv2d, ConvTranspose2d, Linear)):
            continue
        if layer.name == f"{source.name}_{layer.op.prefix}" and readers[source.name] == 1:
            joined[source.name] = (dataclasses.replace(source.op, activation=layer.op.lowering()), layer.name)
    gone = {activation: name for name, (_, activation) in joined.items()}

    def value(name: str) -> str:
        return gone.get(name, name)

    layers = [
        Layer(layer.name, joined[layer.name][0] if layer.name in joined else layer.op, tuple(map(value, layer.inputs)))
        for layer in model.layers
        if layer.name not in gone
    ]
    return Model.of(model.inputs, layers, [(key, value(name)) for key, name in model.outputs], name=model.name)


def activation(op: Any) -> str | None:
    """Return what Keras calls the activation that was joined to a layer."""
    return next((word for other, word in WORDS.items() if other.lowering() == op.activation), None)

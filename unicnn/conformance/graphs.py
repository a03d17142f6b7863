"""Random networks and hard data for them: branches, groups, dilations, odd paddings, and values of all magnitudes."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from unicnn import randomness
from unicnn.errors import ShapeError
from unicnn.graph import infer
from unicnn.model import Model
from unicnn.ops import (
    ELU,
    GELU,
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    Hardsigmoid,
    Hardswish,
    LayerNorm,
    LeakyReLU,
    Linear,
    LogSoftmax,
    MaxPool2d,
    Mul,
    Pad,
    ReLU,
    ReLU6,
    Reshape,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
    Transpose,
)
from unicnn.ops.symbolic import Input, Symbol

Array: TypeAlias = np.ndarray[Any, Any]
Maker: TypeAlias = Callable[[random.Random, Symbol], Symbol]

CHANNELS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 64, 512)
LARGEST = 40_000
"""How many values a layer's output may have a sample."""


@dataclass(frozen=True)
class Sample:
    """Hold a random network and data for it: weights by name, inputs, labels, and the cotangent of its output."""

    model: Model
    weights: dict[str, Array]
    inputs: Array
    labels: Array
    training: bool


def sample(seed: int) -> Sample:
    """Return the random network of a seed, and its data."""
    rng = random.Random(f"unicnn {seed}")
    model = network(rng, seed)
    graph = infer(model)
    batch = rng.choice((1, 2, 3, 5))
    training = rng.random() < 0.4
    if training and any(node.op.states and batch * math.prod(node.shape[1:]) == 1 for node in graph.nodes):
        batch = 2
    weights = {name: _weight(rng, name, parameter.shape, seed) for name, parameter in graph.parameters.items()}
    inputs = hard(rng, (batch, *model.input_shape), "input", seed)
    labels = np.array([rng.randrange(graph.shapes[model.outputs[0][1]][0]) for _ in range(batch)], np.int64)
    return Sample(model, weights, inputs, labels, training)


def network(rng: random.Random, seed: int) -> Model:
    """Return a random network from one image to scores."""
    x = Input(rng.choice(CHANNELS[:8]), rng.randrange(3, 15), rng.randrange(3, 15))
    y = x
    for _ in range(rng.randrange(2, 7)):
        y = _attempt(rng, y)
    y = Flatten()(y)
    if rng.random() < 0.3:
        y = rng.choice((ReLU(), Tanh(), LayerNorm(), Dropout(0.3)))(Linear(rng.choice((3, 17, 64)), bias=rng.random() < 0.7)(y))
    return Model(x, Linear(rng.randrange(2, 12))(y), name=f"random{seed}")


def _attempt(rng: random.Random, x: Symbol) -> Symbol:
    """Return a random layer on `x`; what does not fit is thrown away and another one is tried."""
    while True:
        try:
            y = rng.choices(*zip(*MAKERS, strict=True))[0](rng, x)
        except ShapeError:
            continue
        if math.prod(y.shape) <= LARGEST:
            return y


def _sides(rng: random.Random, most: int) -> Any:
    if rng.random() < 0.3:
        return "same"
    return tuple(tuple(rng.randrange(most + 1) for _ in range(2)) for _ in range(2))


def _pair(rng: random.Random, *choices: int) -> tuple[int, int]:
    return rng.choice(choices), rng.choice(choices)


def _groups(rng: random.Random, channels: int) -> tuple[int, int]:
    """Return a number of groups that divides `channels`, and a number of outputs that it divides."""
    groups = rng.choice([n for n in range(1, channels + 1) if channels % n == 0]) if rng.random() < 0.4 else 1
    return groups, groups * rng.choice((1, 2, 3)) if groups > 1 else rng.choice(CHANNELS)


def _conv(rng: random.Random, x: Symbol) -> Symbol:
    groups, outputs = _groups(rng, x.shape[0])
    padding = _sides(rng, 3)
    op = Conv2d(outputs, _pair(rng, 1, 2, 3, 5), _pair(rng, 1, 1, 2, 3), padding, _pair(rng, 1, 1, 2), groups, rng.random() < 0.7)
    return op(x)


def _conv_transpose(rng: random.Random, x: Symbol) -> Symbol:
    groups, outputs = _groups(rng, x.shape[0])
    stride = _pair(rng, 1, 2, 3)
    extra = (rng.randrange(stride[0]), rng.randrange(stride[1]))
    padding = tuple(tuple(rng.randrange(2) for _ in range(2)) for _ in range(2))
    return ConvTranspose2d(outputs, _pair(rng, 1, 2, 3), stride, padding, extra, _pair(rng, 1, 1, 2), groups, rng.random() < 0.7)(x)


def _max_pool(rng: random.Random, x: Symbol) -> Symbol:
    return MaxPool2d(_pair(rng, 2, 3), _pair(rng, 1, 2, 3), rng.choice((0, 1)), rng.random() < 0.3)(x)


def _avg_pool(rng: random.Random, x: Symbol) -> Symbol:
    return AvgPool2d(_pair(rng, 2, 3), _pair(rng, 1, 2), rng.choice((0, 1)), rng.random() < 0.3, rng.random() < 0.5)(x)


def _adaptive(rng: random.Random, x: Symbol) -> Symbol:
    return AdaptiveAvgPool2d(_pair(rng, 1, 2, 3))(x)


def _norm(rng: random.Random, x: Symbol) -> Symbol:
    if rng.random() < 0.7:
        return BatchNorm2d(rng.choice((1e-5, 1e-3)), 0.75, rng.random() < 0.7, rng.random() < 0.7)(x)
    return LayerNorm(rng.choice((-1, 1, (1, 2, 3), (2, 3))))(x)


def _activation(rng: random.Random, x: Symbol) -> Symbol:
    ops = (ReLU(), ReLU(), ReLU6(), LeakyReLU(0.1), ELU(0.7), Sigmoid(), Tanh(), SiLU(), GELU(), GELU("tanh"), Hardswish(), Hardsigmoid())
    return rng.choice((*ops, Softmax(), LogSoftmax(), Dropout(0.4)))(x)


def _branches(rng: random.Random, x: Symbol) -> Symbol:
    left = _activation(rng, x) if rng.random() < 0.5 else x
    if rng.random() < 0.5:
        return Concat(1)(left, Conv2d(rng.choice((1, 3, 8)), 3, padding="same")(x))
    right = Conv2d(x.shape[0], rng.choice((1, 3)), padding="same")(x)
    return (Add() if rng.random() < 0.7 else Mul())(left, right, *([x] if rng.random() < 0.3 else []))


def _gate(rng: random.Random, x: Symbol) -> Symbol:
    squeezed = Conv2d(x.shape[0], 1)(AdaptiveAvgPool2d(1)(x))
    return Mul()(x, Sigmoid()(squeezed))


def _move(rng: random.Random, x: Symbol) -> Symbol:
    channels, height, width = x.shape
    ops = (Transpose((0, 2, 3, 1)), Transpose((0, 1, 3, 2)), Pad(((1, 0), (0, 2)), 0.1), Reshape((height, channels, width)))
    return rng.choice(ops)(x)


MAKERS: tuple[tuple[Maker, float], ...] = (
    (_conv, 6), (_conv_transpose, 1.5), (_max_pool, 2), (_avg_pool, 1.5), (_adaptive, 0.5), (_norm, 2), (_activation, 4), (_branches, 2),
    (_gate, 0.7), (_move, 1),
)  # fmt: skip
"""The layers, and how often each is tried."""


def hard(rng: random.Random, shape: tuple[int, ...], *key: object) -> Array:
    """Return float32 values of one of several kinds, hard to add up; none is so large that ten layers of them overflow."""
    kind = rng.choice(("normal", "normal", "wide", "sparse", "tiny", "channels"))
    values = randomness.normal(shape, "hard", kind, *key)
    if kind == "wide":  # magnitudes from 2^-40 to 2^3
        values = values * np.ldexp(1.0, np.floor(randomness.uniform(shape, "exponents", *key) * 43 - 40).astype(np.int64))
    if kind == "sparse":  # zeros, whole samples and channels of them too
        values = values * (randomness.uniform(shape, "kept", *key) < 0.3)
        if rng.random() < 0.3:
            values[: len(values) // 2] = 0
    if kind == "tiny":  # around the smallest normal number, half of it below
        values = values * np.ldexp(1.0, -126 + rng.randrange(-3, 30))
    if kind == "channels" and len(shape) > 1:  # each on its own scale, 2^-40 to 2^6
        scale = np.floor(randomness.uniform((shape[1],), "scales", *key) * 46 - 40).astype(np.int64)
        values = values * np.ldexp(1.0, scale).reshape(-1, *[1] * (len(shape) - 2))
    return values.astype(np.float32)


def _weight(rng: random.Random, name: str, shape: tuple[int, ...], seed: int) -> Array:
    role = name.rpartition(".")[2]
    values = hard(rng, shape, name, seed)
    if role == "var":
        return np.abs(values) + np.float32(2.0**-10)
    if role == "weight":
        return (values / math.sqrt(max(1, math.prod(shape[1:])))).astype(np.float32)
    return values

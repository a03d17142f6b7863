"""Random networks for fuzzing: every op of the vocabulary with every field, on images, on sequences and on vectors."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from typing import Any, TypeAlias

import numpy as np

from unicnn.conformance.fuzzing.values import values, weights
from unicnn.conformance.graphs import CHANNELS, LARGEST
from unicnn.errors import DescriptionError
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
    CrossEntropy,
    Dropout,
    Flatten,
    Hardsigmoid,
    Hardswish,
    Identity,
    LayerNorm,
    LeakyReLU,
    Linear,
    LogSoftmax,
    Loss,
    MaxPool2d,
    Mul,
    Pad,
    ReLU,
    ReLU6,
    Reshape,
    Sigmoid,
    SiLU,
    Softmax,
    SquaredError,
    Tanh,
    Transpose,
)
from unicnn.ops.symbolic import Input, Symbol

Array: TypeAlias = np.ndarray[Any, Any]
Maker: TypeAlias = Callable[[random.Random, Symbol], Symbol]

MULTIPLY_ADDS = 5_000_000
"""How many a layer may have for one sample."""
TRIES = 20
COMPILED = 4
"""How many layers a network may have to be compiled under identical numerics; of more, some frameworks take minutes."""


@dataclass(frozen=True)
class Drawn:
    """Hold a random network and all that a run of it needs; `compiled` says whether identical numerics run as for a user."""

    model: Model
    weights: dict[str, Array]
    inputs: Array
    labels: Array
    loss: Loss
    training: bool
    compiled: bool

    @property
    def mode(self) -> str:
        """Return the mode that the program runs in."""
        return "training" if self.training else "inference"


def draw(rng: random.Random, seed: int) -> Drawn:
    """Return a random network and its data; `rng` makes the choices, and `seed` numbers the values."""
    model = network(rng)
    graph = infer(model)
    batch = rng.choice((1, 2, 3, 5))
    training = rng.choice((False, False, True))
    if training and any(node.op.states and batch * math.prod(node.shape[1:]) == 1 for node in graph.nodes):
        batch = 2
    held = {name: weights(rng, name, parameter.shape, seed) for name, parameter in graph.parameters.items()}
    inputs = values(rng, (batch, *model.input_shape), "input", seed)
    loss, labels = _goal(rng, graph.shapes[model.outputs[0][1]], batch, seed)
    compiled = rng.randrange(8) == 0 and len(model) <= COMPILED
    return Drawn(model, held, inputs, labels, loss, training, compiled)


def _goal(rng: random.Random, shape: tuple[int, ...], batch: int, seed: int) -> tuple[Loss, Array]:
    reduction = rng.choice(("mean", "sum"))
    if rng.randrange(4):
        return CrossEntropy(reduction=reduction), np.array([rng.randrange(shape[0]) for _ in range(batch)], np.int64)
    return SquaredError(rng.choice((1.0, 0.5)), reduction=reduction), values(rng, (batch, *shape), "target", seed)


def network(rng: random.Random) -> Model:
    """Return a random network from one image to scores."""
    x = y = Input(rng.choice(CHANNELS[:8]), rng.randrange(1, 15), rng.randrange(1, 15))
    for _ in range(rng.randrange(1, 7)):
        y = _attempt(rng, y)
    y = Flatten()(y) if len(y.shape) > 1 or rng.randrange(2) else y
    for _ in range(rng.choice((0, 0, 1, 2))):
        y = _attempt(rng, y)
    y = Flatten()(y) if len(y.shape) > 1 else y
    if y.shape[0] > 200 or rng.randrange(4):
        y = Linear(rng.randrange(2, 12), bias=rng.choice((True, False)))(y)
    return Model(x, y, name="random")


def _attempt(rng: random.Random, x: Symbol) -> Symbol:
    """Return a random layer on `x`; what does not fit or is too large is thrown away and another one is tried."""
    for _ in range(TRIES):
        try:
            y = rng.choice(MENU)(rng, x)
        except DescriptionError:
            continue
        if math.prod(y.shape) <= LARGEST and all(_work(made) <= MULTIPLY_ADDS for made in (y, *y.inputs)):
            return y
    return ReLU()(x)


def _work(y: Symbol) -> int:
    return 0 if y.op is None else y.op.multiply_adds(*(source.shape for source in y.inputs))


def _sides(rng: random.Random, most: int) -> Any:
    if rng.randrange(4) == 0:
        return "same"
    return tuple(tuple(rng.randrange(most + 1) for _ in range(2)) for _ in range(2))


def _pair(rng: random.Random, *choices: int) -> tuple[int, int]:
    return rng.choice(choices), rng.choice(choices)


def _flag(rng: random.Random) -> bool:
    return rng.choice((True, False))


def _groups(rng: random.Random, channels: int) -> tuple[int, int]:
    """Return a number of groups that divides `channels`, and a number of outputs that it divides."""
    groups = rng.choice([n for n in range(1, channels + 1) if channels % n == 0]) if _flag(rng) else 1
    return groups, groups * rng.choice((1, 2, 3)) if groups > 1 else rng.choice(CHANNELS)


def _conv(rng: random.Random, x: Symbol) -> Symbol:
    groups, outputs = _groups(rng, x.shape[0])
    kernel, stride, dilation = _pair(rng, 1, 2, 3, 5, 7), _pair(rng, 1, 1, 2, 3, 4), _pair(rng, 1, 1, 2, 3)
    return Conv2d(outputs, kernel, stride, _sides(rng, 3), dilation, groups, _flag(rng))(x)


def _conv_transpose(rng: random.Random, x: Symbol) -> Symbol:
    groups, outputs = _groups(rng, x.shape[0])
    stride, dilation = _pair(rng, 1, 2, 3), _pair(rng, 1, 1, 2, 3)
    extra = tuple(rng.randrange(max(s, d)) for s, d in zip(stride, dilation, strict=True))
    padding = tuple(tuple(rng.randrange(3) for _ in range(2)) for _ in range(2))
    return ConvTranspose2d(outputs, _pair(rng, 1, 2, 3, 4), stride, padding, extra, dilation, groups, _flag(rng))(x)


def _max_pool(rng: random.Random, x: Symbol) -> Symbol:
    return MaxPool2d(_pair(rng, 1, 2, 3, 5), _pair(rng, 1, 2, 3, 4), _sides(rng, 2), _flag(rng))(x)


def _avg_pool(rng: random.Random, x: Symbol) -> Symbol:
    return AvgPool2d(_pair(rng, 1, 2, 3, 5), _pair(rng, 1, 2, 3, 4), _sides(rng, 2), _flag(rng), _flag(rng))(x)


def _adaptive(rng: random.Random, x: Symbol) -> Symbol:
    return AdaptiveAvgPool2d(_pair(rng, 1, 2, 3, 5, 8))(x)


def _batch_norm(rng: random.Random, x: Symbol) -> Symbol:
    eps, keep = rng.choice((1e-5, 1e-3, 1e-12, 1.0)), rng.choice((0.75, 0.9, 0.0, 1.0))
    return BatchNorm2d(eps, keep, _flag(rng), _flag(rng), rng.choice(("biased", "unbiased")))(x)


def _layer_norm(rng: random.Random, x: Symbol) -> Symbol:
    axes = tuple(axis for axis in range(1, len(x.shape) + 1) if _flag(rng)) or (-1,)
    return LayerNorm(axes, rng.choice((1e-5, 1e-3, 1e-12)), _flag(rng), _flag(rng))(x)


def _activation(rng: random.Random, x: Symbol) -> Symbol:
    axis = rng.randrange(1, len(x.shape) + 1)
    ops = (
        ReLU(), ReLU6(), Sigmoid(), Tanh(), SiLU(), GELU(), GELU("tanh"), Hardswish(), Softmax(axis), LogSoftmax(axis), Identity(),
        LeakyReLU(rng.choice((0.1, 0.0, 1.0, 2.0))), ELU(rng.choice((0.7, 1.0, 2.0))), Dropout(rng.choice((0.4, 0.0, 0.9))),
        Hardsigmoid(), Hardsigmoid(0.2, 0.5), Hardsigmoid(1.0, 0.0),
    )  # fmt: skip
    return rng.choice(ops)(x)


def _join(rng: random.Random, x: Symbol) -> Symbol:
    """Return two or three values of one shape, joined; one may be there twice."""
    others = [rng.choice((_activation, _same_size, _itself))(rng, x) for _ in range(rng.choice((1, 1, 2)))]
    return rng.choice((Add(), Mul(), Concat(rng.randrange(1, len(x.shape) + 1))))(x, *others)


def _same_size(rng: random.Random, x: Symbol) -> Symbol:
    if len(x.shape) == 1:
        return Linear(x.shape[0])(x)
    return Conv2d(x.shape[0], rng.choice((1, 3)), padding="same")(x)


def _itself(rng: random.Random, x: Symbol) -> Symbol:
    return x


def _repeated(rng: random.Random, x: Symbol) -> Symbol:
    """Return a value joined to one that is repeated along some axes."""
    squeezed = rng.choice((AdaptiveAvgPool2d(1), AdaptiveAvgPool2d((1, x.shape[-1]))))(x)
    squeezed = rng.choice((_activation, _same_size))(rng, squeezed)
    pair = (x, squeezed) if _flag(rng) else (squeezed, x)
    return rng.choice((Add(), Mul()))(*pair)


def _move(rng: random.Random, x: Symbol) -> Symbol:
    rank = len(x.shape)
    order = rng.choice(list(permutations(range(1, rank + 1))))
    border = tuple(tuple(rng.randrange(3) for _ in range(2)) for _ in range(2))
    return rng.choice((Transpose((0, *order)), Pad(border, rng.choice((0.1, 0.0, -7.0))), Reshape(_other_shape(rng, x.shape)), Flatten()))(
        x
    )


def _other_shape(rng: random.Random, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape of one to three axes with as many values."""
    left, sizes = math.prod(shape), []
    for _ in range(rng.choice((0, 1, 2, 2))):
        sizes.append(rng.choice([n for n in range(1, min(left, 64) + 1) if left % n == 0]))
        left //= sizes[-1]
    return (*sizes, left)


def _linear(rng: random.Random, x: Symbol) -> Symbol:
    return Linear(rng.choice((1, 3, 17, 64)), _flag(rng))(x)


MENU: tuple[Maker, ...] = (
    *(_conv,) * 6, *(_conv_transpose,) * 3, *(_max_pool,) * 2, *(_avg_pool,) * 2, _adaptive, _batch_norm, _batch_norm, _layer_norm,
    *(_activation,) * 4, *(_join,) * 3, _repeated, *(_move,) * 2, *(_linear,) * 2,
)  # fmt: skip
"""The layers, each as often as it is tried."""

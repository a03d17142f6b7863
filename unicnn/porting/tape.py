"""The tape: what one pass of a network did, call by call, in words that every importer shares.

Shapes and axes are the framework's own, batch axis included; nothing has been turned into channels-first order yet, and no
pattern has been recognised. That is done once, for all frameworks, by `unicnn.porting.lifting`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
Operand: TypeAlias = "str | float | None"
"""The name of a value or of a constant; a number; or nothing, for an operand left out such as a bias."""


@dataclass(frozen=True)
class Where:
    """Point to the line of a user's source that made a call."""

    file: str
    line: int
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + (f" ({self.text.strip()})" if self.text.strip() else "")


@dataclass(frozen=True)
class Call:
    """Be one call on the tape.

    `op` is a word of VOCABULARY, or a name of the framework's own, which the lifting refuses unless nothing needs its result.
    `name` is the name of the result, unique on the tape, and `shape` its shape. `path` is the dotted path of the module in
    which it happened, "" for the network itself. `own` says that this module is a layer (Conv2d, ReLU) and not a container:
    then what it did carries the module's name, unless it is not `named`: the framework made the name up, as Keras does.
    """

    op: str
    name: str
    inputs: tuple[Operand, ...]
    shape: tuple[int, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""
    own: bool = False
    where: Where | None = None
    named: bool = True


@dataclass(frozen=True)
class Constant:
    """Be an array that does not depend on the inputs; `read` returns it, without a copy where the framework can share its memory."""

    name: str
    shape: tuple[int, ...]
    read: Callable[[], Array]
    trainable: bool = True


@dataclass(frozen=True)
class Tape:
    """Hold a network's calls in order. `outputs` are pairs (key or None, value name); `inputs` pairs (name, shape).

    `classes` gives the class name of each module by path, for whoever writes the network down again.
    """

    name: str
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    calls: tuple[Call, ...]
    constants: Mapping[str, Constant]
    outputs: tuple[tuple[str | None, str], ...]
    classes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ran:
    """Hold what a pass over given arrays gave, in the framework's own layout: values by their name on the tape, outputs in order,
    gradients of sum(output * cotangent) by the names of constants and inputs (empty if the framework has none).
    """

    values: Mapping[str, Array]
    outputs: Sequence[Array]
    gradients: Mapping[str, Array]


class Runner(ABC):
    """Run the original object again for a proof: it, not what was read from it."""

    @abstractmethod
    def run(self, inputs: Sequence[Array], cotangents: Sequence[Array], dtype: str) -> Ran:
        """Run the network in inference, forward and backward, with all numbers as `dtype` ("float32" or "float64")."""

    def train(self, source: str, batches: Callable[[int], Any], epochs: int, dtype: str) -> tuple[list[float], Mapping[str, Array]]:
        """Train a copy with the function ``train`` that `source` defines; return the losses of all steps and the constants afterwards."""
        raise NotImplementedError


def training_loop(source: str) -> Callable[..., list[float]]:
    """Return the function ``train`` that emitted source defines."""
    scope: dict[str, Any] = {"__name__": "training"}
    exec(compile(source, "<training>", "exec"), scope)
    train: Callable[..., list[float]] = scope["train"]
    return train


def alike(one: Array, other: Array) -> bool:
    """Tell whether two runs of one network differ in no more than the order in which kernels add.

    Of the largest value, 2**-14 may differ in float32 and 2**-34 in float64: a thousand roundings in a row, and more; another
    network is further off.
    """
    if one.shape != other.shape:
        return False
    room = (2.0**-14 if one.dtype == np.float32 else 2.0**-34) * np.abs(one).max(initial=0.0)
    with np.errstate(invalid="ignore"):
        near = (np.abs(one - other) <= room) | (one == other) | (np.isnan(one) & np.isnan(other))
    return bool(near.all())


@dataclass(frozen=True)
class Recording:
    """Be a tape together with the object it was recorded from."""

    tape: Tape
    runner: Runner


VOCABULARY: Mapping[str, str] = {
    # op: its inputs; its attributes. Spatial attributes are pairs (vertical, horizontal), axes count the batch as 0.
    "conv": "x, weight, bias; stride, padding, dilation, groups, data, kernel",
    "conv_transpose": "x, weight, bias; stride, crop, dilation, groups, data, kernel",
    "linear": "x, weight, bias; kernel (acts on the last axis)",
    "batch_norm": "x, scale, shift, mean, var; eps, keep, unbiased, axis",
    "layer_norm": "x, scale, shift; eps, axes",
    "dropout": "x; p",
    "max_pool": "x; kernel_size, stride, padding, ceil_mode, data",
    "avg_pool": "x; kernel_size, stride, padding, ceil_mode, count_include_pad, data",
    "adaptive_avg_pool": "x; output_size, data",
    "relu": "x",
    "relu6": "x",
    "leaky_relu": "x; negative_slope",
    "elu": "x; alpha",
    "sigmoid": "x",
    "tanh": "x",
    "silu": "x",
    "gelu": "x; approximate",
    "hardswish": "x",
    "hardsigmoid": "x; slope, offset",
    "softmax": "x; axis",
    "log_softmax": "x; axis",
    "identity": "x",
    "reshape": "x; (the result's shape says all)",
    "transpose": "x; axes",
    "pad": "x; widths (a pair for each axis), value",
    "concat": "x, ...; axis",
    "split": "x; axis, start, size",
    "mean": "x; axes, keepdims",
    "max": "x; axes, keepdims",
    "sum": "x; axes, keepdims",
    "add": "a, b, ...",
    "sub": "a, b",
    "mul": "a, b, ...",
    "div": "a, b",
    "maximum": "a, b",
    "minimum": "a, b",
    "clip": "x; low, high",
    "neg": "x",
    "exp": "x",
    "log": "x",
    "sqrt": "x",
    "rsqrt": "x",
    "square": "x",
    "abs": "x",
    "erf": "x",
    "power": "x, y",
    "expm1": "x",
    "greater": "a, b",
    "where": "condition, a, b",
}
"""Every word that the lifting understands.

`padding` and `crop` are ((top, bottom), (left, right)); `padding` may also be "same", with the odd pixel after. `data` is "NCHW" or "NHWC".
`kernel` says how a weight lies: "OIHW", "HWIO" or "HWCM" (depthwise: rows, columns, channel, multiplier) for conv; "IOHW" or "HWOI" for
conv_transpose; "OI" or "IO" for linear. Constants and numbers may stand wherever a value may; calls on constants alone are folded.
"""

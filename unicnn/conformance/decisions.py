"""Decisions: what NaN, infinities, signed zeros and ties give, decided once.

Each case says what must come out, element by element: NaN for NaN, and zeros of the sign given. What a framework does
otherwise under native numerics stands in its backend's known_differences.toml.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from unicnn.conformance.levels import Finding
from unicnn.conformance.target import Target
from unicnn.graph import infer
from unicnn.model import Sequential
from unicnn.ops import (
    AvgPool2d,
    Conv2d,
    Hardsigmoid,
    Hardswish,
    LeakyReLU,
    Linear,
    LogSoftmax,
    MaxPool2d,
    Op,
    ReLU,
    ReLU6,
    Softmax,
)

Array: TypeAlias = np.ndarray[Any, Any]
NAN, INF = float("nan"), float("inf")


@dataclass(frozen=True)
class Decision:
    """Be one op on special values: input, weights, the output decided on, or the input's gradient for a gradient of ones."""

    name: str
    question: str
    operation: Op
    x: Any
    output: Any = None
    gradient: Any = None
    weights: dict[str, Any] = field(default_factory=dict, hash=False)
    level: str = "special"
    dtype: str = "float32"

    @property
    def id(self) -> str:
        """Return the case's name."""
        return f"{self.op}/{self.name}/special"

    @property
    def op(self) -> str:
        """Return the op's name."""
        return self.operation.lowering()

    @property
    def decision(self) -> str:
        """Return in words what must come out."""
        wanted = self.output if self.output is not None else self.gradient
        return ", ".join(_text(value) for value in np.asarray(wanted, np.float64).ravel())


def decided(case: Decision, target: Target, *, forward_only: bool) -> Finding:
    """Demand the decision, element by element: NaN for NaN, and zeros of the sign given."""
    x = np.asarray(case.x, np.float32)[None]
    model = Sequential([("op", case.operation)], input=x.shape[1:], name=case.op)
    weights = {f"op.{key}": np.asarray(value, np.float32) for key, value in case.weights.items()}
    program = target.program(model, "native", weights)
    if case.output is not None:
        found, wanted = program(x), case.output
    else:
        _, gradients = program.vjp(x, np.ones((1, *infer(model).shapes["op"]), np.float32))
        found, wanted = gradients["input"], case.gradient
    return Finding(_departure(found[0], wanted), None, {"the gradient" if case.output is None else "the output": found})


def _departure(found: Array, wanted: Any) -> str | None:
    expected = np.asarray(wanted, np.float32).reshape(found.shape)
    same = np.where(np.isnan(expected), np.isnan(found), (found == expected) & (np.signbit(found) == np.signbit(expected)))
    return None if same.all() else ", ".join(_text(float(value)) for value in found.ravel())


def _text(value: float) -> str:
    if np.isnan(value):
        return "NaN"
    return f"{value:+g}" if value == 0 or np.isinf(value) else f"{value:.5g}"


def _image(*values: float, width: int = 2) -> Array:
    return np.array(values, np.float32).reshape(1, -1, width)


def _pool(name: str, question: str, window: Array, output: float) -> Decision:
    return Decision(name, question, MaxPool2d(2), window, output=[output])


DECISIONS = (
    _pool("window-with-nan-first", "the maximum of a window with a NaN", _image(NAN, 1, 2, 3), NAN),
    _pool("window-with-nan-last", "the maximum of a window with a NaN", _image(1, 2, 3, NAN), NAN),
    _pool("window-of-nan", "the maximum of a window of NaN only", _image(NAN, NAN, NAN, NAN), NAN),
    _pool("window-of-minus-infinity", "the maximum of a window of -inf only", _image(-INF, -INF, -INF, -INF), -INF),
    _pool("window-with-infinity", "the maximum of a window with inf", _image(1, INF, 2, -INF), INF),
    _pool("zeros-minus-first", "the maximum of -0 and +0", _image(-0.0, 0.0, -0.0, -0.0), 0.0),
    _pool("zeros-plus-first", "the maximum of +0 and -0", _image(0.0, -0.0, -0.0, -0.0), 0.0),
    Decision("tie-goes-to-the-first", "the gradient of equal maxima", MaxPool2d(2), _image(1, 3, 3, 3), gradient=_image(0, 1, 0, 0)),
    Decision("tie-of-all", "the gradient of a window of one value", MaxPool2d(2), _image(2, 2, 2, 2), gradient=_image(1, 0, 0, 0)),
    Decision(
        "gradient-goes-to-nan", "the gradient of a window with a NaN", MaxPool2d(2), _image(5, 1, NAN, 7), gradient=_image(0, 0, 1, 0)
    ),
    Decision(
        "ceil-drops-a-window-in-the-padding",
        "a last window that would start inside the padding",
        MaxPool2d(2, 3, padding=1, ceil_mode=True),
        np.arange(16).reshape(1, 4, 4),
        output=[0.0, 3, 12, 15],
    ),
    Decision("sum-overflows", "the mean of two values whose sum overflows", AvgPool2d((1, 2)), _image(3e38, 3e38), output=[INF]),
    Decision(
        "infinite-weight-on-padding",
        "an infinite weight times the 0 of the padding",
        Conv2d(1, 1, padding=1, bias=False),
        _image(1, width=1),
        output=[NAN, NAN, NAN, NAN, INF, NAN, NAN, NAN, NAN],
        weights={"weight": [[[[INF]]]]},
    ),
    Decision(
        "minus-zero",
        "a sum of products that are -0",
        Conv2d(1, 2, bias=False),
        _image(-0.0, -0.0, -0.0, -0.0),
        output=[0.0],
        weights={"weight": np.ones((1, 1, 2, 2))},
    ),
    Decision(
        "minus-zero", "a sum of products that are -0", Linear(1, bias=False), [-0.0, -0.0], output=[0.0], weights={"weight": [[1, 1]]}
    ),
    Decision(
        "nan-stays-in-its-window",
        "how far a NaN spreads",
        Conv2d(1, 1, bias=False),
        _image(1, NAN, 3, 4),
        output=[1, NAN, 3, 4],
        weights={"weight": [[[[1]]]]},
    ),
    Decision("values", "relu of -1, -0, +0, NaN, inf", ReLU(), [-1, -0.0, 0.0, NAN, INF], output=[0.0, 0.0, 0.0, NAN, INF]),
    Decision("gradient", "the derivative of relu at -1, 0, 1", ReLU(), [-1, 0.0, 1], gradient=[0.0, 0.0, 1]),
    Decision("gradient-at-nan", "the derivative of relu at NaN", ReLU(), [NAN, 1], gradient=[NAN, 1]),
    Decision("gradient", "the derivative of relu6 at -1, 0, 3, 6, 7", ReLU6(), [-1, 0.0, 3, 6, 7], gradient=[0.0, 0.0, 1, 0.0, 0.0]),
    Decision("gradient", "the derivative of leaky relu at -1, 0, 1", LeakyReLU(0.25), [-1, 0.0, 1], gradient=[0.25, 0.25, 1]),
    Decision("gradient-at-its-corners", "the derivative of hardswish at -3 and 3", Hardswish(), [-3, 3], gradient=[0.0, 1]),
    Decision(
        "gradient-at-its-corners", "the derivative of hardsigmoid at its corners", Hardsigmoid(0.25, 0.5), [-2, 2], gradient=[0.0, 0.0]
    ),
    Decision("infinity", "the softmax of values one of which is inf", Softmax(), [0.0, INF], output=[NAN, NAN]),
    Decision("large-scores", "the softmax of scores whose exponentials overflow", Softmax(), [1000, 1000], output=[0.5, 0.5]),
    Decision("far-apart", "the log softmax of 0 and -200", LogSoftmax(), [0.0, -200], output=[0.0, -200]),
)
"""Every decision, as a case."""

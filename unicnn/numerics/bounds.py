"""How far a correct implementation may be from the exact result: one bound for each op, forward and backward.

A bound is judged one op at a time, on the inputs that the backend itself had; it cannot be carried through a network,
where it grows far beyond any real error. `forward` and `gradients` return balls around the float64 oracle's values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from unicnn import oracle
from unicnn.derivatives import RULES, spread
from unicnn.numerics import ball
from unicnn.numerics.ball import FLOAT32, FLOAT64, Array, Ball, Precision, exact

ROUNDING = 1 + 2.0**-20
"""Covers the float64 rounding of the bound itself, for sums of up to 10^8 terms."""


def precision(dtype: str) -> Precision:
    """Return the precision of a dtype by name. float64 is judged by an oracle of its own precision, hence twice the unit."""
    return FLOAT32 if dtype == "float32" else Precision(2 * FLOAT64.unit, FLOAT64.tiny)


def forward(
    op: str, operands: Sequence[Array | None], attributes: Mapping[str, Any], dtype: str = "float32", *, normwise: bool = False
) -> Ball:
    """Return the oracle's output of an op, and how far a correct one may be from it.

    `normwise` takes the bounds of contractions from norms, as identical numerics do, instead of from each product's own size.
    """
    balls = _operands(op, operands, precision(dtype))
    with np.errstate(all="ignore"):
        return _widened(getattr(NORMWISE if normwise else TABLE, op)(*balls, **attributes))


def gradients(
    op: str, operands: Sequence[Array | None], dy: Array, attributes: Mapping[str, Any], dtype: str = "float32", *, normwise: bool = False
) -> list[Ball | None]:
    """Return, for each operand, its gradient for `dy` and how far a correct one may be from it; None where there is none."""
    balls = _operands(op, operands, precision(dtype))
    with np.errstate(all="ignore"):
        table = NORMWISE if normwise else TABLE
        y = getattr(table, op)(*balls, **attributes)
        thunks = RULES[op](table, exact(dy, precision(dtype)), y, *balls, **attributes)
        found = [None if thunk is None or operand is None else thunk() for thunk, operand in zip(thunks, balls, strict=True)]
        return [None if ball is None else _widened(OTHER_FORMULAS.get(op, _as_it_is)(ball, dy, attributes)) for ball in found]


def _as_it_is(gradient: Ball, dy: Array, attributes: Mapping[str, Any]) -> Ball:
    return gradient


def _elu_from_output(gradient: Ball, dy: Array, attributes: Mapping[str, Any]) -> Ball:
    lost = gradient.precision.gamma(4) * abs(attributes["alpha"]) * np.abs(dy)
    return Ball(gradient.value, gradient.radius + lost, gradient.precision)


def _product_by_parts(gradient: Ball, dy: Array, attributes: Mapping[str, Any]) -> Ball:
    return gradient.rounded(6)


OTHER_FORMULAS: dict[str, Callable[[Ball, Array, Mapping[str, Any]], Ball]] = {
    "elu": _elu_from_output,
    "hardswish": _product_by_parts,
}
"""What equally correct formulas of a derivative may lose: ELU's from its output, y + alpha, and hardswish's product rule."""


def _operands(op: str, operands: Sequence[Array | None], precision: Precision) -> list[Any]:
    balls: list[Any] = [None if value is None else exact(value, precision) for value in operands]
    if op == "cross_entropy":
        balls[1] = operands[1]
    return balls


def _widened(result: Ball) -> Ball:
    return Ball(result.value, result.radius * ROUNDING, result.precision)


# Contractions: gamma_n times the same contraction of absolute values, where n counts the terms


def _contraction(function: Callable[..., Array], terms: Callable[..., int]) -> Callable[..., Ball]:
    def bound(*operands: Ball | None, **attributes: Any) -> Ball:
        values = [None if item is None else item.value for item in operands]
        first = operands[0]
        assert first is not None
        n = terms(*operands, **attributes) + (len(values) > 2 and values[2] is not None) + 1
        value = function(*values, **attributes)
        absolute = function(*[None if item is None else np.abs(item) for item in values], **attributes)
        return Ball(value, first.precision.gamma(n) * absolute + 2 * n * first.precision.tiny, first.precision)

    return bound


def _normwise(function: Callable[..., Array], terms: Callable[..., int]) -> Callable[..., Ball]:
    """Bound a contraction whose operands were rounded to grids by their norms.

    With the larger one's step at most 2^-25.4 of a norm, the products lose up to 2^-25.4 sqrt(n) |x| |w|; the bound allows 2^-24. The first operand
    shares its grid along axis 0 of the result, the second along axis 1, so the largest norm there counts.
    """

    def bound(*operands: Ball | None, **attributes: Any) -> Ball:
        x, weight, *rest = [None if item is None else item.value for item in operands]
        first = operands[0]
        assert first is not None
        assert x is not None
        assert weight is not None
        nothing = [None] * len(rest)
        value = function(x, weight, *rest, **attributes)
        seen, held = (
            function(x * x, np.ones_like(weight), *nothing, **attributes),
            function(np.ones_like(x), weight * weight, *nothing, **attributes),
        )
        others = tuple(range(2, value.ndim))
        norms = np.sqrt(seen.max(axis=(1, *others), keepdims=True, initial=0) * held.max(axis=(0, *others), keepdims=True, initial=0))
        lost = first.precision.unit * math.sqrt(terms(*operands, **attributes)) * norms
        return Ball(value, lost + first.precision.gamma(4) * np.abs(value) + 4 * first.precision.tiny, first.precision)

    return bound


def _window(_: Ball, weight: Ball, *rest: Any, **__: Any) -> int:
    return math.prod(weight.shape[1:])


def _scattered(_: Ball, weight: Ball, *rest: Any, groups: int, **__: Any) -> int:
    return weight.shape[0] // groups * math.prod(weight.shape[2:])


def _positions(dy: Ball, *_: Any, **__: Any) -> int:
    return dy.shape[0] * math.prod(dy.shape[2:])


# Pooling


def _max_pool2d(x: Ball, **attributes: Any) -> Ball:
    return exact(oracle.max_pool2d(x.value, **attributes), x.precision)


def _max_pool2d_gradient(dy: Ball, x: Ball, y: Ball, *, kernel_size: Any, **attributes: Any) -> Ball:
    value = oracle.max_pool2d_gradient(dy.value, x.value, y.value, kernel_size=kernel_size, **attributes)
    if kernel_size[0] <= attributes["stride"][0] and kernel_size[1] <= attributes["stride"][1]:
        return exact(value, x.precision)
    # A pixel may be the maximum of several windows, whose gradients then are added up.
    absolute = oracle.max_pool2d_gradient(np.abs(dy.value), x.value, y.value, kernel_size=kernel_size, **attributes)
    n = math.prod(kernel_size)
    return Ball(value, x.precision.gamma(n) * absolute + n * x.precision.tiny, x.precision)


def _mean(function: Callable[..., Array], terms: Callable[..., int]) -> Callable[..., Ball]:
    def bound(x: Ball, **attributes: Any) -> Ball:
        n = terms(**attributes)
        radius = x.precision.gamma(n + 2) * function(np.abs(x.value), **attributes) + (n + 1) * x.precision.tiny
        return Ball(function(x.value, **attributes), radius, x.precision)

    return bound


def _cells(*, kernel_size: tuple[int, int], **_: Any) -> int:
    return math.prod(kernel_size)


def _span_cells(*, rows: Any, cols: Any, **_: Any) -> int:
    return max(stop - start for start, stop in rows) * max(stop - start for start, stop in cols)


# Normalisation


def _channel(values: Ball | None) -> Ball | None:
    return None if values is None else values[:, None, None]


def _batch_norm2d(
    x: Ball, scale: Ball | None, shift: Ball | None, mean: Ball, var: Ball,
    *, eps: float, keep: float, unbiased: bool, training: bool,
) -> Ball:  # fmt: skip
    if training:
        count = math.prod(x.shape) // x.shape[1]
        mean = ball.total(x, (0, 2, 3)) / float(count)
        centred = x - mean[:, None, None]
        var = ball.total(centred * centred, (0, 2, 3)) / float(count)
        return _scaled(centred, (1.0 / ball.sqrt(var + eps))[:, None, None], _channel(scale), _channel(shift))
    values = (x.value, *(None if item is None else item.value for item in (scale, shift, mean, var)))
    y, *_ = oracle.batch_norm2d(*values, eps=eps, keep=keep, unbiased=unbiased, training=False)  # type: ignore[arg-type]
    gain = np.abs(1 if scale is None else scale.value) / np.sqrt(var.value + eps)
    offset = 0 if shift is None else np.abs(shift.value)
    # Covers (x - mean) s + shift as well as x s + (shift - mean s), and a reciprocal root to two ulps.
    absolute = (np.abs(x.value) + np.abs(mean.value)[:, None, None]) * gain[:, None, None] + np.reshape(offset, (-1, 1, 1))
    return Ball(y, x.precision.gamma(12) * absolute, x.precision)


def _layer_norm(x: Ball, scale: Ball | None, shift: Ball | None, *, axes: tuple[int, ...], eps: float) -> Ball:
    count = float(math.prod(x.shape[axis] for axis in axes))
    centred = x - ball.total(x, axes, keepdims=True) / count
    inverse = 1.0 / ball.sqrt(ball.total(centred * centred, axes, keepdims=True) / count + eps)
    over = [None if item is None else spread(item, axes, len(x.shape)) for item in (scale, shift)]
    return _scaled(centred, inverse, *over)


def _scaled(centred: Ball, inverse: Ball, scale: Ball | None, shift: Ball | None) -> Ball:
    y = centred * inverse
    y = y if scale is None else y * scale
    return (y if shift is None else y + shift).rounded(4)  # for other orders of the same factors


# Activations


def _kept(function: Callable[..., Array]) -> Callable[..., Ball]:
    """Bound an op that only chooses or moves values."""

    def bound(*inputs: Ball, **attributes: Any) -> Ball:
        return exact(function(*[x.value for x in inputs], **attributes), inputs[0].precision)

    return bound


def _leaky_relu(x: Ball, *, negative_slope: float) -> Ball:
    return ball.where(x > 0, x, x * negative_slope)


def _elu(x: Ball, *, alpha: float) -> Ball:
    negative = Ball(np.minimum(x.value, 0), x.radius, x.precision)
    # exp(x) - 1 loses what expm1 keeps; both are in use.
    by_exp = x.precision.gamma(2 * ball.ELEMENTARY_ULPS) * abs(alpha)
    decayed = ball.expm1(negative) * alpha
    return ball.where(x > 0, x, Ball(decayed.value, decayed.radius + by_exp, x.precision))


def _silu(x: Ball) -> Ball:
    return x * ball.sigmoid(x)


def _gelu(x: Ball, *, approximate: str) -> Ball:
    value = exact(oracle.gelu(x.value, approximate=approximate), x.precision)
    inner = ball.erf(x * math.sqrt(0.5)) if approximate == "none" else ball.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x)))
    formula = 0.5 * x * (1.0 + inner)
    return Ball(value.value, formula.radius, x.precision)


def _hardswish(x: Ball) -> Ball:
    line = Ball(np.clip(x.value + 3, 0, 6), (x + 3.0).radius, x.precision)
    return x * line / 6.0


def _hardsigmoid(x: Ball, *, slope: float, offset: float) -> Ball:
    line = slope * x + offset
    return Ball(np.clip(line.value, 0, 1), line.rounded(2).radius, x.precision)


def _softmax(x: Ball, *, axis: int) -> Ball:
    e = ball.exp(x - ball.largest(x, axis))
    y = e / ball.total(e, (axis,), keepdims=True)
    # exp(log_softmax) is as correct; its exponent is rounded once more.
    by_logarithm = ball.exp(_log_softmax(x, axis=axis))
    return Ball(y.value, np.maximum(y.radius, by_logarithm.radius), x.precision)


def _log_softmax(x: Ball, *, axis: int) -> Ball:
    z = x - ball.largest(x, axis)
    return z - ball.log(ball.total(ball.exp(z), (axis,), keepdims=True))


# Joining values, and losses


def _add(*inputs: Ball) -> Ball:
    result = inputs[0]
    for x in inputs[1:]:
        result = result + x
    return result


def _mul(*inputs: Ball) -> Ball:
    result = inputs[0]
    for x in inputs[1:]:
        result = result * x
    return result


def _cross_entropy(x: Ball, labels: Array, *, reduction: str) -> Ball:
    chosen = -_log_softmax(x, axis=1)[np.arange(len(labels)), labels]
    return _reduced(chosen, reduction)


def _squared_error(x: Ball, target: Ball, *, scale: float, reduction: str) -> Ball:
    difference = x - target
    return _reduced(difference * difference, reduction) * scale


def _reduced(x: Ball, reduction: str) -> Ball:
    result = ball.total(x, tuple(range(len(x.shape))))
    return result / float(math.prod(x.shape)) if reduction == "mean" else result


def _one_hot(labels: Array, x: Ball) -> Ball:
    return exact(labels[:, None] == np.arange(x.shape[1]), x.precision)


_KEPT = ("identity", "relu", "relu6", "flatten", "reshape", "transpose", "pad", "concat")

CONTRACTIONS: dict[str, tuple[Callable[..., Array], Callable[..., int]]] = {
    "conv2d": (oracle.conv2d, _window),
    "conv2d_input_gradient": (oracle.conv2d_input_gradient, _scattered),
    "conv2d_weight_gradient": (oracle.conv2d_weight_gradient, _positions),
    "conv_transpose2d": (oracle.conv_transpose2d, _scattered),
    "linear": (oracle.linear, _window),
    "linear_input_gradient": (oracle.linear_input_gradient, lambda dy, weight: weight.shape[0]),
    "linear_weight_gradient": (oracle.linear_weight_gradient, _positions),
}
"""Each contraction's exact value, and how many terms it adds up."""

TABLE = SimpleNamespace(
    **{name: _contraction(*item) for name, item in CONTRACTIONS.items()},
    max_pool2d=_max_pool2d,
    max_pool2d_gradient=_max_pool2d_gradient,
    avg_pool2d=_mean(oracle.avg_pool2d, _cells),
    avg_pool2d_gradient=_mean(oracle.avg_pool2d_gradient, _cells),
    adaptive_avg_pool2d=_mean(oracle.adaptive_avg_pool2d, _span_cells),
    adaptive_avg_pool2d_gradient=_mean(oracle.adaptive_avg_pool2d_gradient, _span_cells),
    batch_norm2d=_batch_norm2d,
    layer_norm=_layer_norm,
    dropout=_mul,
    leaky_relu=_leaky_relu,
    elu=_elu,
    sigmoid=ball.sigmoid,
    tanh=ball.tanh,
    silu=_silu,
    gelu=_gelu,
    hardswish=_hardswish,
    hardsigmoid=_hardsigmoid,
    softmax=_softmax,
    log_softmax=_log_softmax,
    add=_add,
    mul=_mul,
    cross_entropy=_cross_entropy,
    squared_error=_squared_error,
    relu_gradient=lambda dy, y: ball.where(y > 0, dy, y),  # y is 0 or NaN where it is not positive
    where=ball.where,
    sum=ball.total,
    exp=ball.exp,
    log=ball.log,
    sqrt=ball.sqrt,
    erf=ball.erf,
    one_hot=_one_hot,
    **{name: _kept(getattr(oracle, name)) for name in _KEPT},
)
"""Every op, and what derivatives need, over balls."""

NORMWISE = SimpleNamespace(**(vars(TABLE) | {name: _normwise(*item) for name, item in CONTRACTIONS.items()}))
"""The same, with contractions bounded by norms."""

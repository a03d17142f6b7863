"""Convolution, its adjoint and the fully connected layer, forward and backward, as exact sums over the backend's own float64 functions.

Each layer gets, beside its weight, what `prepare` makes of it once: the weight on its grid for the forward pass and on another
for the gradient of the input, the bias in float64, and `reach`: how large and how small outputs can be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from unicnn.numerics.identical import host
from unicnn.numerics.identical.grids import (
    ONE,
    TWO_SLICES,
    exact_sum,
    norm_exponent,
    norm_over,
    norm_within,
    one_slice,
    square_sums,
    two_slices,
)
from unicnn.ops.fields import Pair

Array: TypeAlias = np.ndarray[Any, Any]
Tensor: TypeAlias = Any
Thunk: TypeAlias = Callable[[], Tensor]

FORWARD = ("grid", "offset", "reach")
BACKWARD = "back"
FAR = 600.0
"""An exponent beyond all of float32, within all of float64."""


# Forward


def conv2d(
    t: Any, x: Tensor, weight: Tensor, bias: Tensor, grid: Tensor, offset: Tensor, reach: Tensor, *_: Any, **attributes: Any
) -> Tensor:
    """Return the cross-correlation plus bias: exact sums of what is on the grids, rounded by the bias and to float32."""
    return _images(t, "conv2d", x, grid, offset, reach, **attributes)


def conv_transpose2d(
    t: Any, x: Tensor, weight: Tensor, bias: Tensor, grid: Tensor, offset: Tensor, reach: Tensor, *_: Any, **attributes: Any
) -> Tensor:
    """Return the adjoint of a convolution plus bias, likewise."""
    return _images(t, "conv_transpose2d", x, grid, offset, reach, **attributes)


def linear(t: Any, x: Tensor, weight: Tensor, bias: Tensor, grid: Tensor, offset: Tensor, reach: Tensor, *_: Any) -> Tensor:
    """Return the product with the matrix plus bias, likewise."""
    h = _sample_exponent(t, x)
    least = _least(t, h, reach)  # before the product, for which a backend that computes later would have to wait
    return t.narrow(t.ops.linear(one_slice(t, x, h), grid, None), offset=offset, least=least)


def _sample_exponent(t: Any, x: Tensor) -> Tensor:
    """Return the exponent h of the norm of each sample, a vector."""
    largest = t.largest(x, (1,))
    t.watch(largest)
    return norm_within(t, x, largest, (1,))


def _images(t: Any, op: str, x: Tensor, grid: Tensor, offset: Tensor, reach: Tensor, *, kernel_size: Pair, **attributes: Any) -> Tensor:
    h = _window_exponent(t, op, x, kernel_size, attributes)
    least = _least(t, h, reach)
    y = _contract(t, op, one_slice(t, x, h), grid, attributes)
    return t.narrow(y, offset=t.per_channel(offset), least=least)


def _contract(t: Any, op: str, x: Tensor, weight: Tensor, attributes: Mapping[str, Any]) -> Tensor:
    """Return the contraction alone, of what is on grids."""
    function = getattr(t.ops, op)
    return function(x, weight, **attributes) if op == "conv2d_input_gradient" else function(x, weight, None, **attributes)


def _window_exponent(t: Any, op: str, x: Tensor, kernel_size: Pair, attributes: Mapping[str, Any]) -> Tensor:
    """Return, for each sample (and group, by channel), the exponent h of the largest norm of what one output pixel sees.

    The sums of squares over windows are the same contraction, with ones for weights and one output channel a group.
    """
    channels, groups = t.shape(x)[1], attributes["groups"]
    inner = channels // groups
    largest = _by_group(t, x, groups)
    t.watch(largest)
    e = t.exponent(t.widen(largest))
    square = square_sums(t, x, _by_channel(t, e, inner if groups > 1 else 1), (1,) if groups == 1 else ())
    shape = (groups, inner, *kernel_size) if op == "conv2d" else (channels, 1, *kernel_size)
    if groups == 1:
        shape = (1, 1, *kernel_size)
    total = t.amax(_contract(t, op, square, t.constant(np.ones(shape), KINDS[op]), attributes), (2, 3))
    h = norm_exponent(t, total, e, inner * math.prod(kernel_size))
    return _by_channel(t, h, inner if groups > 1 else 1)


def _by_group(t: Any, x: Tensor, groups: int) -> Tensor:
    """Return the largest magnitude of each sample and group of channels (N, groups, 1, 1)."""
    samples, channels, *_ = t.shape(x)
    if groups == 1:
        return t.largest(x, (1, 2, 3))
    largest = t.largest(x, (2, 3))
    if groups == channels:
        return largest
    return t.reshape(t.amax(t.reshape(largest, (samples, groups, channels // groups, 1)), (2,)), (samples, groups, 1, 1))


def _by_channel(t: Any, x: Tensor, repeats: int) -> Tensor:
    """Return one value a group (N, groups, 1, 1) as one value a channel."""
    if repeats == 1:
        return x
    samples, groups, *_ = t.shape(x)
    spread = x * t.constant(np.ones((1, 1, repeats, 1)))
    return t.reshape(t.reshape(spread, (samples, groups, repeats, 1)), (samples, groups * repeats, 1, 1))


def _least(t: Any, h: Tensor, reach: Tensor) -> Tensor:
    """Return what no output but 0 is below in magnitude; sound the alarm where one may be beyond float32."""
    above, step, lowest = (t.part(reach, (slice(place, place + 1),)) for place in range(3))
    total = t.reshape(t.amax(h, tuple(range(len(t.shape(h))))), (1,))
    t.watch(t.power(total + above))
    smallest = t.reshape(-t.amax(-h, tuple(range(len(t.shape(h))))), (1,))
    return t.minimum(t.power(smallest + step), lowest)


# Backward


def conv2d_rule(t: Any, dy: Tensor, y: Tensor, x: Tensor, weight: Tensor, *rest: Tensor, **attributes: Any) -> tuple[Thunk | None, ...]:
    """Return the gradients: the adjoint with the weight, the correlation with the input, and a sum."""
    return (
        lambda: _adjoint(t, "conv2d_input_gradient", dy, rest[-1], input_size=t.shape(x)[2:], **attributes),
        lambda: _weight_gradient(t, dy, x, attributes),
        lambda: t.narrow(exact_sum(t, dy, (0, 2, 3))),
        *(None,) * (len(rest) - 1),
    )


def conv_transpose2d_rule(
    t: Any, dy: Tensor, y: Tensor, x: Tensor, weight: Tensor, *rest: Tensor, crop: Any, **attributes: Any
) -> tuple[Thunk | None, ...]:
    """Return the gradients likewise, for the op is the adjoint of a convolution; rows that a negative crop added saw no input."""
    (top, bottom), (left, right) = crop
    height, width = t.shape(dy)[2:]
    rows, columns = height + min(bottom, 0), width + min(right, 0)
    shift_gradient = (lambda: t.narrow(exact_sum(t, dy, (0, 2, 3))), *(None,) * (len(rest) - 1))
    if min(rows, columns) <= 0:  # the crop leaves nothing that any input had a part in
        return (lambda: t.narrow(t.widen(x) * 0.0), lambda: t.narrow(t.widen(weight) * 0.0), *shift_gradient)
    seen = dy
    if min(bottom, right) < 0:
        seen = t.part(dy, (slice(None), slice(None), slice(0, rows), slice(0, columns)))
    attributes["padding"] = ((top, max(bottom, 0)), (left, max(right, 0)))
    return (
        lambda: _adjoint(t, "conv2d", seen, rest[-1], **attributes),
        lambda: _weight_gradient(t, x, seen, attributes),
        *shift_gradient,
    )


def linear_rule(t: Any, dy: Tensor, y: Tensor, x: Tensor, weight: Tensor, *rest: Tensor) -> tuple[Thunk | None, ...]:
    """Return the gradients: products with the matrix and with the input, and a sum."""

    def input_gradient() -> Tensor:
        high, low = two_slices(t, dy, _sample_exponent(t, dy), t.shape(dy)[1])
        return _watched(t, t.narrow(t.ops.linear(low, rest[-1], None) + t.ops.linear(high, rest[-1], None)))

    def weight_gradient() -> Tensor:
        left, right = (one_slice(t, value, norm_over(t, value, (0,))) for value in (dy, x))
        return t.narrow(t.ops.linear_weight_gradient(left, right))

    return input_gradient, weight_gradient, lambda: t.narrow(exact_sum(t, dy, (0,))), *(None,) * (len(rest) - 1)


def _adjoint(t: Any, op: str, dy: Tensor, back: Tensor, *, kernel_size: Pair, **attributes: Any) -> Tensor:
    """Return the gradient of the input; gradients span more magnitudes than values do, hence the two slices."""
    h = _window_exponent(t, op, dy, kernel_size, attributes)
    high, low = two_slices(t, dy, h, t.shape(dy)[1] // attributes["groups"] * math.prod(kernel_size))
    return _watched(t, t.narrow(_contract(t, op, low, back, attributes) + _contract(t, op, high, back, attributes)))


def _watched(t: Any, x: Tensor) -> Tensor:
    """Sound the alarm if a gradient is not finite, which a later layer might hide."""
    t.watch(x)
    return x


def _weight_gradient(t: Any, dy: Tensor, x: Tensor, attributes: Mapping[str, Any]) -> Tensor:
    left, right = (one_slice(t, value, norm_over(t, value, (0, 2, 3))) for value in (dy, x))
    return t.narrow(t.ops.conv2d_weight_gradient(left, right, **attributes))


# What is made of a weight once, on the host


def prepare(key: str, op: str, groups: int, weight: Array, bias: Array | None) -> tuple[Array, str]:
    """Return the array called `key` for a layer, and the kind by which a backend packs it."""
    if key == "grid":
        h, shape, kind = _norms(op, groups, weight)
        return _gridded(weight, h, shape, ONE), kind
    if key == BACKWARD:
        h, shape, kind = _norms(ADJOINT[op], groups, weight)
        back = _gridded(weight, h, shape, TWO_SLICES[1])
        return (back.T.copy() if op == "linear" else back), kind
    outputs = weight.shape[0] if op in ("conv2d", "linear") else weight.shape[1] * groups
    if key == "offset":
        return (np.zeros(outputs) if bias is None else bias.astype(np.float64)), "vector"
    return _reach(_norms(op, groups, weight)[0], bias), "vector"


ADJOINT = {"conv2d": "conv2d_input_gradient", "conv_transpose2d": "conv2d", "linear": "linear_input_gradient"}
KINDS = {"conv2d": "conv", "conv2d_input_gradient": "conv", "conv_transpose2d": "conv_transpose"}
"""The kind as which the weight of each contraction is packed."""


def _norms(op: str, groups: int, weight: Array) -> tuple[Array, tuple[int, ...], str]:
    """Return the exponents of the norms of what each output is multiplied by, the shape that they belong to, and the kind of weight."""
    if op in ("linear", "linear_input_gradient"):
        axes = (1,) if op == "linear" else (0,)
        return norm_over(host, weight, axes), weight.shape, "linear"
    if op == "conv2d":
        return norm_over(host, weight, (1, 2, 3)), weight.shape, KINDS[op]
    shape = (groups, weight.shape[0] // groups, *weight.shape[1:])
    return norm_over(host, weight.reshape(shape), (1, 3, 4)), shape, KINDS[op]


def _gridded(weight: Array, h: Array, shape: tuple[int, ...], room: int) -> Array:
    result: Array = one_slice(host, weight.reshape(shape), h, room).reshape(weight.shape)
    return result


def _reach(h: Array, bias: Array | None) -> Array:
    """Return three numbers: what to add to the exponent of an input's norm for one that no output exceeds, and for one below that of any but 0, and the smallest step of a bias.

    |y| < 2^(h_x + 1/2) 2^(h_w + 1/2) + |bias|, and y is a multiple of 2^(h_x - 26 + h_w - 26) and of the last bit of the bias.
    """
    largest, lowest = 0.0, math.inf
    if bias is not None and bias.any():
        exponents = host.exponent(bias[bias != 0].astype(np.float64))
        largest, lowest = float(exponents.max()), float(np.ldexp(1.0, int(exponents.min()) - 24))
    above = float(h.max()) + 4 if largest <= 124 else FAR
    return np.array([above, float(h.min()) - 2 * ONE, min(lowest, 1.0)])

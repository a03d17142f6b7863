"""The derivative of every op, written once, over the functions of a table.

A rule receives a table of functions, the gradient `dy` that arrived at the output, the output `y`, and then what the
lowering received. It returns, for each operand, a function without arguments that computes that operand's gradient,
or None where there is none; so nothing is computed that nobody asked for. The table holds the gradients of
contractions, pooling and ReLU (`conv2d_input_gradient`, …) and a few primitives (`where`, `sum`, `exp`, …); values need
arithmetic operators, comparisons, slicing and `shape`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from unicnn.plan import Plan, Step

Value: TypeAlias = Any
Thunk: TypeAlias = Callable[[], Value]
Thunks: TypeAlias = tuple[Thunk | None, ...]
Rule: TypeAlias = Callable[..., Thunks]

RULES: dict[str, Rule] = {}


def derivative(rule: Rule) -> Rule:
    """Register `rule` as the derivative of the op of the same name."""
    RULES[rule.__name__] = rule
    return rule


# Contractions


@derivative
def conv2d(t: Any, dy: Value, y: Value, x: Value, weight: Value, bias: Value, **attributes: Any) -> Thunks:
    """Correlate dy with the kernel turned round, and with the input."""
    return (
        lambda: t.conv2d_input_gradient(dy, weight, input_size=x.shape[2:], **attributes),
        lambda: t.conv2d_weight_gradient(dy, x, kernel_size=weight.shape[2:], **attributes),
        lambda: t.sum(dy, (0, 2, 3)),
    )


@derivative
def conv_transpose2d(t: Any, dy: Value, y: Value, x: Value, weight: Value, bias: Value, *, crop: Any, **attributes: Any) -> Thunks:
    """Convolve dy, for the op is the adjoint of a convolution; rows that a negative crop added saw no input."""
    (top, bottom), (left, right) = crop
    rows, columns = dy.shape[2] + min(bottom, 0), dy.shape[3] + min(right, 0)
    if min(rows, columns) <= 0:  # the crop leaves nothing that any input had a part in
        return lambda: 0 * x, lambda: 0 * weight, lambda: t.sum(dy, (0, 2, 3))
    seen = dy[:, :, :rows, :columns]
    attributes["padding"] = ((top, max(bottom, 0)), (left, max(right, 0)))
    return (
        lambda: t.conv2d(seen, weight, None, **attributes),
        lambda: t.conv2d_weight_gradient(x, seen, kernel_size=weight.shape[2:], **attributes),
        lambda: t.sum(dy, (0, 2, 3)),
    )


@derivative
def linear(t: Any, dy: Value, y: Value, x: Value, weight: Value, bias: Value) -> Thunks:
    """Multiply by the matrix, and by the input."""
    return (
        lambda: t.linear_input_gradient(dy, weight),
        lambda: t.linear_weight_gradient(dy, x),
        lambda: t.sum(dy, (0,)),
    )


# Pooling


@derivative
def max_pool2d(t: Any, dy: Value, y: Value, x: Value, **attributes: Any) -> Thunks:
    """Give each window's gradient to its first maximum in row-major order."""
    return (lambda: t.max_pool2d_gradient(dy, x, y, **attributes),)


@derivative
def avg_pool2d(t: Any, dy: Value, y: Value, x: Value, **attributes: Any) -> Thunks:
    """Spread each window's gradient evenly over what it counted."""
    return (lambda: t.avg_pool2d_gradient(dy, input_size=x.shape[2:], **attributes),)


@derivative
def adaptive_avg_pool2d(t: Any, dy: Value, y: Value, x: Value, **attributes: Any) -> Thunks:
    """Spread each window's gradient evenly over the window."""
    return (lambda: t.adaptive_avg_pool2d_gradient(dy, input_size=x.shape[2:], **attributes),)


# Normalisation


def _per_channel(values: Value) -> Value:
    return values[:, None, None]


@derivative
def batch_norm2d(
    t: Any, dy: Value, y: Value, x: Value, scale: Value, shift: Value, mean: Value, var: Value,
    *, eps: float, training: bool, **_: Any,
) -> Thunks:  # fmt: skip
    """Differentiate through the batch's own statistics in training, and through a linear map in inference."""
    count = x.shape[0] * x.shape[2] * x.shape[3]
    if training:
        mean = t.sum(x, (0, 2, 3)) / count
        centred = x - _per_channel(mean)
        var = t.sum(centred * centred, (0, 2, 3)) / count
    else:
        centred = x - _per_channel(mean)
    inverse = 1 / t.sqrt(var + eps)
    normal = centred * _per_channel(inverse)
    factor = inverse if scale is None else scale * inverse

    def input_gradient() -> Value:
        if not training:
            return dy * _per_channel(factor)
        along = t.sum(dy * normal, (0, 2, 3)) / count
        return _per_channel(factor) * (dy - _per_channel(t.sum(dy, (0, 2, 3)) / count) - normal * _per_channel(along))

    return input_gradient, lambda: t.sum(dy * normal, (0, 2, 3)), lambda: t.sum(dy, (0, 2, 3)), None, None


@derivative
def layer_norm(t: Any, dy: Value, y: Value, x: Value, scale: Value, shift: Value, *, axes: tuple[int, ...], eps: float) -> Thunks:
    """Differentiate through each sample's own statistics."""
    count = math.prod(x.shape[axis] for axis in axes)
    others = tuple(axis for axis in range(len(x.shape)) if axis not in axes)

    def mean(values: Value) -> Value:
        return t.sum(values, axes, keepdims=True) / count

    centred = x - mean(x)
    inverse = 1 / t.sqrt(mean(centred * centred) + eps)
    normal = centred * inverse

    def input_gradient() -> Value:
        d = dy if scale is None else dy * spread(scale, axes, len(x.shape))
        return inverse * (d - mean(d) - normal * mean(d * normal))

    return input_gradient, lambda: t.sum(dy * normal, others), lambda: t.sum(dy, others)


def spread(parameter: Value, axes: tuple[int, ...], rank: int) -> Value:
    """Return a parameter over `axes` with axes of size 1 for the others, to broadcast against a value of `rank` axes."""
    return parameter[tuple(slice(None) if axis in axes else None for axis in range(rank))]


@derivative
def dropout(t: Any, dy: Value, y: Value, x: Value, mask: Value) -> Thunks:
    """Drop and scale as the forward pass did."""
    return lambda: dy * mask, None


# Activations


@derivative
def relu(t: Any, dy: Value, y: Value, x: Value) -> Thunks:
    """Pass dy where y is positive; elsewhere the gradient is 0, or NaN where y is."""
    return (lambda: t.relu_gradient(dy, y),)


@derivative
def relu6(t: Any, dy: Value, y: Value, x: Value) -> Thunks:
    """Pass dy strictly inside the two corners."""
    return (lambda: t.where((x > 0) & (x < 6), dy, 0 * dy),)


@derivative
def leaky_relu(t: Any, dy: Value, y: Value, x: Value, *, negative_slope: float) -> Thunks:
    """Pass dy where x is positive and its multiple elsewhere."""
    return (lambda: t.where(x > 0, dy, negative_slope * dy),)


@derivative
def elu(t: Any, dy: Value, y: Value, x: Value, *, alpha: float) -> Thunks:
    """Pass dy where x is positive; elsewhere scale by alpha exp(x)."""
    return (lambda: t.where(x > 0, dy, dy * (alpha * t.exp(t.where(x > 0, 0 * x, x)))),)


@derivative
def sigmoid(t: Any, dy: Value, y: Value, x: Value) -> Thunks:
    """Scale by y (1 - y)."""
    return (lambda: dy * (y * (1 - y)),)


@derivative
def tanh(t: Any, dy: Value, y: Value, x: Value) -> Thunks:
    """Scale by 1 - y^2."""
    return (lambda: dy * (1 - y * y),)


@derivative
def silu(t: Any, dy: Value, y: Value, x: Value) -> Thunks:
    """Scale by s + x s (1 - s) with s = sigmoid(x)."""
    s = t.sigmoid(x)
    return (lambda: dy * (s + x * (s * (1 - s))),)


@derivative
def gelu(t: Any, dy: Value, y: Value, x: Value, *, approximate: str) -> Thunks:
    """Scale by Phi(x) + x phi(x), or by the derivative of the tanh formula."""
    if approximate == "none":
        cumulative = 0.5 * (1 + t.erf(x * math.sqrt(0.5)))
        density = t.exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi))
        return (lambda: dy * (cumulative + x * density),)
    root = math.sqrt(2 / math.pi)
    h = t.tanh(root * (x + 0.044715 * (x * x * x)))
    slope = root * (1 + 3 * 0.044715 * (x * x))
    return (lambda: dy * (0.5 * (1 + h) + 0.5 * x * ((1 - h * h) * slope)),)


@derivative
def hardswish(t: Any, dy: Value, y: Value, x: Value) -> Thunks:
    """Scale by 0 up to -3, by 1 from 3 on, and by x/3 + 1/2 between."""
    return (lambda: t.where(x > -3, t.where(x < 3, dy * (x / 3 + 0.5), dy), 0 * dy),)


@derivative
def hardsigmoid(t: Any, dy: Value, y: Value, x: Value, *, slope: float, offset: float) -> Thunks:
    """Scale by the slope strictly between the corners."""
    line = slope * x + offset
    return (lambda: t.where((line > 0) & (line < 1), slope * dy, 0 * dy),)


@derivative
def softmax(t: Any, dy: Value, y: Value, x: Value, *, axis: int) -> Thunks:
    """Return y (dy - sum(dy y))."""
    return (lambda: y * (dy - t.sum(dy * y, (axis,), keepdims=True)),)


@derivative
def log_softmax(t: Any, dy: Value, y: Value, x: Value, *, axis: int) -> Thunks:
    """Return dy - softmax(x) sum(dy)."""
    return (lambda: dy - t.exp(y) * t.sum(dy, (axis,), keepdims=True),)


# Moving values


def _back(t: Any, dy: Value, y: Value, x: Value, **_: Any) -> Thunks:
    return (lambda: t.reshape(dy, shape=x.shape[1:]),)


@derivative
def identity(t: Any, dy: Value, y: Value, x: Value) -> Thunks:
    """Pass dy."""
    return (lambda: dy,)


RULES["flatten"] = RULES["reshape"] = _back


@derivative
def transpose(t: Any, dy: Value, y: Value, x: Value, *, axes: tuple[int, ...]) -> Thunks:
    """Put the axes back."""
    return (lambda: t.transpose(dy, axes=tuple(axes.index(place) for place in range(len(axes)))),)


@derivative
def pad(t: Any, dy: Value, y: Value, x: Value, *, padding: Any, value: float) -> Thunks:
    """Cut the border off."""
    (top, _), (left, _) = padding
    return (lambda: dy[:, :, top : top + x.shape[2], left : left + x.shape[3]],)


# Joining values


@derivative
def add(t: Any, dy: Value, y: Value, *inputs: Value) -> Thunks:
    """Give each input dy, summed over the axes along which it was repeated."""
    return tuple(lambda x=x: _unrepeat(t, dy, x) for x in inputs)  # type: ignore[misc]


@derivative
def mul(t: Any, dy: Value, y: Value, *inputs: Value) -> Thunks:
    """Give each input dy times the other inputs."""

    def gradient(place: int) -> Value:
        product = dy
        for other, x in enumerate(inputs):
            product = product if other == place else product * x
        return _unrepeat(t, product, inputs[place])

    return tuple(lambda place=place: gradient(place) for place in range(len(inputs)))  # type: ignore[misc]


def _unrepeat(t: Any, dy: Value, x: Value) -> Value:
    axes = tuple(axis for axis in range(len(x.shape)) if x.shape[axis] == 1 and dy.shape[axis] != 1)
    return t.sum(dy, axes, keepdims=True) if axes else dy


@derivative
def concat(t: Any, dy: Value, y: Value, *inputs: Value, axis: int) -> Thunks:
    """Give each input its part of dy."""
    thunks: list[Thunk] = []
    start = 0
    for x in inputs:
        part = (slice(None),) * axis + (slice(start, start + x.shape[axis]),)
        thunks.append(lambda part=part: dy[part])  # type: ignore[misc]
        start += x.shape[axis]
    return tuple(thunks)


# Losses


@derivative
def cross_entropy(t: Any, dy: Value, y: Value, x: Value, labels: Value, *, reduction: str) -> Thunks:
    """Return softmax(x) minus the one-hot labels, divided by the number of samples for a mean."""
    divisor = x.shape[0] if reduction == "mean" else 1
    return lambda: (t.softmax(x, axis=1) - t.one_hot(labels, x)) * (dy / divisor), None


@derivative
def squared_error(t: Any, dy: Value, y: Value, x: Value, target: Value, *, scale: float, reduction: str) -> Thunks:
    """Return twice the scaled difference, divided by the number of values for a mean."""
    divisor = math.prod(x.shape) if reduction == "mean" else 1
    return lambda: (x - target) * (dy * (2 * scale / divisor)), None


def _like(x: Value, value: float) -> Value:
    return x * 0 + value


def reverse(
    plan: Plan,
    wanted: Sequence[int],
    table: Any,
    rules: Mapping[str, Rule] = RULES,
    *,
    join: Callable[[Value, Value], Value] = operator.add,
    like: Callable[[Value, float], Value] = _like,
) -> Callable[..., tuple[Sequence[Value], Sequence[Value]]]:
    """Return a function (arguments, cotangents) -> (results, gradients of the arguments `wanted`) by walking `plan` backwards.

    `join` adds two gradients of one value, and `like` returns a number in the shape of a value.
    """
    live = set(wanted)
    for step in plan.steps:
        if live.intersection(operand for operand in step.operands if operand is not None):
            live.update(step.results)

    def back(step: Step, dy: Value, slots: list[Value], gradients: dict[int, Value]) -> None:
        operands = [None if operand is None else slots[operand] for operand in step.operands]
        thunks = rules[step.op](table, dy, slots[step.results[0]], *operands, **step.attributes)
        for operand, thunk in zip(step.operands, thunks, strict=True):
            if operand is not None and operand in live and thunk is not None:
                gradient = thunk()
                gradients[operand] = join(gradients[operand], gradient) if operand in gradients else gradient

    def run(arguments: Sequence[Value], cotangents: Sequence[Value | None]) -> tuple[Sequence[Value], Sequence[Value]]:
        slots = plan.keep(arguments)
        results = tuple(slots[slot] for slot in plan.results)
        gradients: dict[int, Value] = {}
        for slot, cotangent in zip(plan.results, cotangents, strict=False):
            seed = like(slots[slot], 1.0) if cotangent is None else cotangent
            gradients[slot] = join(gradients[slot], seed) if slot in gradients else seed  # a value may be an output twice
        for step in reversed(plan.steps):
            dy = gradients.pop(step.results[0], None)
            if dy is not None and live.intersection(step.results):
                back(step, dy, slots, gradients)
            for slot in step.results:
                slots[slot] = None  # nothing before this step reads it, and its memory may be used again
        return results, [gradients[place] if place in gradients else like(slots[place], 0.0) for place in wanted]

    return run

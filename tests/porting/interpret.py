"""A second opinion on a tape: every word of the vocabulary computed with NumPy in float64, straight from its definition.

It shares nothing with the lifting, and serves the tests of all importers: what `interpret` computes from a tape must be
what the framework computes from the network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, TypeAlias

import numpy as np

from unicnn.porting.tape import Call, Tape

Array: TypeAlias = np.ndarray[Any, Any]
Pair: TypeAlias = tuple[int, int]
Sides: TypeAlias = tuple[Pair, Pair]


def interpret(tape: Tape, inputs: Sequence[Array]) -> dict[str, Array]:
    """Return every value of the tape by its name, inputs included, as inference computes it."""
    assert len(inputs) == len(tape.inputs), f"the tape takes {len(tape.inputs)} inputs"
    values: dict[str, Array] = {}
    for (name, shape), array in zip(tape.inputs, inputs, strict=True):
        assert tuple(shape) == array.shape, f"{name} has the shape {shape} on the tape"
        values[name] = np.asarray(array, np.float64)
    for call in tape.calls:
        assert call.op in WORDS, f"{call.op} of {call.path or 'the network'} is not a word ({call.where})"
        assert call.name not in {**values, **tape.constants}, f"{call.name} names two things"
        operands = [_operand(tape, values, item) for item in call.inputs]
        result = np.asarray(WORDS[call.op](call, *operands))
        assert result.shape == tuple(call.shape), f"{call.op} {call.name} gives {result.shape}, not {call.shape} ({call.attributes})"
        values[call.name] = result
    return values


def outputs(tape: Tape, inputs: Sequence[Array]) -> list[Array]:
    """Return the outputs of the tape, in order."""
    values = interpret(tape, inputs)
    return [_operand(tape, values, name) for _, name in tape.outputs]


def distance(computed: Array, wanted: Array) -> float:
    """Return the largest difference of two arrays, relative to the largest value of the one that is wanted."""
    assert computed.shape == wanted.shape, f"{computed.shape} is not {wanted.shape}"
    scale = float(np.max(np.abs(wanted), initial=0.0))
    return float(np.max(np.abs(computed - wanted), initial=0.0)) / (scale or 1.0)


def _operand(tape: Tape, values: Mapping[str, Array], item: Any) -> Any:
    if item is None or isinstance(item, (int, float)):
        return item
    if item in values:
        return values[item]
    constant = tape.constants[item]
    array = np.asarray(constant.read())
    assert array.shape == tuple(constant.shape), f"{item} is {array.shape}, not {constant.shape}"
    return np.asarray(array, np.float64)


# Convolution. Everything is done channels first, with weights (out, in/groups, rows, columns).


def _first(x: Array, data: str) -> Array:
    return x.transpose(0, 3, 1, 2) if {"NCHW": False, "NHWC": True}[data] else x


def _back(x: Array, data: str) -> Array:
    return x.transpose(0, 2, 3, 1) if data == "NHWC" else x


def _same(size: int, kernel: int, stride: int, dilation: int = 1) -> Pair:
    total = max((-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return total // 2, total - total // 2


def _sides(padding: str | Sides, x: Array, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Sides:
    if padding == "same":
        vertical, horizontal = (_same(n, k, s, d) for n, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True))
        return vertical, horizontal
    assert not isinstance(padding, str), padding
    return padding


def _bordered(x: Array, sides: Sides, value: float) -> Array:
    return np.pad(x, ((0, 0), (0, 0), *sides), constant_values=value)


def _taps(x: Array, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Any:
    """Yield (row, column, the pixels that this tap of the window sees) for all taps."""
    size = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True)]
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            top, left = row * dilation[0], column * dilation[1]
            yield (
                row,
                column,
                x[:, :, top : top + (size[0] - 1) * stride[0] + 1 : stride[0], left : left + (size[1] - 1) * stride[1] + 1 : stride[1]],
            )


def _conv(call: Call, x: Array, weight: Array, bias: Array | None) -> Array:
    a = call.attributes
    x, groups = _first(x, a["data"]), a["groups"]
    if a["kernel"] == "HWCM":
        weight = weight.transpose(2, 3, 0, 1).reshape(-1, 1, *weight.shape[:2])
    elif a["kernel"] == "HWIO":
        weight = weight.transpose(3, 2, 0, 1)
    else:
        assert a["kernel"] == "OIHW", a["kernel"]
    outer, inner, *kernel = weight.shape
    assert inner * groups == x.shape[1], f"{groups} groups of {inner} channels are not {x.shape[1]}"
    x = _bordered(x, _sides(a["padding"], x, (kernel[0], kernel[1]), a["stride"], a["dilation"]), 0.0)
    total: Any = 0.0
    for row, column, seen in _taps(x, (kernel[0], kernel[1]), a["stride"], a["dilation"]):
        parts = seen.reshape(len(x), groups, inner, -1)
        total = total + weight[:, :, row, column].reshape(groups, outer // groups, inner) @ parts
        size = seen.shape[2:]
    y = total.reshape(len(x), outer, *size)
    return _back(y if bias is None else y + bias[:, None, None], a["data"])


def _conv_transpose(call: Call, x: Array, weight: Array, bias: Array | None) -> Array:
    a = call.attributes
    x, groups, stride, dilation = _first(x, a["data"]), a["groups"], a["stride"], a["dilation"]
    if a["kernel"] == "HWOI":
        weight = weight.transpose(3, 2, 0, 1)
    else:
        assert a["kernel"] == "IOHW", a["kernel"]
    inner, outer, *kernel = weight.shape
    height, width = ((n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(x.shape[2:], stride, dilation, kernel, strict=True))
    y = np.zeros((len(x), outer * groups, height, width))
    parts = x.reshape(len(x), groups, inner // groups, -1)
    for row, column, seen in _taps(y, (kernel[0], kernel[1]), stride, dilation):  # views of y, which are added to
        taps = weight[:, :, row, column].reshape(groups, inner // groups, outer).transpose(0, 2, 1)
        seen += (taps @ parts).reshape(seen.shape)
    for axis, (before, after) in zip((2, 3), a["crop"], strict=True):
        y = _cropped(y, axis, before, after)
    return _back(y if bias is None else y + bias[:, None, None], a["data"])


def _cropped(x: Array, axis: int, before: int, after: int) -> Array:
    """Return `x` without what lies outside; a negative crop adds zeros."""
    x = np.pad(x, [(max(-before, 0), max(-after, 0)) if i == axis else (0, 0) for i in range(x.ndim)])
    return x.take(range(max(before, 0), x.shape[axis] - max(after, 0)), axis)


def _linear(call: Call, x: Array, weight: Array, bias: Array | None) -> Array:
    assert call.attributes["kernel"] in ("OI", "IO"), call.attributes["kernel"]
    y = x @ (weight.T if call.attributes["kernel"] == "OI" else weight)
    return y if bias is None else y + bias


# Normalisation.


def _along(vector: Array | float | None, axis: int, rank: int, default: float) -> Any:
    if not isinstance(vector, np.ndarray):
        return default if vector is None else vector
    return vector.reshape([-1 if i == axis else 1 for i in range(rank)])


def _batch_norm(call: Call, x: Array, scale: Any, shift: Any, mean: Any, var: Any) -> Array:
    axis = call.attributes["axis"]
    assert 0 < axis < x.ndim, axis
    gamma, beta, mu, variance = (_along(v, axis, x.ndim, d) for v, d in ((scale, 1.0), (shift, 0.0), (mean, 0.0), (var, 1.0)))
    return (x - mu) / np.sqrt(variance + call.attributes["eps"]) * gamma + beta


def _layer_norm(call: Call, x: Array, scale: Any, shift: Any) -> Array:
    axes = tuple(call.attributes["axes"])
    centred = x - x.mean(axes, keepdims=True)
    y = centred / np.sqrt((centred**2).mean(axes, keepdims=True) + call.attributes["eps"])
    shape = [n if axis in axes else 1 for axis, n in enumerate(x.shape)]
    return y * (1.0 if scale is None else scale.reshape(shape)) + (0.0 if shift is None else shift.reshape(shape))


# Pooling.


def _pool_sides(call: Call, x: Array) -> tuple[Sides, Sides]:
    """Return the padding, and what lies beyond it after the last window that ceil mode keeps."""
    a = call.attributes
    asked = _sides(a["padding"], x, a["kernel_size"], a["stride"])
    if not a["ceil_mode"]:
        return asked, ((0, 0), (0, 0))
    beyond = []
    for n, k, s, p in zip(x.shape[2:], a["kernel_size"], a["stride"], asked, strict=True):
        windows = -(-(n + sum(p) - k) // s) + 1
        windows -= (windows - 1) * s >= n + p[0]
        beyond.append((0, max(0, (windows - 1) * s + k - n - sum(p))))
    return asked, (beyond[0], beyond[1])


def _max_pool(call: Call, x: Array) -> Array:
    a = call.attributes
    x = _first(x, a["data"])
    asked, beyond = _pool_sides(call, x)
    x = _bordered(_bordered(x, asked, -math.inf), beyond, -math.inf)
    y = np.max([seen for _, _, seen in _taps(x, a["kernel_size"], a["stride"])], axis=0)
    return _back(y, a["data"])


def _avg_pool(call: Call, x: Array) -> Array:
    a = call.attributes
    x = _first(x, a["data"])
    asked, beyond = _pool_sides(call, x)
    counted = _bordered(_bordered(np.ones((1, 1, *x.shape[2:])), asked, float(a["count_include_pad"])), beyond, 0.0)
    x = _bordered(_bordered(x, asked, 0.0), beyond, 0.0)
    total, count = (sum(seen for _, _, seen in _taps(v, a["kernel_size"], a["stride"])) for v in (x, counted))
    return _back(np.asarray(total / count), a["data"])


def _adaptive_avg_pool(call: Call, x: Array) -> Array:
    x = _first(x, call.attributes["data"])
    for axis, o in zip((2, 3), call.attributes["output_size"], strict=True):
        n = x.shape[axis]
        x = np.stack([x.take(range(i * n // o, -(-(i + 1) * n // o)), axis).mean(axis) for i in range(o)], axis)
    return _back(x, call.attributes["data"])


# Elementwise functions and the rest.


def _sigmoid(x: Array) -> Array:
    return np.exp(-np.logaddexp(0.0, -x))


_erf = np.vectorize(math.erf, otypes=[np.float64])


def _gelu(call: Call, x: Array) -> Array:
    if call.attributes["approximate"] in ("tanh", True):
        return 0.5 * x * (1.0 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    assert call.attributes["approximate"] in ("none", False), call.attributes
    return 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0)))


def _log_softmax(call: Call, x: Array) -> Array:
    shifted = x - x.max(call.attributes["axis"], keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(call.attributes["axis"], keepdims=True))


def _split(call: Call, x: Array) -> Array:
    start, size = call.attributes["start"], call.attributes["size"]
    assert 0 <= start < start + size <= x.shape[call.attributes["axis"]], call.attributes
    return x.take(range(start, start + size), call.attributes["axis"])


def _reduce(function: Callable[..., Array]) -> Callable[..., Array]:
    return lambda call, x: function(x, axis=tuple(call.attributes["axes"]), keepdims=call.attributes["keepdims"])


def _bound(limit: float | None, otherwise: float) -> float:
    return otherwise if limit is None else limit


def _plain(function: Callable[..., Any]) -> Callable[..., Array]:
    return lambda call, *operands: np.asarray(function(*operands), np.float64)


WORDS: Mapping[str, Callable[..., Array]] = {
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "dropout": _plain(lambda x: x),
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "adaptive_avg_pool": _adaptive_avg_pool,
    "relu": _plain(lambda x: np.maximum(x, 0.0)),
    "relu6": _plain(lambda x: np.clip(x, 0.0, 6.0)),
    "leaky_relu": lambda call, x: np.where(x > 0, x, call.attributes["negative_slope"] * x),
    "elu": lambda call, x: np.where(x > 0, x, call.attributes["alpha"] * np.expm1(np.minimum(x, 0.0))),
    "sigmoid": _plain(_sigmoid),
    "tanh": _plain(np.tanh),
    "silu": _plain(lambda x: x * _sigmoid(x)),
    "gelu": _gelu,
    "hardswish": _plain(lambda x: x * np.clip(x + 3.0, 0.0, 6.0) / 6.0),
    "hardsigmoid": lambda call, x: np.clip(call.attributes["slope"] * x + call.attributes["offset"], 0.0, 1.0),
    "softmax": lambda call, x: np.exp(_log_softmax(call, x)),
    "log_softmax": _log_softmax,
    "identity": _plain(lambda x: x),
    "reshape": lambda call, x: np.reshape(x, call.shape),
    "transpose": lambda call, x: np.transpose(x, call.attributes["axes"]),
    "pad": lambda call, x: np.pad(x, call.attributes["widths"], constant_values=call.attributes["value"]),
    "concat": lambda call, *parts: np.concatenate(parts, call.attributes["axis"]),
    "split": _split,
    "mean": _reduce(np.mean),
    "max": _reduce(np.max),
    "sum": _reduce(np.sum),
    "add": _plain(lambda *parts: reduce(np.add, parts)),
    "sub": _plain(np.subtract),
    "mul": _plain(lambda *parts: reduce(np.multiply, parts)),
    "div": _plain(np.divide),
    "maximum": _plain(np.maximum),
    "minimum": _plain(np.minimum),
    "clip": lambda call, x: np.clip(x, _bound(call.attributes["low"], -math.inf), _bound(call.attributes["high"], math.inf)),
    "neg": _plain(np.negative),
    "exp": _plain(np.exp),
    "expm1": _plain(np.expm1),
    "greater": lambda call, a, b: np.greater(a, b),
    "where": lambda call, condition, a, b: np.where(condition, a, b),
    "log": _plain(np.log),
    "sqrt": _plain(np.sqrt),
    "rsqrt": _plain(lambda x: 1.0 / np.sqrt(x)),
    "square": _plain(np.square),
    "abs": _plain(np.abs),
    "erf": _plain(_erf),
    "power": _plain(np.power),
}

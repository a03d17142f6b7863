"""Functions of numbers, sums and products."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from unicnn_tensorflow.importing.meaning import meant
from unicnn_tensorflow.importing.operations.forms import MACHINERY, erf
from unicnn_tensorflow.importing.source import made_by_framework


def _word(word: str, **attributes: Any) -> Callable[[Any, Any], Any]:
    return lambda walker, op: walker.put(op, word, op.inputs, attributes)


def _last_axis(word: str) -> Callable[[Any, Any], Any]:
    return lambda walker, op: walker.put(op, word, op.inputs, {"axis": len(op.inputs[0].shape) - 1})


def _leaky(walker: Any, op: Any) -> Any:
    return walker.put(op, "leaky_relu", op.inputs, {"negative_slope": meant(op.get_attr("alpha"))})


def _alias(walker: Any, op: Any) -> Any:
    for given, result in zip(op.inputs, op.outputs, strict=True):
        walker.alias(result, given)


def _functions(walker: Any, op: Any) -> Any:
    """Let values through that a function with a derivative of its own returns, if TensorFlow itself has defined it."""
    if "_gradient_op_type" in op.node_def.attr and not made_by_framework(op, MACHINERY):
        return walker.put(op, "custom_gradient", op.inputs[:1], {})
    return _alias(walker, op)


def _cast(walker: Any, op: Any) -> Any:
    wide = (tf.float32, tf.float64)
    if op.inputs[0].dtype not in wide or op.outputs[0].dtype not in wide:
        return NotImplemented
    return walker.alias(op.outputs[0], op.inputs[0])


def _squared_difference(walker: Any, op: Any) -> Any:
    a, b = op.inputs
    step = walker.put(
        op, "sub", op.inputs, {}, shape=tuple(op.outputs[0].shape), result=lambda values: walker.value(values, a) - walker.value(values, b)
    )
    return walker.put(op, "square", (step,), {})


def _reciprocal(walker: Any, op: Any) -> Any:
    return walker.put(op, "div", (1.0, op.inputs[0]), {})


def _complement(walker: Any, op: Any) -> Any:
    """Put 1 - erf(x) on the tape for erfc(x)."""
    x = op.inputs[0]
    step = walker.put(op, "erf", op.inputs, {}, result=lambda values: erf(walker.value(values, x)), shape=tuple(x.shape))
    return walker.put(op, "sub", (1.0, step), {})


def _sum_of_many(walker: Any, op: Any) -> Any:
    first, *rest = op.inputs
    total: Any = first
    for i, item in enumerate(rest):
        if i == len(rest) - 1:
            return walker.put(op, "add", (total, item), {})
        items = op.inputs[: i + 2]
        added = lambda values, items=items: sum(walker.value(values, item) for item in items)  # noqa: E731
        total = walker.put(op, "add", (total, item), {}, result=added, shape=tuple(first.shape))
    return walker.alias(op.outputs[0], first)


def _clip(walker: Any, op: Any) -> Any:
    x, low, high = op.inputs
    bounds = [walker.static(item) for item in (low, high)]
    if any(bound is None or bound.ndim for bound in bounds):
        return NotImplemented
    return walker.put(op, "clip", (x,), {"low": float(bounds[0]), "high": float(bounds[1])})


def _reduce(word: str) -> Callable[[Any, Any], Any]:
    def put(walker: Any, op: Any) -> Any:
        axes = walker.static(op.inputs[1])
        if axes is None:
            return NotImplemented
        rank = len(op.inputs[0].shape)
        wanted = tuple(sorted({int(axis) % rank for axis in np.ravel(axes)}))
        if not wanted:
            return walker.alias(op.outputs[0], op.inputs[0])
        return walker.put(op, word, op.inputs[:1], {"axes": wanted, "keepdims": bool(op.get_attr("keep_dims"))})

    return put


def _matrix(walker: Any, op: Any) -> Any:
    """Put a product with a constant matrix on the tape, which is a fully connected layer."""
    turned = [key for key in ("transpose_a", "transpose_b", "adj_x", "adj_y") if key in op.node_def.attr and op.get_attr(key)]
    if len(op.inputs[1].shape) != 2 or any(key in ("transpose_a", "adj_x") for key in turned):
        return NotImplemented
    return walker.put(op, "linear", (*op.inputs, None), {"kernel": "OI" if turned else "IO"})


def _einsum(walker: Any, op: Any) -> Any:
    equation = op.get_attr("equation").decode().replace(" ", "")
    taken, _, given = equation.partition("->")
    parts = taken.split(",")
    if len(parts) != 2 or len(parts[1]) != 2 or "." in equation or parts[0][:-1] != given[:-1] or parts[0][-1] in given:
        return NotImplemented
    kernel = {parts[0][-1] + given[-1]: "IO", given[-1] + parts[0][-1]: "OI"}.get(parts[1])
    return NotImplemented if kernel is None else walker.put(op, "linear", (*op.inputs, None), {"kernel": kernel})


HANDLERS: Mapping[str, Callable[[Any, Any], Any]] = {
    "Relu": _word("relu"),
    "Relu6": _word("relu6"),
    "LeakyRelu": _leaky,
    "Elu": _word("elu", alpha=1.0),
    "Sigmoid": _word("sigmoid"),
    "Tanh": _word("tanh"),
    "Softmax": _last_axis("softmax"),
    "LogSoftmax": _last_axis("log_softmax"),
    **dict.fromkeys(("Add", "AddV2"), _word("add")),
    "Sub": _word("sub"),
    "Mul": _word("mul"),
    **dict.fromkeys(("RealDiv", "Div"), _word("div")),
    "Maximum": _word("maximum"),
    "Minimum": _word("minimum"),
    "Neg": _word("neg"),
    "Exp": _word("exp"),
    "Log": _word("log"),
    "Sqrt": _word("sqrt"),
    "Rsqrt": _word("rsqrt"),
    "Square": _word("square"),
    "Abs": _word("abs"),
    "Erf": _word("erf"),
    "Erfc": _complement,
    "Pow": _word("power"),
    **dict.fromkeys(("Reciprocal", "Inv"), _reciprocal),
    "SquaredDifference": _squared_difference,
    "AddN": _sum_of_many,
    "ClipByValue": _clip,
    "Mean": _reduce("mean"),
    "Max": _reduce("max"),
    "Sum": _reduce("sum"),
    **dict.fromkeys(("MatMul", "BatchMatMulV2", "BatchMatMulV3"), _matrix),
    "Einsum": _einsum,
    **dict.fromkeys(("Identity", "EnsureShape", "CheckNumerics", "Snapshot"), _alias),
    "IdentityN": _functions,
    "Cast": _cast,
}

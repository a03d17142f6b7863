"""The proof, before anything is computed, that a backend adds up whole numbers of 53 bits exactly on a device.

What fails is replaced by columns and one matrix product; if that fails too, the backend is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np

from unicnn import randomness
from unicnn.errors import UnsupportedError
from unicnn.numerics.identical import columns
from unicnn.plan import Argument, Plan

Array: TypeAlias = np.ndarray[Any, Any]
Operand: TypeAlias = tuple[Array, str]
"""An array, and the kind as which it is packed; none for a value."""
Check: TypeAlias = tuple[Callable[..., Any], tuple[Operand, Operand], Operand]
"""A function of two tensors as they lie inside, what it is given, and what it must return."""

CONVOLUTIONS = ("conv2d", "conv2d_input_gradient", "conv2d_weight_gradient", "conv_transpose2d")
PRODUCTS = ("linear", "linear_weight_gradient")

# Where FFT or Winograd would be chosen if anywhere; and a window with a stride and uneven padding.
GEOMETRIES: tuple[dict[str, Any], ...] = (
    {"x": (2, 32, 16, 16), "weight": (32, 32, 3, 3), "stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1},
    {"x": (3, 4, 11, 10), "weight": (6, 2, 5, 3), "stride": (2, 3), "padding": ((2, 1), (0, 2)), "dilation": (1, 2), "groups": 2},
)

_verdicts: dict[tuple[str, str, str], tuple[str, ...]] = {}


def trusted(t: Any, key: tuple[str, str, str], compile: Callable[[Plan], Callable[..., Any]]) -> SimpleNamespace:
    """Return the functions of the table, those that are not exact replaced; raise UnsupportedError if that does not help.

    `key` names backend, version and device, for which the outcome is remembered; `compile` makes a plan run as it will.
    """
    if key not in _verdicts:
        _verdicts[key] = _judged(t, key, compile)
    replaced = {name: partial(getattr(columns, name), t) for name in _verdicts[key]}
    return SimpleNamespace(**(vars(t.ops) | replaced))


def _judged(t: Any, key: tuple[str, str, str], compile: Callable[[Plan], Callable[..., Any]]) -> tuple[str, ...]:
    wrong = [name for name in PRODUCTS if not hasattr(t.ops, name)] or _failures(t, PRODUCTS, compile)
    if wrong:
        raise UnsupportedError(
            f"{key[0]} {key[1]} on {key[2]} cannot compute identically: its float64 {' and '.join(wrong)} is missing or not exact on whole numbers below 2^53. "
            'Use another backend or device, or numerics="native".'
        )
    absent = [name for name in CONVOLUTIONS if not hasattr(t.ops, name) or not t.runtime.plain_convolution]
    failed = (*absent, *_failures(t, [name for name in CONVOLUTIONS if name not in absent], compile))
    if not failed:
        return ()
    before = t.ops
    t.ops = SimpleNamespace(**(vars(before) | {name: partial(getattr(columns, name), t) for name in failed}))
    try:
        still = _failures(t, failed, compile)
    finally:
        t.ops = before
    if still:
        raise UnsupportedError(
            f"{key[0]} {key[1]} on {key[2]} cannot compute identically: neither its float64 {' and '.join(still)} nor columns and its matrix product are "
            'exact on whole numbers below 2^53. Use another backend or device, or numerics="native".'
        )
    return tuple(failed)


def _failures(t: Any, names: Iterable[str], compile: Callable[[Plan], Callable[..., Any]]) -> list[str]:
    """Return those of the functions that give anything but the exact whole numbers."""
    return [name for name in names if not all(_holds(t, check, compile) for check in _checks(t, name))]


def _holds(t: Any, check: Check, compile: Callable[[Plan], Callable[..., Any]]) -> bool:
    run, operands, (expected, kind) = check
    # Operands are arguments: what a compiler sees to be constant it may compute itself, by other code than it would run.
    arguments = [t.runtime.pack(kind, array) if kind else t.runtime.tensor(array) for array, kind in operands]
    (found,) = compile(_Once(t, run, operands, kind))(arguments)
    array = t.runtime.unpack(kind, found) if kind else t.runtime.array(found)
    return array.shape == expected.shape and bool((array == expected).all())


class _Once(Plan):
    """Be a plan of one function of two operands."""

    static = True

    def __init__(self, t: Any, run: Callable[..., Any], operands: Iterable[Operand], kind: str) -> None:
        described = [Argument(f"operand{place}", "prepared", array.shape, kind) for place, (array, kind) in enumerate(operands)]
        super().__init__(described, (), ())
        self.t, self.run, self.kind = t, run, kind

    def __call__(self, arguments: Any) -> tuple[Any, ...]:
        enter, leave = self.t.runtime.enter, self.t.runtime.leave
        inside = [value if item.kind else enter(value) for value, item in zip(arguments, self.arguments, strict=True)]
        found = self.run(*inside)
        return (found if self.kind else leave(found),)


def _checks(t: Any, name: str) -> Iterator[Check]:
    if name in PRODUCTS:
        yield _product_check(t, name)
        return
    for geometry in GEOMETRIES:
        yield _convolution_check(t, name, geometry)


def whole(shape: tuple[int, ...], terms: int, *key: object) -> Array:
    """Return odd whole numbers such that `terms` products of two of them, in magnitude, add up to less than 2^53."""
    bits = math.floor((53 - math.log2(terms)) / 2) - 1
    return np.floor(randomness.uniform(shape, "selftest", *key) * 2.0**bits) * 2 - (2.0**bits - 1)


def _product_check(t: Any, name: str) -> Check:
    left, right = whole((37, 300), 300, name, 0), whole((300, 29), 300, name, 1)
    expected = (left.astype(np.int64) @ right.astype(np.int64)).astype(np.float64)
    if name == "linear":
        return lambda x, weight: t.ops.linear(x, weight, None), ((left, ""), (np.ascontiguousarray(right.T), "linear")), (expected, "")
    return t.ops.linear_weight_gradient, ((np.ascontiguousarray(left.T), ""), (right, "")), (expected, "linear")


def _convolution_check(t: Any, name: str, geometry: dict[str, Any]) -> Check:
    attributes = {key: value for key, value in geometry.items() if key not in ("x", "weight")}
    samples, _, *size = geometry["x"]
    outputs, inner, *kernel = geometry["weight"]
    pixels = columns._windows(size, kernel, attributes["stride"], attributes["padding"], attributes["dilation"])
    terms = {"conv2d": inner * math.prod(kernel), "conv2d_weight_gradient": samples * math.prod(pixels)}
    count = terms.get(name, outputs // attributes["groups"] * math.prod(kernel))
    x, weight = (whole(geometry[key], count, name, key) for key in ("x", "weight"))
    dy = whole((samples, outputs, *pixels), count, name, "dy")
    forward, input_gradient, weight_gradient = _exact(x, weight, dy, attributes)
    ops = t.ops
    if name == "conv2d":
        return lambda x, weight: ops.conv2d(x, weight, None, **attributes), ((x, ""), (weight, "conv")), (forward, "")
    if name == "conv2d_weight_gradient":
        values = {"kernel_size": tuple(kernel), **attributes}
        return partial(ops.conv2d_weight_gradient, **values), ((dy, ""), (x, "")), (weight_gradient, "conv")
    if name == "conv2d_input_gradient":
        values = {"input_size": tuple(size), **attributes}
        return partial(ops.conv2d_input_gradient, **values), ((dy, ""), (weight, "conv")), (input_gradient, "")
    values, kind = _transposed(attributes, pixels, kernel, size), "conv_transpose"
    return lambda x, weight: ops.conv_transpose2d(x, weight, None, **values), ((dy, ""), (weight, kind)), (input_gradient, "")


def _transposed(attributes: dict[str, Any], pixels: Iterable[int], kernel: Iterable[int], size: Iterable[int]) -> dict[str, Any]:
    """Return the attributes of the transposed convolution that is the adjoint of a convolution."""
    crop = tuple(
        (before, (n - 1) * s + d * (k - 1) + 1 - before - m)
        for n, s, d, k, m, (before, _) in zip(
            pixels, attributes["stride"], attributes["dilation"], kernel, size, attributes["padding"], strict=True
        )
    )
    return {"stride": attributes["stride"], "crop": crop, "dilation": attributes["dilation"], "groups": attributes["groups"]}


def _exact(x: Array, weight: Array, dy: Array, attributes: dict[str, Any]) -> tuple[Array, Array, Array]:
    """Return a convolution and both of its gradients in whole numbers of 64 bits, tap by tap."""
    (top, bottom), (left, right) = attributes["padding"]
    groups, (sh, sw), (dh, dw) = attributes["groups"], attributes["stride"], attributes["dilation"]
    padded = np.pad(x.astype(np.int64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    padded = padded.reshape(len(x), groups, -1, *padded.shape[2:])
    kernels = weight.astype(np.int64).reshape(groups, -1, *weight.shape[1:])
    gradients = dy.astype(np.int64).reshape(len(dy), groups, -1, *dy.shape[2:])
    y, dx, dw_ = np.zeros_like(gradients), np.zeros_like(padded), np.zeros_like(kernels)
    for i, j in np.ndindex(*weight.shape[2:]):
        rows = slice(i * dh, i * dh + (dy.shape[2] - 1) * sh + 1, sh)
        cols = slice(j * dw, j * dw + (dy.shape[3] - 1) * sw + 1, sw)
        y += np.einsum("ngchw,goc->ngohw", padded[..., rows, cols], kernels[..., i, j])
        dx[..., rows, cols] += np.einsum("ngohw,goc->ngchw", gradients, kernels[..., i, j])
        dw_[..., i, j] = np.einsum("ngohw,ngchw->goc", gradients, padded[..., rows, cols])
    dx = dx.reshape(len(x), -1, *dx.shape[3:])[:, :, top : top + x.shape[2], left : left + x.shape[3]]
    return y.reshape(dy.shape).astype(np.float64), dx.astype(np.float64), dw_.reshape(weight.shape).astype(np.float64)

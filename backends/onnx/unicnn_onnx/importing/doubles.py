"""Operators of which the reference implementation is no judge: some it computes with singles, windows that hang over an edge or have groups it mistakes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun

from unicnn_onnx.importing.paddings import Pair, Sides, crop, geometry

Array = np.ndarray[Any, Any]
_erf = np.vectorize(math.erf, otypes=[np.float64])


class Erf(OpRun):
    """Compute the error function."""

    op_domain = ""

    def _run(self, x: Array) -> tuple[Array]:
        return (_erf(x),)


class Gelu(OpRun):
    """Compute x times the normal distribution function, or its approximation by tanh."""

    op_domain = ""

    def _run(self, x: Array, approximate: str = "none") -> tuple[Array]:
        if approximate == "tanh":
            return (x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),)
        return (x / 2 * (1 + _erf(x / math.sqrt(2))),)


class HardSwish(OpRun):
    """Compute x times min(max(x / 6 + 1/2, 0), 1)."""

    op_domain = ""

    def _run(self, x: Array) -> tuple[Array]:
        return (x * np.clip(x / 6 + 0.5, 0, 1),)


class _Pool(OpRun):
    """Pool an image with windows that may hang over its edge; what lies beyond the padding never counts."""

    op_domain = ""
    beyond = 0.0

    def _run(self, x: Array, **attributes: Any) -> tuple[Array]:
        return (self._pooled(x, *geometry(x.shape, attributes), counted=bool(attributes.get("count_include_pad"))),)

    def _pooled(self, x: Array, sides: Sides, over: Sides, size: Pair, stride: Pair, *, counted: bool) -> Array:
        wide = [(before + more[0], after + more[1]) for (before, after), more in zip(sides, over, strict=True)]
        weight = np.pad(np.pad(np.ones(x.shape[2:]), sides, constant_values=float(counted)), over)
        windows = _seen(np.pad(x, [(0, 0), (0, 0), *wide], constant_values=self.beyond), size, stride)
        return self._reduced(windows, _seen(weight, size, stride))

    def _reduced(self, windows: Array, weights: Array) -> Array:
        return windows.sum((-2, -1)) / weights.sum((-2, -1))


class AveragePool(_Pool):
    """Compute the mean of each window."""


class MaxPool(_Pool):
    """Compute the maximum of each window."""

    beyond = -math.inf

    def _reduced(self, windows: Array, weights: Array) -> Array:
        return windows.max((-2, -1))


def _seen(x: Array, size: Pair, stride: Pair) -> Array:
    """Return all windows along the last two axes."""
    return np.lib.stride_tricks.sliding_window_view(x, size, (-2, -1))[..., :: stride[0], :: stride[1], :, :]


class ConvTranspose(OpRun):
    """Compute the adjoint of a convolution: every pixel adds its multiple of the kernel to the full output, which is then cropped."""

    op_domain = ""

    def _run(self, x: Array, weight: Array, bias: Array | None = None, **attributes: Any) -> tuple[Array]:
        stride, dilation = (tuple(attributes.get(name) or (1, 1)) for name in ("strides", "dilations"))
        groups, (inner, outer, *kernel) = attributes.get("group") or 1, weight.shape
        sizes = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(x.shape[2:], stride, dilation, kernel, strict=True)]
        full = np.zeros((len(x), groups, outer, *sizes))
        parts = x.reshape(len(x), groups, inner // groups, *x.shape[2:])
        taps = weight.reshape(groups, inner // groups, outer, *kernel)
        for row, column in np.ndindex(*kernel):
            below, right = (
                slice(place * d, place * d + (n - 1) * s + 1, s)
                for place, d, n, s in zip((row, column), dilation, x.shape[2:], stride, strict=True)
            )
            full[..., below, right] += np.einsum("ngihw,gio->ngohw", parts, taps[..., row, column])
        y = full.reshape(len(x), groups * outer, *sizes)
        for axis, (before, after) in enumerate(crop(x.shape[2:], sizes, stride, attributes), 2):
            y = np.pad(y, [(0, max(-after, 0)) if i == axis else (0, 0) for i in range(4)])
            y = y.take(range(before, y.shape[axis] - max(after, 0)), axis)
        return (y if bias is None else y + bias[:, None, None],)


DOUBLES = [Erf, Gelu, HardSwish, AveragePool, MaxPool, ConvTranspose]

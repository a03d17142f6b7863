"""Forms: functions that TensorFlow puts together from several operations, taken as the word they mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from unicnn_tensorflow.importing.operations.images import data_of, geometry, rows
from unicnn_tensorflow.importing.source import made_by_framework

MACHINERY = ("tensorflow/python/framework/", "tensorflow/python/util/", "/custom_gradient.py", "/ops/gen_", "/ops/array_ops")
"""Files between a function with a derivative of its own and whoever has defined it."""

erf = np.vectorize(math.erf, otypes=[np.float64])


@dataclass(frozen=True)
class Form:
    """Be a word with the tensors that it takes."""

    word: str
    inputs: tuple[Any, ...]
    attributes: Mapping[str, Any]


def find(walker: Any, op: Any) -> Form | None:
    """Return the form that ends in an operation, if one does."""
    if op.type == "Mul":
        return _gelu(walker, op)
    if op.type == "IdentityN" and len(op.inputs) > 1:
        return _silu(walker, op)
    return _dilated(walker, op) if op.type == "BatchToSpaceND" else None


def _gelu(walker: Any, op: Any) -> Form | None:
    """Find x/2 * erfc(-x/sqrt(2))."""
    half, complement = op.inputs
    if complement.op.type != "Erfc" or half.op.type != "Mul":
        return None
    scaled = complement.op.inputs[0].op
    x = _factor(walker, half.op, 0.5)
    minus = _factor(walker, scaled, math.sqrt(0.5)) if scaled.type == "Mul" else None
    if x is None or minus is None or minus.op.type != "Neg" or minus.op.inputs[0].name != x.name:
        return None
    return Form("gelu", (x,), {"approximate": "none"})


def _silu(walker: Any, op: Any) -> Form | None:
    """Find x * sigmoid(1 * x), which has a derivative of its own to save memory."""
    product, x = op.inputs[0].op, op.inputs[1]
    if product.type != "Mul" or len(product.inputs) != 2 or product.inputs[0].name != x.name or product.inputs[1].op.type != "Sigmoid":
        return None
    inner = product.inputs[1].op.inputs[0]
    if inner.name != x.name and (inner.op.type != "Mul" or getattr(_factor(walker, inner.op, 1.0), "name", None) != x.name):
        return None
    return Form("silu", (x,), {}) if made_by_framework(op, MACHINERY) else None


def _dilated(walker: Any, op: Any) -> Form | None:
    """Find a convolution that TensorFlow has dilated by moving every other pixel into the batch and back."""
    conv = op.inputs[0].op
    there = conv.inputs[0].op if conv.type in ("Conv2D", "DepthwiseConv2dNative") else None
    if there is None or there.type != "SpaceToBatchND" or data_of(conv) != "NHWC" or conv.get_attr("padding") != b"VALID":
        return None
    blocks, crops = walker.static(op.inputs[1]), walker.static(op.inputs[2])
    spread, borders = walker.static(there.inputs[1]), walker.static(there.inputs[2])
    if any(value is None for value in (blocks, crops, spread, borders)) or not np.array_equal(blocks, spread):
        return None
    plain = rows(conv, conv.get_attr("strides")) == (1, 1) == rows(conv, conv.get_attr("dilations"))
    if not plain or len(blocks) != 2 or crops[:, 0].any() or (borders[:, 1] < crops[:, 1]).any():
        return None
    kernel = "HWIO" if conv.type == "Conv2D" else "HWCM"
    groups = int(there.inputs[0].shape[3]) if kernel == "HWCM" else int(there.inputs[0].shape[3]) // conv.inputs[1].shape[2]
    sides = tuple((int(before), int(after - cut)) for (before, after), (_, cut) in zip(borders, crops, strict=True))
    dilation = tuple(int(block) for block in blocks)
    attributes = {**geometry(conv, kernel, groups), "padding": sides, "dilation": dilation}
    return Form("conv", (there.inputs[0], conv.inputs[1], None), attributes)


def _factor(walker: Any, op: Any, number: float) -> Any:
    """Return what a product multiplies by a number, or None."""
    for constant, x in (op.inputs, tuple(op.inputs)[::-1]):
        value = walker.static(constant)
        if value is not None and value.ndim == 0 and math.isclose(float(value), number, rel_tol=1e-12):
            return x
    return None

"""Padding before and after, for operators that know one number for both."""

from __future__ import annotations

from unicnn.ops.fields import Pair, Sides
from unicnn_mxnet.shape import pad
from unicnn_mxnet.symbols import Tensor


def same_on_both_sides(padding: Sides) -> bool:
    """Tell whether each axis is padded alike before and after."""
    return all(before == after for before, after in padding)


def left_to_operator(x: Tensor, padding: Sides, value: float) -> tuple[Tensor, Pair]:
    """Return `x` and the padding that its operator can add itself; where it cannot, `x` is padded already."""
    if same_on_both_sides(padding):
        return x, (padding[0][0], padding[1][0])
    return pad(x, padding=padding, value=value), (0, 0)

"""Moving values with MXNet."""

from __future__ import annotations

from unicnn.ops.fields import Sides
from unicnn_mxnet.symbols import Tensor, namespace


def flatten(x: Tensor) -> Tensor:
    return namespace(x).flatten(x)


def reshape(x: Tensor, *, shape: tuple[int, ...]) -> Tensor:
    return namespace(x).reshape(x, shape=(0, *shape))  # 0 copies the size of the batch


def transpose(x: Tensor, *, axes: tuple[int, ...]) -> Tensor:
    return namespace(x).transpose(x, axes=axes)


def pad(x: Tensor, *, padding: Sides, value: float) -> Tensor:
    (top, bottom), (left, right) = padding
    return namespace(x).pad(x, mode="constant", pad_width=(0, 0, 0, 0, top, bottom, left, right), constant_value=value)

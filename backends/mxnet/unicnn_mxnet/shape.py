"""Moving values with MXNet."""

from __future__ import annotations

from unicnn.ops.fields import Sides
from unicnn_mxnet.exactly import lent, of, shared
from unicnn_mxnet.symbols import Tensor, namespace


def flatten(x: Tensor) -> Tensor:
    return of(lent(x).reshape(len(x), -1)) if shared(x) else namespace(x).flatten(x)


def reshape(x: Tensor, *, shape: tuple[int, ...]) -> Tensor:
    if shared(x):
        return of(lent(x).reshape(len(x), *shape))
    return namespace(x).reshape(x, shape=(0, *shape))  # 0 copies the size of the batch


def transpose(x: Tensor, *, axes: tuple[int, ...]) -> Tensor:
    return of(lent(x).transpose(axes)) if shared(x) else namespace(x).transpose(x, axes=axes)


def pad(x: Tensor, *, padding: Sides, value: float) -> Tensor:
    (top, bottom), (left, right) = padding
    return namespace(x).pad(x, mode="constant", pad_width=(0, 0, 0, 0, top, bottom, left, right), constant_value=value)

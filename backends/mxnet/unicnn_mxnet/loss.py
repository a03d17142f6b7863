"""Losses with MXNet. A number has the shape (1,): MXNet's classic arrays know no other."""

from __future__ import annotations

from unicnn_mxnet.activation import log_softmax
from unicnn_mxnet.symbols import Tensor, namespace


def cross_entropy(x: Tensor, labels: Tensor, *, reduction: str) -> Tensor:
    op = namespace(x)
    return -_reduce(reduction, op.pick(log_softmax(x, axis=1), labels, axis=1))


def squared_error(x: Tensor, target: Tensor, *, scale: float, reduction: str) -> Tensor:
    return scale * _reduce(reduction, namespace(x).square(x - target))


def _reduce(reduction: str, values: Tensor) -> Tensor:
    op = namespace(values)
    return op.mean(values) if reduction == "mean" else op.sum(values)

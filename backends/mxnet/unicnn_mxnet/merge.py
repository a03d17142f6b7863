"""Joining values with MXNet."""

from __future__ import annotations

import functools

import numpy as np

from unicnn_mxnet.exactly import lent, of, shared
from unicnn_mxnet.symbols import Tensor, namespace, shape


def add(*inputs: Tensor) -> Tensor:
    return functools.reduce(_add, inputs)


def mul(*inputs: Tensor) -> Tensor:
    return functools.reduce(namespace(inputs[0]).broadcast_mul, inputs)


def concat(*inputs: Tensor, axis: int) -> Tensor:
    if all(map(shared, inputs)):
        return of(np.concatenate([lent(x) for x in inputs], axis))  # saves a handle for each
    return namespace(inputs[0]).concat(*inputs, dim=axis)


def _add(left: Tensor, right: Tensor) -> Tensor:
    op = namespace(left)
    # oneDNN adds values of one shape, and their gradient is no work; broadcast_add costs both.
    return op.elemwise_add(left, right) if shape(left) == shape(right) else op.broadcast_add(left, right)

"""The fully connected layer with MXNet."""

from __future__ import annotations

from unicnn_mxnet.symbols import Tensor, namespace, shape


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    operands = (x, weight) if bias is None else (x, weight, bias)
    return namespace(x).FullyConnected(*operands, no_bias=bias is None, num_hidden=shape(weight)[0], flatten=False)


def linear_weight_gradient(dy: Tensor, x: Tensor) -> Tensor:
    return namespace(x).dot(dy, x, transpose_a=True)

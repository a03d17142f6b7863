"""The fully connected layer with MXNet."""

from __future__ import annotations

from unicnn_mxnet.exactly import fresh, shared
from unicnn_mxnet.symbols import Tensor, namespace, shape


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    operands = (x, weight) if bias is None else (x, weight, bias)
    outputs = shape(weight)[0]
    memory = fresh(x, (*x.shape[:-1], outputs)) if shared(x) else {}
    return namespace(x).FullyConnected(*operands, no_bias=bias is None, num_hidden=outputs, flatten=False, **memory)


def linear_weight_gradient(dy: Tensor, x: Tensor) -> Tensor:
    memory = fresh(x, (dy.shape[1], x.shape[1])) if shared(x) else {}
    return namespace(x).dot(dy, x, transpose_a=True, **memory)

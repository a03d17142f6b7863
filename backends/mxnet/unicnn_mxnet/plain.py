"""Arrays and gradients in plain MXNet, for reproductions that stand alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from unicnn_mxnet.compat import mx


def tensor(x: np.ndarray[Any, Any]) -> mx.nd.NDArray:
    return mx.nd.array(x, dtype=x.dtype)


def array(x: mx.nd.NDArray) -> np.ndarray[Any, Any]:
    return x.asnumpy()


def vjp(
    function: Callable[..., mx.nd.NDArray], operands: Sequence[mx.nd.NDArray], cotangent: mx.nd.NDArray | None
) -> tuple[mx.nd.NDArray, Sequence[mx.nd.NDArray]]:
    """Return function(*operands) and the gradients of sum(output * cotangent) by the operands."""
    gradients = [mx.nd.zeros_like(operand) for operand in operands]
    mx.autograd.mark_variables(operands, gradients)
    with mx.autograd.record(train_mode=True):
        output = function(*operands)
    mx.autograd.backward([output], [cotangent], train_mode=True)
    return output, gradients

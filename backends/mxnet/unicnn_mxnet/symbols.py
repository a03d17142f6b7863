"""What makes one lowering serve both of MXNet's worlds: arrays, which compute at once, and symbols, which trace."""

from __future__ import annotations

import ast
from collections.abc import Callable
from types import ModuleType
from typing import TypeAlias

from unicnn_mxnet.compat import mx

Tensor: TypeAlias = "mx.nd.NDArray | mx.sym.Symbol"

EXAMPLE = "__example__"
"""The attribute in which an argument's symbol carries the shape of an example. MXNet's own, __shape__, would fix the batch size."""


def variable(name: str, example: tuple[int, ...]) -> mx.sym.Symbol:
    """Return the symbol of an argument of which `example` is a possible shape."""
    return mx.sym.var(name, attr={EXAMPLE: str(example)})


def namespace(x: Tensor) -> ModuleType:
    """Return the functions that take `x`: mx.sym for a symbol, mx.nd for an array."""
    return mx.sym if isinstance(x, mx.sym.Symbol) else mx.nd


def shape(x: Tensor) -> tuple[int, ...]:
    """Return the shape of `x`; a symbol's batch axis has the example's size, on which nothing may be built."""
    if not isinstance(x, mx.sym.Symbol):
        return x.shape
    known = {name: ast.literal_eval(attributes[EXAMPLE]) for name, attributes in x.attr_dict().items() if EXAMPLE in attributes}
    return x.infer_shape(**known)[1][0]


def pulled_back(function: Callable[[mx.nd.NDArray], mx.nd.NDArray], at: mx.nd.NDArray, dy: mx.nd.NDArray) -> mx.nd.NDArray:
    """Return the gradient at an array that nothing else holds."""
    gradient = mx.nd.empty(at.shape, at.context, at.dtype)
    mx.autograd.mark_variables([at], [gradient])
    with mx.autograd.record(train_mode=True):
        y = function(at)
    mx.autograd.backward([y], [dy], train_mode=True)
    return gradient

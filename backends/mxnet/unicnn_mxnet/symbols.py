"""What makes one lowering serve both of MXNet's worlds: arrays, which compute at once, and symbols, which trace."""

from __future__ import annotations

from types import ModuleType
from typing import TypeAlias

from unicnn_mxnet.compat import mx

Tensor: TypeAlias = "mx.nd.NDArray | mx.sym.Symbol"


def namespace(x: Tensor) -> ModuleType:
    """Return the functions that take `x`: mx.sym for a symbol, mx.nd for an array."""
    return mx.sym if isinstance(x, mx.sym.Symbol) else mx.nd


def shape(x: Tensor) -> tuple[int, ...]:
    """Return the shape of `x`; in that of a symbol the batch axis is 0, MXNet's word for a size still unknown."""
    return x.infer_shape_partial()[1][0] if isinstance(x, mx.sym.Symbol) else x.shape

"""Calling a network: its inputs go in, and its outputs come out in order."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from unicnn.errors import PortError
from unicnn_mxnet.compat import mx


def title(value: Any) -> str:
    """Return what to call a network: a function's or a class's name, unless that says nothing."""
    name = getattr(value, "__name__", type(value).__name__)
    return "net" if name in ("<lambda>", "Sequential", "HybridSequential", "SymbolBlock") else str(name)


def called(value: Any, inputs: Sequence[Any]) -> list[tuple[str | None, Any]]:
    """Return the outputs of a network as pairs of a key, or None, and an array."""
    _check_arguments(value, len(inputs))
    return _outputs(value, value(*inputs))


def _check_arguments(value: Any, count: int) -> None:
    function = value.forward if isinstance(value, mx.gluon.Block) and not isinstance(value, mx.gluon.HybridBlock) else value
    try:
        if function is not value or not isinstance(value, mx.gluon.Block):
            inspect.signature(function).bind(*range(count))
    except TypeError as error:
        raise PortError(
            f"{title(value)} cannot be called on its inputs alone ({count} given): {error}. "
            "Bind what else it takes, for example with lambda x: net(x, parameters), and port that."
        ) from None
    except ValueError:
        return


def _outputs(value: Any, result: Any) -> list[tuple[str | None, Any]]:
    if isinstance(result, Mapping):
        pairs: list[tuple[str | None, Any]] = [(str(key), item) for key, item in result.items()]
    elif isinstance(result, (list, tuple)):
        pairs = [(None, item) for item in result]
    else:
        pairs = [(None, result)]
    if strangers := [item for _, item in pairs if not isinstance(item, mx.nd.NDArray)]:
        raise PortError(
            f"{title(value)} returns {type(strangers[0]).__name__} where an array is expected. "
            "Return one array, a flat list or tuple of arrays, or a dict of them."
        )
    return pairs

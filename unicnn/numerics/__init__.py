"""Numerics: what arithmetic a program uses. A wrapper around a backend's op table, never a fork of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from unicnn.errors import UnknownNameError, closest


@dataclass(frozen=True)
class Numerics:
    """Choose the dtype in which a program holds its values, and what it does with a backend's lowerings."""

    name: str
    dtype: str
    accepts: tuple[str, ...]
    """The dtypes in which inputs may come; conversion to `dtype` is exact."""

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the lowering to call in place of `function`."""
        return function


NUMERICS = {
    "native": Numerics("native", "float32", ("float32",)),
    "float64": Numerics("float64", "float64", ("float32", "float64")),
}


def numerics(name: str) -> Numerics:
    """Return the numerics called `name`, or raise UnknownNameError."""
    if name not in NUMERICS:
        raise UnknownNameError(f"There are no numerics called {name!r}.{closest(name, NUMERICS)}")
    return NUMERICS[name]

"""Numerics: what arithmetic a program uses. A wrapper around a backend's op table, never a fork of it."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unicnn.errors import UnknownNameError, closest

if TYPE_CHECKING:
    from unicnn.backend import Backend, Runtime
    from unicnn.numerics.arithmetic import Arithmetic


@dataclass(frozen=True)
class Numerics:
    """Choose the dtype in which a program holds its values, and what it does with a backend's lowerings."""

    name: str
    dtype: str
    accepts: tuple[str, ...]
    """The dtypes in which inputs may come; conversion to `dtype` is exact."""
    bitwise: bool = False
    """Whether all backends promise the same bytes."""
    home: str = "unicnn.numerics.arithmetic:Arithmetic"
    """The class that binds it to a backend."""

    def bind(self, backend: Backend, runtime: Runtime) -> Arithmetic:
        """Return this numerics on one backend; raise UnsupportedError if the backend's arithmetic is not fit for it."""
        module, _, name = self.home.partition(":")
        bound: Arithmetic = getattr(importlib.import_module(module), name)(backend, runtime)
        return bound


NUMERICS = {
    "native": Numerics("native", "float32", ("float32",)),
    "float64": Numerics("float64", "float64", ("float32", "float64")),
    "identical": Numerics("identical", "float32", ("float32",), bitwise=True, home="unicnn.numerics.identical.bound:Identical"),
}


def numerics(name: str) -> Numerics:
    """Return the numerics called `name`, or raise UnknownNameError."""
    if name not in NUMERICS:
        raise UnknownNameError(f"There are no numerics called {name!r}.{closest(name, NUMERICS)}")
    return NUMERICS[name]

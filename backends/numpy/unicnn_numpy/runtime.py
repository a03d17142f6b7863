"""Arrays, devices and derivatives of NumPy and CuPy."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from unicnn import derivatives
from unicnn.backend import Compiled
from unicnn.backend import Runtime as Contract
from unicnn.plan import Plan

Array = Any


class Runtime(Contract):
    """Run plans as they are; derivatives are the core's, over the functions of this package."""

    def __init__(self, device: str, dtype: str) -> None:
        super().__init__(device, dtype)
        self.xp = np if device == "cpu" else importlib.import_module("cupy")

    def tensor(self, array: np.ndarray[Any, Any]) -> Array:
        return self.xp.asarray(array)

    def array(self, tensor: Array) -> np.ndarray[Any, Any]:
        return np.ascontiguousarray(tensor) if self.xp is np else self.xp.asnumpy(tensor)

    def is_tensor(self, value: object) -> bool:
        return isinstance(value, self.xp.ndarray)

    def dtype_of(self, tensor: Array) -> str:
        return str(tensor.dtype)

    def pack(self, kind: str, array: np.ndarray[Any, Any]) -> Array:
        return self.xp.array(array)

    def unpack(self, kind: str, tensor: Array) -> np.ndarray[Any, Any]:
        return np.array(self.array(tensor), order="C")

    def compile(self, plan: Plan) -> Compiled:
        def run(arguments: Sequence[Array]) -> Sequence[Array]:
            with np.errstate(all="ignore"):  # NaN and infinity are results here, as in every other framework
                return plan(arguments)

        return run

    def vjp(self, plan: Plan, wanted: Sequence[int]) -> Callable[..., tuple[Sequence[Array], Sequence[Array]]]:
        # Not the core's x * 0 + 1, which makes NaN of the gradients of a loss that is infinite.
        step = derivatives.reverse(plan, wanted, self.table, like=self.xp.full_like)

        def run(arguments: Sequence[Array], cotangents: Sequence[Array | None]) -> tuple[Sequence[Array], Sequence[Array]]:
            with np.errstate(all="ignore"):
                return step(arguments, cotangents)

        return run

    def synchronize(self) -> None:
        if self.xp is not np:
            self.xp.cuda.get_current_stream().synchronize()

"""What a numerics does on one backend: which function computes a layer, which plan holds them, who differentiates it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from unicnn.backend import Backend, Runtime
from unicnn.plan import Argument, Plan, Step

if TYPE_CHECKING:
    from unicnn.graph import Graph
    from unicnn.ops.base import Op

Array: TypeAlias = np.ndarray[Any, Any]
Tensor: TypeAlias = Any
Function: TypeAlias = Callable[..., Any]
Learn: TypeAlias = Callable[[Sequence[Tensor], Sequence[Tensor | None], Sequence[Tensor]], tuple[Sequence[Tensor], Sequence[Tensor]]]
Derivative: TypeAlias = Callable[[Sequence[Tensor], Sequence[Tensor | None]], tuple[Sequence[Tensor], Sequence[Tensor]]]


class Arithmetic:
    """Leave everything to the backend: its functions, its compiler, its derivatives."""

    def __init__(self, backend: Backend, runtime: Runtime) -> None:
        self.backend, self.runtime = backend, runtime

    def function(self, op: str, lowering: Function) -> Function:
        """Return what computes the op called `op`, given the backend's lowering."""
        return lowering

    @property
    def enter(self) -> Function | None:
        """Return what turns a canonical value into one inside the plan, or None if they are the same."""
        return None if self.runtime.enter is Runtime.enter else self.runtime.enter

    @property
    def leave(self) -> Function | None:
        """Return what turns a value inside the plan into a canonical one, or None if they are the same."""
        return None if self.runtime.leave is Runtime.leave else self.runtime.leave

    def attributes(self, op: Op, attributes: dict[str, Any]) -> dict[str, Any]:
        """Return the keyword arguments of the function of `op`, given those of the lowering."""
        return attributes

    def prepared(self, op: Op, training: bool, gradients: bool) -> tuple[str, ...]:
        """Return the operands beyond those of the lowering that the function of `op` takes; `prepare` makes them from its parameters."""
        return ()

    def prepare(self, graph: Graph, name: str, weight: Callable[[str], Array]) -> Tensor:
        """Return the prepared operand of full name `name`; `weight` returns a parameter by its full name."""
        raise LookupError(name)

    def canonical(self, graph: Graph, weights: dict[str, Array]) -> dict[str, Array]:
        """Return the weights as they are computed with."""
        return weights

    def plan(self, arguments: Sequence[Argument], steps: Sequence[Step], results: Sequence[int], training: bool) -> Plan:
        """Return the plan of these steps."""
        return Plan(arguments, steps, results, training=training)

    def compile(self, plan: Plan) -> Callable[[Sequence[Tensor]], Sequence[Tensor]]:
        """Return a function of the plan's arguments that returns its results."""
        return self.runtime.compile(plan)

    def vjp(self, plan: Plan, wanted: Sequence[int]) -> Derivative:
        """Return a function (arguments, cotangents) -> (results, gradients of the arguments `wanted`)."""
        return self.runtime.vjp(plan, wanted)

    def formula(self, function: Function) -> Function:
        """Return a formula, function(t, *values), as a function of tensors; `t` has `sqrt`, `maximum`, `minimum` and `total`."""
        return partial(function, self.namespace)

    @cached_property
    def namespace(self) -> Any:
        """Return the functions that formulas are written in, over tensors of the backend."""
        exact = importlib.import_module(f"{self.backend.info.package}.exact")

        def total(x: Tensor) -> Tensor:
            return exact.reshape(exact.sum(x, tuple(range(len(exact.shape(x)))), keepdims=True), (1,))

        return SimpleNamespace(sqrt=exact.sqrt, maximum=exact.maximum, minimum=exact.minimum, total=total)

    def step(self, plan: Plan, wanted: Sequence[int], update: Plan) -> Learn:
        """Return a function (arguments, cotangents, rest) -> (results, what `update` makes of the arguments `wanted`, their gradients and the rest)."""
        return self.runtime.step(plan, wanted, update)

    def alarmed(self, results: Sequence[Tensor]) -> bool:
        """Tell whether a layer may have been given a value that is not finite, where that is an error."""
        return False

"""Tensors, devices, compilation and derivatives of MXNet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from unicnn.backend import Compiled
from unicnn.backend import Runtime as Contract
from unicnn.plan import Plan
from unicnn_mxnet.compat import mx
from unicnn_mxnet.symbols import variable

Tensor = mx.nd.NDArray

_NAMES = {np.float32: "float32", np.float64: "float64"}


class Runtime(Contract):
    """Run plans as compiled symbols; derivatives are mx.autograd's."""

    def __init__(self, device: str, dtype: str) -> None:
        super().__init__(device, dtype)
        self.context = mx.gpu(0) if device.startswith("cuda") else mx.cpu()

    def tensor(self, array: np.ndarray[Any, Any]) -> Tensor:
        array = array.reshape(array.shape or (1,))  # for MXNet, a shape of () is one that is not known yet
        tensor = mx.nd.empty(array.shape, self.context, array.dtype)
        tensor._sync_copyfrom(array)  # mx.nd.array copies twice on its way to the same call
        return tensor

    def array(self, tensor: Tensor) -> np.ndarray[Any, Any]:
        return tensor.asnumpy()

    def is_tensor(self, value: object) -> bool:
        return isinstance(value, Tensor)

    def dtype_of(self, tensor: Tensor) -> str:
        return _NAMES.get(tensor.dtype) or np.dtype(tensor.dtype).name  # NumPy takes 3 us to put a name together

    def compile(self, plan: Plan) -> Compiled:
        # A plan that asks for shapes cannot be traced, and runs step by step: symbols do not know them.
        return _in_mode(_quiet(plan) if plan.static else Graph(plan, settled=True), plan.training)

    def once(self, plan: Plan) -> Compiled:
        return _in_mode(plan, plan.training)

    def vjp(self, plan: Plan, wanted: Sequence[int]) -> Callable[..., tuple[Sequence[Tensor], Sequence[Tensor]]]:
        graph = Graph(plan, settled=False)

        def run(arguments: Sequence[Tensor], cotangents: Sequence[Tensor | None]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
            filled = list(arguments)
            for place in wanted:  # detached, so that the mark stays off the caller's tensor
                filled[place] = filled[place].detach()
            leaves = [filled[place] for place in wanted]
            gradients = [mx.nd.zeros_like(leaf) for leaf in leaves]
            mx.autograd.mark_variables(leaves, gradients)
            # Train mode, whatever the plan is for: in it operators keep what their backward passes need, and a batch norm in
            # inference says itself that it is.
            with mx.autograd.record(train_mode=True):
                results = graph(filled)
            mx.autograd.backward(results[: len(cotangents)], list(cotangents), train_mode=True)
            return [result.detach() for result in results], gradients

        return run

    def synchronize(self) -> None:
        mx.nd.waitall()


def _in_mode(function: Compiled, training: bool) -> Compiled:
    """Return `function` without derivatives, in the mode that operators look at."""

    def run(arguments: Sequence[Tensor]) -> Sequence[Tensor]:
        if mx.autograd.is_training() == training and not mx.autograd.is_recording():
            return function(arguments)  # to ask is cheaper than to change the mode and to change it back
        with mx.autograd.pause(train_mode=training):
            return function(arguments)

    return run


def _quiet(function: Compiled) -> Compiled:
    """Return `function` without NumPy's warnings of what is not finite: other backends have none either, and an alarm finds it."""

    def run(arguments: Sequence[Tensor]) -> Sequence[Tensor]:
        with np.errstate(all="ignore"):
            return function(arguments)

    return run


class Graph:
    """Be a plan as one compiled symbol, traced at the first call: only then are the shapes known.

    `settled` promises MXNet that parameters rarely change place, which saves a tenth of a small forward pass. It must not
    be promised where there is a backward pass: from the second on, that one leaves the parameters' gradients unwritten.
    """

    def __init__(self, plan: Plan, *, settled: bool) -> None:
        self.plan, self.settled = plan, settled
        self.op: Any = None
        self.order: list[int] = []

    def __call__(self, arguments: Sequence[Tensor]) -> Sequence[Tensor]:
        if self.op is None:
            self.trace(arguments)
        results = self.op(*[arguments[place] for place in self.order])
        return results if isinstance(results, list) else [results]

    def trace(self, arguments: Sequence[Tensor]) -> None:
        """Call the plan with symbols, and compile what comes out."""
        symbols = [variable(f"argument{place}", argument.shape) for place, argument in enumerate(arguments)]
        # An argument that is itself a result would share its memory with it.
        results = [mx.sym.identity(result) for result in self.plan(symbols)]
        group = mx.sym.Group(results)
        places = {symbol.name: place for place, symbol in enumerate(symbols)}
        self.order = [places[name] for name in group.list_inputs()]
        self.op = mx.nd.CachedOp(group, self.flags())

    def flags(self) -> list[tuple[str, object]]:
        """Return what makes calls fast and still leaves earlier results alone: memory inside the graph is planned once."""
        if not self.settled:
            return [("static_alloc", True), ("static_shape", True)]
        still = [place for place, argument in enumerate(self.order) if not self.plan.arguments[argument].batched]
        data = [place for place in range(len(self.order)) if place not in still]
        return [("static_alloc", True), ("static_shape", True), ("data_indices", data), ("param_indices", still)]

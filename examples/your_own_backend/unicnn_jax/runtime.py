"""Tensors, devices, compilation and derivatives of JAX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from unicnn.backend import Compiled
from unicnn.backend import Runtime as Contract
from unicnn.plan import Plan

Tensor: TypeAlias = jax.Array
Results: TypeAlias = Sequence[Tensor]

# Without it JAX turns int64 labels into int32, and float64 into float32.
jax.config.update("jax_enable_x64", True)

# A rounding to float32 must not be left out because the value is needed as float64 again.
OPTIONS = {"xla_allow_excess_precision": False}


class Runtime(Contract):
    """Compile plans as a whole with jax.jit, once for each batch size; derivatives are jax.vjp's."""

    def __init__(self, device: str, dtype: str) -> None:
        super().__init__(device, dtype)
        self.home = jax.devices(device)[0]

    @property
    def plain_convolution(self) -> bool:
        return self.device == "cpu"  # on a GPU the algorithm is cuDNN's choice, and may be FFT or Winograd

    def tensor(self, array: np.ndarray[Any, Any]) -> Tensor:
        return jnp.array(array, device=self.home)  # a copy; jax.device_put would share the memory of some arrays

    def array(self, tensor: Tensor) -> np.ndarray[Any, Any]:
        return np.array(tensor)

    def is_tensor(self, value: object) -> bool:
        return isinstance(value, jax.Array)

    def dtype_of(self, tensor: Tensor) -> str:
        return str(tensor.dtype)

    def compile(self, plan: Plan) -> Compiled:
        return jax.jit(plan, compiler_options=OPTIONS)

    def once(self, plan: Plan) -> Compiled:
        return self.compile(plan)  # step by step JAX compiles every step by itself, which takes longer

    def vjp(self, plan: Plan, wanted: Sequence[int]) -> Callable[..., tuple[Results, Results]]:
        return jax.jit(derived(plan, wanted), compiler_options=OPTIONS)

    def step(self, plan: Plan, wanted: Sequence[int], update: Plan) -> Callable[..., tuple[Results, Results]]:
        derive = derived(plan, wanted)

        def run(arguments: Sequence[Tensor], cotangents: Sequence[Tensor | None], rest: Sequence[Tensor]) -> tuple[Results, Results]:
            results, gradients = derive(arguments, cotangents)
            return results, update([*(arguments[place] for place in wanted), *gradients, *rest])

        return jax.jit(run, compiler_options=OPTIONS)

    def synchronize(self) -> None:
        jax.block_until_ready(jax.live_arrays(self.device))


def derived(plan: Plan, wanted: Sequence[int]) -> Callable[..., tuple[Results, Results]]:
    """Return a function of arguments and cotangents to the results and the gradients of the arguments `wanted`."""

    def run(arguments: Sequence[Tensor], cotangents: Sequence[Tensor | None]) -> tuple[Results, Results]:
        def of_leaves(*leaves: Tensor) -> tuple[Results, Results]:
            filled = list(arguments)
            for place, leaf in zip(wanted, leaves, strict=True):
                filled[place] = leaf
            results = plan(filled)
            return results[: len(cotangents)], results[len(cotangents) :]

        heads, pull_back, others = jax.vjp(of_leaves, *(arguments[place] for place in wanted), has_aux=True)
        seeds = tuple(jnp.ones_like(head) if given is None else given for head, given in zip(heads, cotangents, strict=True))
        return (*heads, *others), pull_back(seeds)

    return run

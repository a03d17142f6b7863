"""Running the original again: itself for outputs and gradients, its steps for the values between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from unicnn.errors import PortError
from unicnn.porting.tape import Array, Ran, Runner, alike, training_loop
from unicnn_jax.importing.flattening import Flat, Step
from unicnn_jax.importing.tracing import END, Split, Trace, outputs_of


class NnxRunner(Runner):
    """Run copies of a module; the module itself is left as it is."""

    def __init__(self, net: Any, trace: Trace, flat: Flat) -> None:
        self.net, self.trace, self.flat = net, trace, flat

    def run(self, inputs: Sequence[Array], cotangents: Sequence[Array], dtype: str) -> Ran:
        """Run the module in inference, forward and backward."""
        with jax.enable_x64(dtype == "float64"):
            split = Split(self.net)
            arrays = {name: jnp.asarray(np.asarray(array), dtype) for name, array in split.arrays.items()}
            given = [jnp.asarray(array, dtype) for array in inputs]

            def passed(arrays: Mapping[str, Any], *given: Any) -> list[Any]:
                return outputs_of(split.merged(arrays, training=False)(*given))[1]

            def both(arrays: Mapping[str, Any], given: Sequence[Any], seeds: Sequence[Any]) -> Any:
                outputs, pull_back = jax.vjp(passed, arrays, *given)
                return outputs, pull_back([seed.astype(output.dtype) for seed, output in zip(seeds, outputs, strict=True)])

            outputs, (slopes, *others) = jax.jit(both)(arrays, given, [jnp.asarray(seed) for seed in cotangents])
            named = {**arrays, **dict(zip(self.trace.inputs, given, strict=True))}
            values = {name: np.asarray(value) for name, value in jax.jit(self._values, static_argnums=1)(named, dtype).items()}
            gradients = {**slopes, **dict(zip(self.trace.inputs, others, strict=True))}
            results = [np.asarray(output) for output in outputs]
        self._check(results, values)
        return Ran(values, results, {name: np.asarray(value) for name, value in gradients.items()})

    def _values(self, given: Mapping[str, Any], dtype: str) -> dict[str, Any]:
        """Return what every step gives."""
        held = dict(given)
        for step in self.flat.steps:
            operands = [held[item] if isinstance(item, str) else _narrowed(item, dtype) for item in step.inputs]
            held.update(zip(step.outputs, _applied(step, operands, dtype), strict=True))
        return {name: held[name] for step in self.flat.steps for name in step.outputs}

    def _check(self, results: Sequence[Array], values: Mapping[str, Array]) -> None:
        for name, result in zip(self.flat.outputs, results, strict=True):
            again = values.get(name) if isinstance(name, str) else None
            if again is not None and not alike(result, np.asarray(again)):
                raise PortError(
                    f"{type(self.net).__name__} gives other outputs when it is called than the trace that was made of it: it depends on "
                    "something other than its inputs and weights. Make it a function of those."
                )

    def train(self, source: str, batches: Callable[[int], Any], epochs: int, dtype: str) -> tuple[list[float], Mapping[str, Array]]:
        """Train a copy of the module with the function ``train`` that `source` defines."""
        with jax.enable_x64(dtype == "float64"):
            split = Split(self.net)
            net = split.merged({name: jnp.asarray(np.asarray(array), dtype) for name, array in split.arrays.items()}, training=True)
            losses = training_loop(source)(net, batches, epochs)
            ended = Split(net).arrays
        return [float(loss) for loss in losses], {name: np.asarray(array) for name, array in ended.items()}


def _narrowed(item: Any, dtype: str) -> Any:
    return jnp.asarray(item, dtype) if np.issubdtype(item.dtype, np.floating) else item


def _applied(step: Step, operands: list[Any], dtype: str) -> Sequence[Any]:
    """Apply a step in another type than it was recorded in."""
    if step.primitive is END:  # of a layer that gives back its input
        return operands
    params = {key: np.dtype(dtype) if _is_wide(value) else value for key, value in step.params.items()}
    result = step.primitive.bind(*operands, **step.primitive.get_bind_params(params))
    return result if step.primitive.multiple_results else [result]


def _is_wide(value: Any) -> bool:
    return isinstance(value, (np.dtype, type)) and value in (np.float64, np.dtype(np.float64))

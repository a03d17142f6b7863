"""Tensors, devices, compilation and derivatives of TensorFlow."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

# TensorFlow reads it once, at import; without it every process begins with a banner.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

from unicnn.backend import Compiled
from unicnn.backend import Runtime as Contract
from unicnn.plan import Plan
from unicnn_tensorflow import layout
from unicnn_tensorflow.layout import Tensor

Results: TypeAlias = Sequence[Tensor]

DEVICES = {"cpu": "/CPU:0", "cuda": "/GPU:0"}

# A transposed convolution is kept as the kernel of the convolution that it is the adjoint of, so both go the same way.
PACKED = {"conv": (2, 3, 1, 0), "conv_transpose": (2, 3, 1, 0), "linear": (1, 0)}
CANONICAL = {"conv": (3, 2, 0, 1), "conv_transpose": (3, 2, 0, 1), "linear": (1, 0)}


class Runtime(Contract):
    """Run plans as graphs of TensorFlow, traced once for all batch sizes; derivatives are GradientTape's."""

    enter = staticmethod(layout.enter)
    leave = staticmethod(layout.leave)

    @property
    def plain_convolution(self) -> bool:
        return self.device == "cpu"  # on a GPU the algorithm is cuDNN's choice, and cannot be asked for

    def tensor(self, array: np.ndarray[Any, Any]) -> Tensor:
        with tf.device(DEVICES[self.device]):
            return tf.constant(array)

    def array(self, tensor: Tensor) -> np.ndarray[Any, Any]:
        return np.asarray(tensor.numpy())

    def is_tensor(self, value: object) -> bool:
        return isinstance(value, tf.Tensor)

    def dtype_of(self, tensor: Tensor) -> str:
        return str(tensor.dtype.name)

    def pack(self, kind: str, array: np.ndarray[Any, Any]) -> Tensor:
        return self.tensor(np.array(array.transpose(PACKED[kind]) if kind in PACKED else array, order="C"))

    def unpack(self, kind: str, tensor: Tensor) -> np.ndarray[Any, Any]:
        array = self.array(tensor)
        return np.ascontiguousarray(array.transpose(CANONICAL[kind])) if kind in CANONICAL else array

    def compile(self, plan: Plan) -> Compiled:
        return Traced(plan, plan, self.device)

    def vjp(self, plan: Plan, wanted: Sequence[int]) -> Callable[..., tuple[Results, Results]]:
        traced: dict[tuple[bool, ...], Traced] = {}

        def run(arguments: Sequence[Tensor], cotangents: Sequence[Tensor | None]) -> tuple[Results, Results]:
            given = tuple(cotangent is not None for cotangent in cotangents)
            if given not in traced:
                traced[given] = Traced(plan, derived(plan, wanted, given), self.device)
            values = traced[given]([*arguments, *(cotangent for cotangent in cotangents if cotangent is not None)])
            return values[: len(plan.results)], values[len(plan.results) :]

        return run

    def step(self, plan: Plan, wanted: Sequence[int], update: Plan) -> Callable[..., tuple[Results, Results]]:
        traced: dict[tuple[bool, ...], Traced] = {}

        def run(arguments: Sequence[Tensor], cotangents: Sequence[Tensor | None], rest: Sequence[Tensor]) -> tuple[Results, Results]:
            given = tuple(cotangent is not None for cotangent in cotangents)
            if given not in traced:
                traced[given] = Traced(plan, learned(plan, wanted, given, update), self.device, batched=sum(given))
            values = traced[given]([*arguments, *(cotangent for cotangent in cotangents if cotangent is not None), *rest])
            return values[: len(plan.results)], values[len(plan.results) :]

        return run

    def synchronize(self) -> None:
        if self.device != "cpu":
            tf.test.experimental.sync_devices()


class Traced:
    """Be `body` as a graph, traced at the first call for all batch sizes; it takes the plan's arguments and perhaps more, all of them, or `batched`, batches.

    A plan that asks for shapes is traced for each size of the batch.
    """

    def __init__(self, plan: Plan, body: Callable[[Sequence[Tensor]], Results], device: str, batched: int | None = None) -> None:
        self.plan, self.body, self.device, self.batched = plan, body, device, batched
        self.concrete: Callable[..., Results] | None = None
        self.by_size: dict[int, Callable[..., Results]] = {}

    def __call__(self, arguments: Sequence[Tensor]) -> Results:
        # The concrete function, called flat, saves what tf.function spends on finding it.
        concrete = (self.sized(arguments) if self.plan.static else self.concrete) or self.trace(arguments)
        if self.device == "cpu":
            return concrete(*arguments)
        with full_precision():
            return concrete(*arguments)

    def sized(self, arguments: Sequence[Tensor]) -> Callable[..., Results] | None:
        """Return the graph for arguments of these very shapes, if it was traced."""
        self.concrete = self.by_size.get(_batch(self.plan, arguments))
        return self.concrete

    def trace(self, arguments: Sequence[Tensor]) -> Callable[..., Results]:
        """Return the graph for arguments of these shapes and any batch size."""
        fixed = [self.plan.static or not item.batched for item in self.plan.arguments]
        more = len(arguments) - len(fixed)
        batched = more if self.batched is None else self.batched
        fixed += [self.plan.static] * batched + [True] * (more - batched)
        signature = [tf.TensorSpec(_any_batch(x.shape, one), x.dtype) for x, one in zip(arguments, fixed, strict=True)]

        def flat(*tensors: Tensor) -> list[Tensor]:
            with tf.device(DEVICES[self.device]):
                return list(self.body(tensors))

        self.concrete = tf.function(flat, input_signature=signature, autograph=False).get_concrete_function()
        if self.plan.static:
            self.by_size[_batch(self.plan, arguments)] = self.concrete
        return self.concrete


def _batch(plan: Plan, arguments: Sequence[Tensor]) -> int:
    """Return the size of the batch: that of the first argument, for there is no plan without an input."""
    return int(arguments[0].shape[0])


def _any_batch(shape: tf.TensorShape, fixed: bool) -> tf.TensorShape:
    return shape if fixed or shape.rank == 0 else tf.TensorShape([None, *shape[1:]])


def derived(plan: Plan, wanted: Sequence[int], given: Sequence[bool]) -> Callable[[Sequence[Tensor]], Results]:
    """Return a function of the arguments, then of the cotangents that are `given`, to the results and the gradients of `wanted`."""

    def body(tensors: Sequence[Tensor]) -> Results:
        rest = iter(tensors[len(plan.arguments) :])
        leaves = [tensors[place] for place in wanted]
        with tf.GradientTape() as tape:
            tape.watch(leaves)
            results = plan(tensors[: len(plan.arguments)])
            heads = list(results[: len(given)])
        cotangents = [next(rest) if one else tf.ones_like(head) for head, one in zip(heads, given, strict=True)]
        gradients = tape.gradient(heads, leaves, cotangents, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return [*results, *gradients]

    return body


def learned(plan: Plan, wanted: Sequence[int], given: Sequence[bool], update: Plan) -> Callable[[Sequence[Tensor]], Results]:
    """Return a function of the arguments, the cotangents that are `given` and the rest, to the results and what `update` moves."""
    derive = derived(plan, wanted, given)
    taken = len(plan.arguments) + sum(given)

    def body(tensors: Sequence[Tensor]) -> Results:
        found = derive(tensors[:taken])
        results, gradients = found[: len(plan.results)], found[len(plan.results) :]
        return [*results, *update([*(tensors[place] for place in wanted), *gradients, *tensors[taken:]])]

    return body


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Keep float32 from becoming TF32 inside, and put the user's setting back after."""
    setting = tf.config.experimental
    allowed = setting.tensor_float_32_execution_enabled()
    setting.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        setting.enable_tensor_float_32_execution(allowed)

"""Tensors, devices, compilation and derivatives of TensorFlow."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

# TensorFlow reads it once, at import; without it every process begins with a banner.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf  # noqa: E402

from unicnn.backend import Compiled  # noqa: E402
from unicnn.backend import Runtime as Contract  # noqa: E402
from unicnn.plan import Plan  # noqa: E402
from unicnn_tensorflow import layout  # noqa: E402

Tensor = tf.Tensor
Results = Sequence[Tensor]

# A transposed convolution is kept as the kernel of the convolution that it is the adjoint of, so both go the same way.
PACKED = {"conv": (2, 3, 1, 0), "conv_transpose": (2, 3, 1, 0), "linear": (1, 0)}
CANONICAL = {"conv": (3, 2, 0, 1), "conv_transpose": (3, 2, 0, 1), "linear": (1, 0)}


class Runtime(Contract):
    """Run plans as graphs of TensorFlow, traced once for all batch sizes; derivatives are GradientTape's."""

    enter = staticmethod(layout.enter)
    leave = staticmethod(layout.leave)

    def tensor(self, array: np.ndarray[Any, Any]) -> Tensor:
        with self._place():
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
        traced = Traced(self, plan, plan)
        return lambda arguments: traced(arguments)

    def vjp(self, plan: Plan, wanted: Sequence[int]) -> Callable[..., tuple[Results, Results]]:
        traced: dict[tuple[bool, ...], Traced] = {}

        def run(arguments: Sequence[Tensor], cotangents: Sequence[Tensor | None]) -> tuple[Results, Results]:
            given = tuple(cotangent is not None for cotangent in cotangents)
            if given not in traced:
                traced[given] = Traced(self, plan, _derived(plan, wanted, given))
            values = traced[given]([*arguments, *(cotangent for cotangent in cotangents if cotangent is not None)])
            return values[: len(plan.results)], values[len(plan.results) :]

        return run

    def synchronize(self) -> None:
        if self.device != "cpu":
            tf.test.experimental.sync_devices()

    def _place(self) -> contextlib.AbstractContextManager[Any]:
        return tf.device("/GPU:0" if self.device == "cuda" else "/CPU:0")


class Traced:
    """Be a function of the plan's arguments, and of what may follow them, as one graph for all batch sizes."""

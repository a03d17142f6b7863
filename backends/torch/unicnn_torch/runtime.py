"""Tensors, devices and derivatives of PyTorch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from unicnn.backend import Compiled
from unicnn.backend import Runtime as Contract
from unicnn.plan import Plan

Tensor = torch.Tensor


class Runtime(Contract):
    """Run plans eagerly; derivatives are torch.autograd's."""

    def tensor(self, array: np.ndarray[Any, Any]) -> Tensor:
        if not array.flags.writeable or any(stride < 0 for stride in array.strides):
            array = array.copy()
        return torch.from_numpy(array).to(self.device)

    def array(self, tensor: Tensor) -> np.ndarray[Any, Any]:
        return tensor.detach().cpu().numpy()

    def is_tensor(self, value: object) -> bool:
        return isinstance(value, Tensor)

    def dtype_of(self, tensor: Tensor) -> str:
        return DTYPES.get(tensor.dtype) or str(tensor.dtype)

    def pack(self, kind: str, array: np.ndarray[Any, Any]) -> Tensor:
        return torch.from_numpy(array.copy()).to(self.device)  # torch.tensor refuses negative strides

    def unpack(self, kind: str, tensor: Tensor) -> np.ndarray[Any, Any]:
        return tensor.detach().cpu().numpy().copy()

    def compile(self, plan: Plan) -> Compiled:
        # What a training pass returns as new state takes part in later derivatives, which inference tensors may not.
        mode = torch.no_grad if plan.training else torch.inference_mode
        # cuDNN may choose FFT or Winograd; PyTorch's own convolutions are columns and a matrix product.
        without = partial(torch.backends.cudnn.flags, enabled=False) if plan.static and self.device != "cpu" else contextlib.nullcontext

        def run(arguments: Sequence[Tensor]) -> Sequence[Tensor]:
            with mode(), without():
                if is_full_precision():
                    return plan(arguments)
                with full_precision():
                    return plan(arguments)

        return run

    def vjp(self, plan: Plan, wanted: Sequence[int]) -> Callable[..., tuple[Sequence[Tensor], Sequence[Tensor]]]:
        def run(arguments: Sequence[Tensor], cotangents: Sequence[Tensor | None]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
            filled = list(arguments)
            for place in wanted:
                filled[place] = filled[place].detach().requires_grad_()
            leaves = [filled[place] for place in wanted]
            with torch.enable_grad(), full_precision():
                results = plan(filled)
                heads = results[: len(cotangents)]
                gradients = torch.autograd.grad(heads, leaves, cotangents, allow_unused=True, materialize_grads=True)
            return results, gradients

        return run

    def synchronize(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()


DTYPES = {torch.float32: "float32", torch.float64: "float64"}
HAS_CUDA = torch.cuda.is_available()


def is_full_precision() -> bool:
    """Tell whether float32 means float32 already."""
    return torch.get_float32_matmul_precision() == "highest" and not (HAS_CUDA and torch.backends.cudnn.allow_tf32)


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Keep float32 from becoming TF32 or bfloat16 inside, and put the user's settings back after."""
    if is_full_precision():
        yield
        return
    matmul, cudnn = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        torch.backends.cudnn.allow_tf32 = cudnn

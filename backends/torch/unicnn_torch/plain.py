"""Tensors and gradients in plain PyTorch, for reproductions that stand alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


def tensor(x: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(x)


def array(x: Tensor) -> np.ndarray[Any, Any]:
    return x.detach().numpy()


def vjp(function: Callable[..., Tensor], operands: Sequence[Tensor], cotangent: Tensor | None) -> tuple[Tensor, Sequence[Tensor]]:
    """Return function(*operands) and the gradients of sum(output * cotangent) by the operands."""
    for operand in operands:
        operand.requires_grad_()
    output = function(*operands)
    return output, torch.autograd.grad(output, operands, cotangent, allow_unused=True, materialize_grads=True)

"""Activations with PyTorch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def relu(x: Tensor) -> Tensor:
    return F.relu(x)


def relu6(x: Tensor) -> Tensor:
    return F.relu6(x)


def leaky_relu(x: Tensor, *, negative_slope: float) -> Tensor:
    return F.leaky_relu(x, negative_slope)


def elu(x: Tensor, *, alpha: float) -> Tensor:
    return F.elu(x, alpha)


def sigmoid(x: Tensor) -> Tensor:
    return torch.sigmoid(x)


def tanh(x: Tensor) -> Tensor:
    return torch.tanh(x)


def silu(x: Tensor) -> Tensor:
    return F.silu(x)


def gelu(x: Tensor, *, approximate: str) -> Tensor:
    return F.gelu(x, approximate=approximate)


def hardswish(x: Tensor) -> Tensor:
    return F.hardswish(x)


def hardsigmoid(x: Tensor, *, slope: float, offset: float) -> Tensor:
    # hardtanh, unlike clamp, has the derivative 0 at its corners.
    return F.hardtanh(slope * x + offset, 0.0, 1.0)


def softmax(x: Tensor, *, axis: int) -> Tensor:
    return F.softmax(x, axis)


def log_softmax(x: Tensor, *, axis: int) -> Tensor:
    return F.log_softmax(x, axis)

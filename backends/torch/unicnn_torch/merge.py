"""Joining values with PyTorch."""

from __future__ import annotations

import functools
import operator

import torch
from torch import Tensor


def add(*inputs: Tensor) -> Tensor:
    return functools.reduce(operator.add, inputs)


def mul(*inputs: Tensor) -> Tensor:
    return functools.reduce(operator.mul, inputs)


def concat(*inputs: Tensor, axis: int) -> Tensor:
    return torch.cat(inputs, axis)

"""Activations with MXNet.

MXNet keeps the hyperparameters of LeakyReLU and hard_sigmoid as float32, whatever the dtype of the values. Those that need
one are therefore built from operators with a scalar, which is exact; `where` decides the derivative at a corner.
"""

from __future__ import annotations

import math

import numpy as np

from unicnn_mxnet.exactly import fresh
from unicnn_mxnet.symbols import Tensor, namespace

ERF_SLOPE = float(np.float32(math.sqrt(math.pi))) / math.sqrt(math.pi)
"""What MXNet's derivative of erf has to be multiplied by: it holds the root of pi as float32 in float64 too."""


def relu(x: Tensor) -> Tensor:
    # It makes 0 of a NaN in float32, which relu does not; but relu has oneDNN's blocks of channels put in order, and loses a tenth by it.
    return namespace(x).Activation(x, act_type="relu", **fresh(x))


def relu6(x: Tensor) -> Tensor:
    op = namespace(x)
    # The derivative of clip is 1 at both corners; relu's is 0 at 0, and a blocked branch takes over at 6.
    return op.where(x >= 6, op.BlockGrad(op.clip(x, a_min=0, a_max=6)), op.relu(x))


def leaky_relu(x: Tensor, *, negative_slope: float) -> Tensor:
    return namespace(x).where(x > 0, x, x * negative_slope)


def elu(x: Tensor, *, alpha: float) -> Tensor:
    op = namespace(x)
    # The branch not taken must stay finite: its derivative is multiplied by 0, which does not stop an inf.
    return op.where(x > 0, x, alpha * op.expm1(op.minimum(x, 0.0)))


def sigmoid(x: Tensor) -> Tensor:
    return namespace(x).sigmoid(x)


def tanh(x: Tensor) -> Tensor:
    return namespace(x).tanh(x)


def silu(x: Tensor) -> Tensor:
    return x * sigmoid(x)


def gelu(x: Tensor, *, approximate: str) -> Tensor:
    op = namespace(x)
    if approximate == "tanh":
        return 0.5 * x * (1 + op.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    # LeakyReLU's own gelu is only float32 in float64 (4e-7 off).
    return 0.5 * x * (1 + _erf(x * math.sqrt(0.5)))


def _erf(x: Tensor) -> Tensor:
    op = namespace(x)
    y = op.erf(x)
    return y + (ERF_SLOPE - 1) * (y - op.BlockGrad(y))  # adds exactly 0, with a derivative


def hardswish(x: Tensor) -> Tensor:
    return x * relu6(x + 3) / 6


def hardsigmoid(x: Tensor, *, slope: float, offset: float) -> Tensor:
    # Unlike that of clip, the derivative of hard_sigmoid is 0 at its corners; with 1 and 0 it is exact in every dtype.
    return namespace(x).hard_sigmoid(slope * x + offset, alpha=1.0, beta=0.0)


def softmax(x: Tensor, *, axis: int) -> Tensor:
    return namespace(x).softmax(x, axis=axis)


def log_softmax(x: Tensor, *, axis: int) -> Tensor:
    op = namespace(x)
    # oneDNN's log_softmax makes 1.4e-6 of what is 0 at (0, -200).
    shifted = op.broadcast_sub(x, op.BlockGrad(op.max(x, axis=axis, keepdims=True)))
    return op.broadcast_sub(shifted, op.log(op.sum(op.exp(shifted), axis=axis, keepdims=True)))

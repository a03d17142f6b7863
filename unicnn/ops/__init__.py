"""The vocabulary: what an op is called, what it holds, what shape it gives and what it computes."""

from unicnn.ops.activation import (
    ELU,
    GELU,
    Hardsigmoid,
    Hardswish,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from unicnn.ops.base import VOCABULARY, Op, Parameter, Shape
from unicnn.ops.conv import Conv2d, ConvTranspose2d
from unicnn.ops.linear import Linear
from unicnn.ops.loss import LOSSES, CrossEntropy, Loss, SquaredError
from unicnn.ops.merge import Add, Concat, Mul
from unicnn.ops.norm import BatchNorm2d, Dropout, LayerNorm
from unicnn.ops.pool import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from unicnn.ops.shape import Flatten, Identity, Pad, Reshape, Transpose
from unicnn.ops.symbolic import Input, Symbol

__all__ = [
    "ELU", "GELU", "LOSSES", "VOCABULARY", "AdaptiveAvgPool2d", "Add", "AvgPool2d", "BatchNorm2d", "Concat", "Conv2d",
    "ConvTranspose2d", "CrossEntropy", "Dropout", "Flatten", "Hardsigmoid", "Hardswish", "Identity", "Input", "LayerNorm",
    "LeakyReLU", "Linear", "LogSoftmax", "Loss", "MaxPool2d", "Mul", "Op", "Pad", "Parameter", "ReLU", "ReLU6",
    "Reshape", "Shape", "SiLU", "Sigmoid", "Softmax", "SquaredError", "Symbol", "Tanh", "Transpose",
]  # fmt: skip

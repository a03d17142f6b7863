"""unicnn: a convolutional network described once, run on NumPy, PyTorch, TensorFlow and MXNet, and compared bit by bit.

``import unicnn as un`` imports nothing; each name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_OPS = (
    "AdaptiveAvgPool2d", "Add", "AvgPool2d", "BatchNorm2d", "Concat", "Conv2d", "ConvTranspose2d", "CrossEntropy", "Dropout",
    "ELU", "Flatten", "GELU", "Hardsigmoid", "Hardswish", "Identity", "LayerNorm", "LeakyReLU", "Linear", "LogSoftmax",
    "MaxPool2d", "Mul", "Pad", "ReLU", "ReLU6", "Reshape", "SiLU", "Sigmoid", "Softmax", "SquaredError", "Tanh", "Transpose",
)  # fmt: skip
_HOMES = dict.fromkeys(_OPS, "ops") | {
    "Input": "ops",
    "Model": "model",
    "Sequential": "model",
    "infer": "graph",
    "load": "files",
    "save": "files",
    "load_weights": "files",
    "save_weights": "files",
    "lower": "program",
    "Program": "program",
    "compare": "comparison",
    "Comparison": "comparison",
    "diff": "porting.difference",
    "initial_weights": "initializers",
    "Constant": "initializers",
    "Normal": "initializers",
    "Scaled": "initializers",
    "Uniform": "initializers",
    "fashion_mnist": "datasets",
    "from_framework": "porting.reading",
    "Imported": "porting.imported",
    "verify": "porting.proof",
    "emit": "porting.emitting",
    "Certificate": "porting.proof",
    "UnicnnError": "errors",
    "Recipe": "training.recipe",
    "load_recipe": "training.recipe",
    "save_recipe": "training.recipe",
    "Data": "training.data",
    "History": "training.history",
    "train": "training.run",
    **dict.fromkeys(("SGD", "Adagrad", "Adam", "AdamW", "RMSProp"), "training.optimizers"),
    **dict.fromkeys(("ClipGlobalNorm", "ClipNorm", "ClipValue"), "training.clipping"),
    **dict.fromkeys(("ConstantRate", "CosineDecay", "MultiStepDecay", "PolynomialDecay", "StepDecay", "Warmup"), "training.schedules"),
}
_MODULES = ("datasets", "errors", "ops", "zoo")

if TYPE_CHECKING:
    from unicnn import datasets, errors, ops, zoo
    from unicnn.comparison import Comparison, compare
    from unicnn.datasets import fashion_mnist
    from unicnn.errors import UnicnnError
    from unicnn.files import load, load_weights, save, save_weights
    from unicnn.graph import infer
    from unicnn.initializers import Constant, Normal, Scaled, Uniform, initial_weights
    from unicnn.model import Model, Sequential
    from unicnn.ops import (
        ELU,
        GELU,
        AdaptiveAvgPool2d,
        Add,
        AvgPool2d,
        BatchNorm2d,
        Concat,
        Conv2d,
        ConvTranspose2d,
        CrossEntropy,
        Dropout,
        Flatten,
        Hardsigmoid,
        Hardswish,
        Identity,
        LayerNorm,
        LeakyReLU,
        Linear,
        LogSoftmax,
        MaxPool2d,
        Mul,
        Pad,
        ReLU,
        ReLU6,
        Reshape,
        Sigmoid,
        SiLU,
        Softmax,
        SquaredError,
        Tanh,
        Transpose,
    )
    from unicnn.ops.symbolic import Input
    from unicnn.porting.difference import diff
    from unicnn.porting.emitting import emit
    from unicnn.porting.imported import Imported
    from unicnn.porting.proof import Certificate, verify
    from unicnn.porting.reading import from_framework
    from unicnn.program import Program, lower
    from unicnn.training.clipping import ClipGlobalNorm, ClipNorm, ClipValue
    from unicnn.training.data import Data
    from unicnn.training.history import History
    from unicnn.training.optimizers import SGD, Adagrad, Adam, AdamW, RMSProp
    from unicnn.training.recipe import Recipe, load_recipe, save_recipe
    from unicnn.training.run import train
    from unicnn.training.schedules import ConstantRate, CosineDecay, MultiStepDecay, PolynomialDecay, StepDecay, Warmup

__all__ = [*sorted(_HOMES), "datasets", "errors", "ops", "zoo"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"unicnn.{name}")
    if name in _HOMES:
        value = getattr(importlib.import_module(f"unicnn.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'unicnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

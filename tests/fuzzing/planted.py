"""Deliberately wrong lowerings, each a module of its own, so that a reproduction carries its source."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from unicnn import plugins
from unicnn.conformance.fuzzing.spot import Spot
from unicnn.ops import AvgPool2d, Conv2d, LayerNorm, LeakyReLU

from .spots import IMAGE, spot


@dataclass(frozen=True)
class Bug:
    """Be a wrong lowering: on which backend, of which op, as which source, and a layer that meets it."""

    backend: str
    family: str
    op: str
    source: str
    spot: Spot
    kind: str


TORCH = Bug(
    "torch",
    "conv",
    "conv2d",
    '''
import torch.nn.functional as F

def conv2d(x, weight, bias, *, stride, padding, dilation, groups):
    """Convolve, and with groups and a dilation take the filters in the wrong order."""
    (top, bottom), (left, right) = padding
    if max(dilation) > 1 and groups > 1:
        weight = weight.flip(0)
    return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias, stride, 0, dilation, groups)
''',
    spot(Conv2d(6, 3, 2, 2, 2, 2), (4, 9, 8), batch=3),
    "gradient of weight",
)
TENSORFLOW = Bug(
    "tensorflow",
    "pool",
    "avg_pool2d",
    '''
import tensorflow as tf

def avg_pool2d(x, *, kernel_size, stride, padding, counted):
    """Average, and count the padding whether asked to or not."""
    return tf.nn.avg_pool2d(tf.pad(x, ((0, 0), *padding, (0, 0))), kernel_size, stride, "VALID")
''',
    spot(AvgPool2d(3, 2, 1, count_include_pad=False), IMAGE),
    "output",
)
MXNET = Bug(
    "mxnet",
    "activation",
    "leaky_relu",
    '''
from unicnn_mxnet.symbols import namespace

def leaky_relu(x, *, negative_slope):
    """Scale what is negative, and what is slightly positive as well."""
    return namespace(x).where(x > 0.5, x, x * negative_slope)
''',
    spot(LeakyReLU(0.1), IMAGE),
    "output",
)
NUMPY = Bug(
    "numpy",
    "norm",
    "layer_norm",
    '''
import numpy as np

from unicnn.derivatives import spread

def layer_norm(x, scale, shift, *, axes, eps):
    """Normalise, with the epsilon outside the root."""
    y = x - x.mean(axis=axes, keepdims=True)
    y = y / (np.sqrt((y * y).mean(axis=axes, keepdims=True)) + eps)
    if scale is not None:
        y = y * spread(scale, axes, x.ndim)
    return y if shift is None else y + spread(shift, axes, x.ndim)
''',
    spot(LayerNorm((1, 3), 0.1), IMAGE),
    "output",
)
BUGS = (NUMPY, TORCH, TENSORFLOW, MXNET)


def plant(bug: Bug, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a wrong lowering in the place of the right one, until the test is over."""
    if bug.backend not in plugins.usable():
        pytest.skip(f"{bug.backend} cannot be used here")
    name = f"planted_{bug.backend}_{folder.name.replace('-', '_')}"
    folder.joinpath(f"{name}.py").write_text(bug.source, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    module = importlib.import_module(name)
    monkeypatch.delitem(sys.modules, name, raising=False)
    sys.modules[name] = module
    monkeypatch.setattr(plugins.backend(bug.backend).modules[bug.family], bug.op, getattr(module, bug.op))

"""Networks of torchvision, keras.applications and Gluon's model zoo with weights that hide nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FRAMEWORKS = {
    "torch": ("torch", "torchvision"),
    "keras": ("tensorflow",),
    "gluon": ("mxnet",),
    "onnx": ("onnx", "onnxruntime"),
    "numpy": (),
}


@dataclass(frozen=True)
class Port:
    """Name a network of a zoo, the size of its images, and where it goes; `training` says whether its training can be described."""

    source: str
    name: str
    size: int
    to: str
    options: Mapping[str, Any] = field(default_factory=dict)
    training: bool = True

    @property
    def title(self) -> str:
        """Return what a test is called."""
        return f"{self.name}-of-{self.source}-to-{self.to}"

    @property
    def modules(self) -> tuple[str, ...]:
        """Return what must be installed."""
        return (*FRAMEWORKS[self.source], *FRAMEWORKS[self.to])


def built(port: Port) -> tuple[Any, tuple[int, ...]]:
    """Return a network, and the shape that it takes."""
    return {"torch": _torch, "keras": _keras, "gluon": _gluon}[port.source](port)


def _torch(port: Port) -> tuple[Any, tuple[int, ...]]:
    import torch

    from .zoo_torch import build

    torch.manual_seed(0)
    net = build(port.name, **port.options)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.uniform_(0.5, 1.5)
            module.running_mean.normal_(0, 0.3)
            torch.nn.init.normal_(module.bias, 0, 0.3)
    return net, (1, 3, port.size, port.size)


def _keras(port: Port) -> tuple[Any, tuple[int, ...]]:
    import keras

    from .zoo_keras import build

    keras.utils.set_random_seed(0)
    net = build(port.name, port.size, **port.options)
    random = np.random.default_rng(0)
    for variable in net.variables:
        if variable.name == "moving_variance":
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
        elif variable.name in ("beta", "moving_mean"):
            variable.assign(random.normal(0, 0.3, variable.shape))
    return net, (1, port.size, port.size, 3)


def _gluon(port: Port) -> tuple[Any, tuple[int, ...]]:
    from .zoo_gluon import build

    return build(port.name), (1, 3, port.size, port.size)

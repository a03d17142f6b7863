"""The networks of torchvision, beside a PyTorch for the CPU too."""

from __future__ import annotations

import sys
from types import ModuleType

import torch

_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_LIBRARIES: list[torch.library.Library] = []  # what a library declares is gone when it is collected


def torchvision() -> ModuleType:
    """Return torchvision; its wheel from PyPI is compiled for CUDA, and without CUDA its own operators must be declared to import it.

    No network for classification uses these operators (they choose boxes and pool regions), so they have no body here.
    """
    try:
        import torchvision
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in _OPERATORS:
            library.define(operator)
        _LIBRARIES.append(library)
        import torchvision
    return torchvision

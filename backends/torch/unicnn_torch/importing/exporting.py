"""From a module to a graph of ATen calls that know their modules and their lines."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import fx, nn


def exported(net: nn.Module, inputs: tuple[tuple[int, ...], ...]) -> Any:
    """Return the exported program of a module; where export fails, of what torch.fx makes of it."""
    parameter = next(net.parameters(), None)
    dtype = torch.float32 if parameter is None else parameter.dtype
    device = "cpu" if parameter is None else parameter.device
    examples = tuple(torch.zeros(shape, dtype=dtype, device=device) for shape in inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.export.export(net, examples, strict=False)
        except Exception as first:
            try:
                return torch.export.export(fx.symbolic_trace(net), examples, strict=False)
            except Exception:
                raise first from None

"""From a module to a graph of ATen calls that know their modules and their lines."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import fx, nn

from unicnn.errors import PortError
from unicnn_torch.importing.lines import user_line

_BY_VALUES = ("data-dependent", "unbacked", "GuardOnDataDependent", "traced control flow", "_local_scalar_dense", "cannot be iterated")


def exported(net: nn.Module, inputs: tuple[tuple[int, ...], ...], *, training: bool) -> Any:
    """Return the exported program of a module in one mode; where export fails, of what torch.fx makes of it."""
    check(net, training=training)
    examples = tuple(torch.zeros(shape, dtype=dtype_of(net), device=_device_of(net)) for shape in inputs)
    with _mode(net, training), _untouched(net), _visible_identities(net), torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.export.export(net, examples, strict=False)
        except Exception as first:
            try:
                return torch.export.export(fx.symbolic_trace(net), examples, strict=False)
            except Exception:
                raise _explained(net, first) from None


def dtype_of(net: nn.Module) -> torch.dtype:
    """Return the type of a module's numbers."""
    return next((value.dtype for value in [*net.parameters(), *net.buffers()] if value.is_floating_point()), torch.float32)


def check(net: nn.Module, *, training: bool) -> None:
    """Raise PortError for a module that export would misread or choke on."""
    for path, module in net.named_modules():
        if any(
            isinstance(value, nn.parameter.UninitializedTensorMixin) for value in [*module._parameters.values(), *module._buffers.values()]
        ):
            raise PortError(
                f"{path or type(net).__name__} ({type(module).__name__}) has no weights yet. Run the network once on a batch before it is ported."
            )
        if training and isinstance(module, nn.modules.batchnorm._NormBase) and module.momentum is None and module.running_mean is not None:
            raise PortError(
                f"{path} ({type(module).__name__}) has momentum=None, a mean over all batches so far, and a description has none that depends on "
                "how many there were. Give it a momentum, such as 0.1, or leave training out: training=False, or --inference-only."
            )


def _device_of(net: nn.Module) -> Any:
    return next((value.device for value in [*net.parameters(), *net.buffers()]), "cpu")


@contextlib.contextmanager
def _mode(net: nn.Module, training: bool) -> Iterator[None]:
    modes = {module: module.training for module in net.modules()}
    try:
        net.train(training)
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextlib.contextmanager
def _untouched(net: nn.Module) -> Iterator[None]:
    """Give all modules their attributes back: a forward may keep a value of the tracing in one."""
    kept = {module: dict(module.__dict__) for module in net.modules()}
    try:
        yield
    finally:
        for module, attributes in kept.items():
            module.__dict__.clear()
            module.__dict__.update(attributes)


@contextlib.contextmanager
def _visible_identities(net: nn.Module) -> Iterator[None]:
    """Let every nn.Identity copy its input, so that the graph has a call of it."""
    hooks = [module.register_forward_hook(_copied) for module in net.modules() if type(module) is nn.Identity]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _copied(module: nn.Module, given: Any, output: Any) -> Any:
    return output.clone()


def _explained(net: nn.Module, error: Exception) -> Exception:
    """Return the error itself, or, if the code looks at values, a PortError that names its line."""
    text = f"{type(error).__name__}: {error}"
    if not any(word in text for word in _BY_VALUES):
        return error
    where = user_line(error)
    return PortError(
        f"{type(net).__name__} decides by the values that it computes{f', at {where}' if where else ''}, and a description has one way that all "
        "inputs take. Make the decision depend on shapes or on settings only, or leave it to the code around the network."
    )

"""Batch normalisation in a class of its own: which running variance it keeps is found by trying, since its code may say it in any way."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import types
from collections.abc import Iterator, Mapping

import torch
from torch import nn

from unicnn.porting.tape import Call, Operand, Tape

_SHAPE = (3, 2, 2)
"""Samples, height and width of a trial."""


def running_variances(net: nn.Module) -> Mapping[str, bool]:
    """Return, by path, whether a batch normalisation of a derived class keeps the unbiased variance.

    Only those are listed that do in all else what nn.BatchNorm2d does; the others are read call by call.
    """
    found = {path: _tried(module) for path, module in net.named_modules() if _derived(module)}
    return {path: unbiased for path, unbiased in found.items() if unbiased is not None}


@contextlib.contextmanager
def standing_in(net: nn.Module, paths: Mapping[str, bool]) -> Iterator[None]:
    """Let the modules at `paths` run as nn.BatchNorm2d for a while, so that they are one call."""
    modules = [net.get_submodule(path) for path in paths]
    try:
        for module in modules:
            module.forward = types.MethodType(nn.BatchNorm2d.forward, module)  # type: ignore[method-assign]
        yield
    finally:
        for module in modules:
            module.__dict__.pop("forward", None)


def with_variances(tape: Tape, variances: Mapping[str, bool]) -> Tape:
    """Return a tape on which the modules of `variances` are layers that keep those; ones and zeros that are not learned are no scale and no shift."""

    def read(call: Call) -> Call:
        if call.op != "batch_norm" or call.path not in variances:
            return call
        x, scale, shift, *running = call.inputs
        plain = [None if _fixed(tape, operand, value) else operand for operand, value in ((scale, 1.0), (shift, 0.0))]
        attributes = {**call.attributes, "unbiased": variances[call.path]}
        return dataclasses.replace(call, inputs=(x, *plain, *running), attributes=attributes, own=True)

    return dataclasses.replace(tape, calls=tuple(map(read, tape.calls)))


def _fixed(tape: Tape, operand: Operand, value: float) -> bool:
    constant = tape.constants.get(operand) if isinstance(operand, str) else None
    return constant is not None and not constant.trainable and bool((constant.read() == value).all())


def _derived(module: nn.Module) -> bool:
    return isinstance(module, nn.BatchNorm2d) and type(module) is not nn.BatchNorm2d and "forward" not in module.__dict__


def _tried(module: nn.BatchNorm2d) -> bool | None:
    """Return whether a module keeps the unbiased variance, or None if it is no batch normalisation by another name."""
    if module.momentum is None or module.running_mean is None or not module.momentum:
        return None
    mine = copy.deepcopy(module).to("cpu", torch.float64)
    plain = nn.BatchNorm2d(module.num_features, module.eps, module.momentum).double()
    plain.load_state_dict({**plain.state_dict(), **dict(mine.named_parameters()), **dict(mine.named_buffers())})
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(_SHAPE[0], module.num_features, *_SHAPE[1:], generator=generator, dtype=torch.float64)
    before = plain.running_var.clone()
    try:
        with torch.no_grad():
            outputs = [(mine.train(mode)(x), plain.train(mode)(x)) for mode in (False, True)]
    except Exception:
        return None
    if not all(_same(a, b) for a, b in [*outputs, (mine.running_mean, plain.running_mean)]):
        return None
    biased = before + module.momentum * (x.var((0, 2, 3), correction=0) - before)
    for unbiased, variance in ((True, plain.running_var), (False, biased)):
        if _same(mine.running_var, variance):
            return unbiased
    return None


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Tell whether two results of a trial differ by rounding alone; a variance of the other kind is off by a twelfth of the batch's."""
    return bool(((one - other).abs() <= 2.0**-40 * (1 + other.abs())).all())

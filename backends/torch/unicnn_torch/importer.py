"""Reading PyTorch: a torch.nn.Module becomes a tape, by torch.export, so that every module keeps its name and every line is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unicnn.errors import PortError
from unicnn.porting.tape import Recording
from unicnn_torch.importing.batches import check_batches
from unicnn_torch.importing.exporting import exported
from unicnn_torch.importing.norms import running_variances, standing_in, with_variances
from unicnn_torch.importing.running import TorchRunner, copied
from unicnn_torch.importing.translating import Translated, translated


def accepts(value: object) -> bool:
    """Tell whether `value` is a module."""
    return isinstance(value, nn.Module)


def record(value: nn.Module, inputs: tuple[tuple[int, ...], ...], *, training: bool) -> Recording:
    """Return the tape of one pass of a module over inputs of these shapes; the module itself is left as it is."""
    net = _unwrapped(value)
    variances = running_variances(net)

    def read(shapes: tuple[tuple[int, ...], ...]) -> tuple[Any, Translated]:
        with standing_in(net, variances):
            program = exported(net, shapes, training=training)
        made = translated(net, program, training=training)
        return program, dataclasses.replace(made, tape=with_variances(made.tape, variances))

    program, made = read(inputs)
    if not training:
        check_batches(net, made.tape, inputs, lambda shapes: read(shapes)[1].tape)
    return Recording(made.tape, TorchRunner(net, program, made))


def _unwrapped(net: nn.Module) -> nn.Module:
    """Return the module in a wrapper that changes how it runs and not what it computes."""
    if isinstance(net, torch.jit.ScriptModule):
        raise PortError("A ScriptModule has been compiled, and its source is gone. Pass the module that it was made from.")
    if isinstance(net, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        return _unwrapped(net.module)
    original = getattr(net, "_orig_mod", None)  # of torch.compile
    return _unwrapped(original) if isinstance(original, nn.Module) else net


def read(path: Path, **options: Any) -> Any:
    """Refuse to read a file: weights alone are no network, and a pickled module is code."""
    raise PortError(
        f"{path}: a file of PyTorch holds weights, not the network. Name the Python file that builds the network, and give the weights as "
        "--params, which are read without unpickling code."
    )


def load_parameters(value: nn.Module, path: Path) -> nn.Module:
    """Return a copy of a module with the weights of a .pt or .safetensors file, in which no code is run."""
    net = copied(value)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        net.load_state_dict(state)
    except OSError as error:
        raise PortError(f"{path}: cannot be read ({error.strerror}). Check the path.") from None
    except Exception as error:
        detail = " ".join(str(error).split())[:300]
        raise PortError(f"{path}: is no state dict of this network ({detail}). Save one with torch.save(net.state_dict(), path).") from None
    return net

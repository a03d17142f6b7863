"""Reading NumPy: the files that unicnn writes, whose networks are layers by name. Other NumPy code has no structure to be read."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unicnn.errors import PortError
from unicnn.porting.outline.words import network_name
from unicnn.porting.tape import Array, Call, Constant, Ran, Recording, Runner, Tape, training_loop
from unicnn_numpy.emitting.words import word


def accepts(value: object) -> bool:
    """Tell whether `value` is a network of a file that unicnn wrote."""
    names = {cls.__name__ for cls in type(value).__mro__}
    return "Network" in names and all(hasattr(value, name) for name in ("layers", "inputs", "outputs", "parameters", "backward"))


def record(value: Any, inputs: tuple[tuple[int, ...], ...], *, training: bool) -> Recording:
    """Return the tape of a network: its layers, one after the other; they mean the same in training and in inference."""
    if len(inputs) != len(value.inputs):
        raise PortError(f"{type(value).__name__} takes {', '.join(value.inputs)}, and {len(inputs)} shapes were given. Give one for each.")
    net = _copy(value, "float32")
    net(*(np.zeros(shape, np.float32) for shape in inputs))
    constants = {
        name: Constant(name, array.shape, lambda array=array: array, not name.endswith((".mean", ".var")))  # type: ignore[misc]
        for name, array in value.parameters.items()
    }
    calls = tuple(_call(name, layer, taken, net.values) for name, (layer, taken) in net.layers.items())
    keys = getattr(value, "keys", None) or (None,) * len(value.outputs)
    tape = Tape(
        network_name(type(value).__name__),
        tuple(zip(value.inputs, inputs, strict=True)),
        calls,
        constants,
        tuple(zip(keys, value.outputs, strict=True)),
    )
    return Recording(tape, NumpyRunner(value))


def read(path: Path, **options: Any) -> Any:
    """Refuse to read a file: NumPy has no file format for networks."""
    raise PortError(f"{path}: NumPy has no files that hold networks. Name the Python file that builds it, as in net.py:Net.")


def _call(name: str, layer: Any, taken: tuple[str, ...], values: Mapping[str, Array]) -> Call:
    op, constants, attributes = word(layer, [values[item].shape for item in taken])
    operands = (*taken, *(None if role not in layer.parameters else f"{name}.{role}" for role in constants))
    return Call(op, name, operands, values[name].shape, attributes, name, True)


def _copy(net: Any, dtype: str) -> Any:
    net = copy.deepcopy(net)
    for layer, _ in net.layers.values():
        layer.parameters = {key: array.astype(dtype) for key, array in layer.parameters.items()}
    return net


class NumpyRunner(Runner):
    """Run a network of layers; it keeps every layer's value by itself."""

    def __init__(self, net: Any) -> None:
        self.net = net

    def run(self, inputs: Sequence[Array], cotangents: Sequence[Array], dtype: str) -> Ran:
        """Run the network in inference, forward and backward."""
        net = _copy(self.net, dtype)
        net(*(array.astype(dtype) for array in inputs))
        outputs = [net.values[name] for name in net.outputs]
        given = [array.astype(dtype) for array in cotangents]
        back = net.backward(dict(zip(net.keys, given, strict=True))) if hasattr(net, "keys") else net.backward(*given)
        back = back if isinstance(back, tuple) else (back,)
        gradients = {name: array for name, array in zip(net.inputs, back, strict=True) if array is not None}
        return Ran(dict(net.values), outputs, {**net.gradients, **gradients})

    def train(self, source: str, batches: Callable[[int], Any], epochs: int, dtype: str) -> tuple[list[float], Mapping[str, Array]]:
        """Train a copy of the network with the function ``train`` that `source` defines."""
        net = _copy(self.net, dtype)
        losses = training_loop(source)(net, batches, epochs)
        return losses, net.parameters

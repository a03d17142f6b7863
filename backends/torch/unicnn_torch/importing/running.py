"""Running the original module again, for a proof."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.overrides import TorchFunctionMode

from unicnn.errors import PortError
from unicnn.porting.tape import Array, Ran, Runner, alike, training_loop
from unicnn_torch.importing.translating import Translated


class TorchRunner(Runner):
    """Run a module; values inside it come from the exported graph, whose outputs must be the module's own."""

    def __init__(self, net: nn.Module, program: Any, translated: Translated) -> None:
        self.net, self.program, self.translated = net, program, translated

    def _copy(self, dtype: str) -> nn.Module:
        return copied(self.net).to("cpu", getattr(torch, dtype))

    def run(self, inputs: Sequence[Array], cotangents: Sequence[Array], dtype: str) -> Ran:
        """Run the module in inference, forward and backward."""
        net = self._copy(dtype).eval()
        given = [torch.tensor(array, dtype=getattr(torch, dtype), requires_grad=True) for array in inputs]
        for parameter in net.parameters():
            parameter.requires_grad_()
        with torch.enable_grad(), _Widened(getattr(torch, dtype)), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outputs = _flat(net(*(value.clone() for value in given)))
            _backward(outputs, cotangents)
        gradients = {name: _array(value.grad) for name, value in net.named_parameters() if value.grad is not None}
        names = [name for name, _ in self.translated.tape.inputs]
        gradients |= {name: _array(value.grad) for name, value in zip(names, given, strict=True) if value.grad is not None}
        values, again = self._values(net, given)
        arrays = [_array(value) for value in outputs]
        if not all(alike(one, other) for one, other in zip(arrays, again, strict=True)):
            raise PortError(
                f"{type(self.net).__name__} gives other outputs when it is called than the graph that was exported from it: it "
                "depends on something other than its inputs and weights. Make it a function of those."
            )
        return Ran(values, arrays, gradients)

    def _values(self, net: nn.Module, inputs: Sequence[torch.Tensor]) -> tuple[Mapping[str, Array], list[Array]]:
        """Return the values of the tape by name, and the outputs, as the exported graph computes them."""
        state = dict([*net.named_parameters(remove_duplicate=False), *net.named_buffers(remove_duplicate=False)])
        constants, dtype = self.program.constants, inputs[0].dtype
        feed = []
        given = iter(inputs)
        for spec in self.program.graph_signature.input_specs:
            if spec.kind.name == "USER_INPUT":
                feed.append(next(given).detach().clone())
            else:
                value = state.get(spec.target, constants.get(spec.target))
                feed.append(value.detach().to(dtype) if value.is_floating_point() else value)
        recorder = _Recorder(self.program.graph_module, self.translated.recorded, dtype)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = recorder.run(*feed)
        return recorder.values, [_array(results[place]) for place in self.translated.outputs]

    def train(self, source: str, batches: Callable[[int], Any], epochs: int, dtype: str) -> tuple[list[float], Mapping[str, Array]]:
        """Train a copy of the module with the function ``train`` that `source` defines."""
        net = self._copy(dtype).train()
        losses = training_loop(source)(net, batches, epochs)
        return losses, {name: _array(value) for name, value in net.state_dict().items()}


def copied(net: nn.Module) -> nn.Module:
    """Return a deep copy of a module, which may keep results of its last call."""
    memo: dict[int, Any] = {}
    for module in net.modules():
        for value in module.__dict__.values():
            if isinstance(value, torch.Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    return copy.deepcopy(net, memo)


def _backward(outputs: Sequence[torch.Tensor], cotangents: Sequence[Array]) -> None:
    """Leave the gradients of sum(output * cotangent) where they belong; without any path there are none."""
    terms = [
        (value * torch.tensor(np.ascontiguousarray(seed), dtype=value.dtype)).sum()
        for value, seed in zip(outputs, cotangents, strict=True)
        if value.requires_grad
    ]
    if terms:
        torch.stack(terms).sum().backward()


class _Widened(TorchFunctionMode):
    """Let what code makes float32 have the type in which the network is run."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = {key: self._type(value) for key, value in (kwargs or {}).items()}
        if func is torch.Tensor.float:
            return args[0].to(self.dtype)
        return func(*map(self._type, args), **named) if func is torch.Tensor.to else func(*args, **named)

    def _type(self, value: Any) -> Any:
        return self.dtype if value is torch.float32 else value


class _Recorder(fx.Interpreter):
    def __init__(self, module: Any, recorded: Mapping[str, str], dtype: torch.dtype) -> None:
        super().__init__(module)
        self.recorded, self.dtype = recorded, dtype
        self.values: dict[str, Array] = {}

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        if target is torch.ops.aten.to.dtype and args[1] is torch.float32:
            args = (args[0], self.dtype, *args[2:])
        return super().call_function(target, args, kwargs)

    def run_node(self, n: fx.Node) -> Any:
        if n.op == "call_function" and n.meta.get("val") is None:
            return None  # an assertion that numbers are of the type they were recorded with
        result = super().run_node(n)
        if isinstance(result, torch.Tensor) and n.name in self.recorded:
            self.values[self.recorded[n.name]] = _array(result).copy()
        return result


def _flat(value: Any) -> list[torch.Tensor]:
    return [leaf for leaf in torch.utils._pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def _array(tensor: Any) -> Array:
    return tensor.detach().cpu().numpy()

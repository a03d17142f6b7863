"""Running the original module again, for a proof."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from unicnn.errors import PortError
from unicnn.porting.tape import Array, Ran, Runner


class TorchRunner(Runner):
    """Run a module; values inside it come from the exported graph, whose outputs must be the module's own."""

    def __init__(self, net: nn.Module, program: Any) -> None:
        self.net, self.program = net, program

    def _copy(self, dtype: str) -> nn.Module:
        return copy.deepcopy(self.net).to("cpu", getattr(torch, dtype))

    def run(self, inputs: Sequence[Array], cotangents: Sequence[Array], dtype: str) -> Ran:
        """Run the module in inference, forward and backward."""
        net = self._copy(dtype).eval()
        given = [torch.tensor(array, dtype=getattr(torch, dtype), requires_grad=True) for array in inputs]
        for parameter in net.parameters():
            parameter.requires_grad_()
        outputs = _flat(net(*(value.clone() for value in given)))
        total = sum((value * torch.tensor(seed, dtype=value.dtype)).sum() for value, seed in zip(outputs, cotangents, strict=True))
        assert isinstance(total, torch.Tensor)
        total.backward()
        gradients = {name: _array(value.grad) for name, value in net.named_parameters() if value.grad is not None}
        users = self.program.graph_signature.user_inputs
        users = ["input"] if len(users) == 1 else users
        gradients |= {name: _array(value.grad) for name, value in zip(users, given, strict=True) if value.grad is not None}
        values = self._values(net, given)
        arrays = [_array(value) for value in outputs]
        for array, name in zip(arrays, self.program.graph_signature.user_outputs, strict=True):
            if not np.array_equal(array, values[name], equal_nan=True):
                raise PortError(
                    f"{type(self.net).__name__} gives other outputs when it is called than the graph that was exported from it: it "
                    "depends on something other than its inputs and weights. Make it a function of those."
                )
        return Ran(values, arrays, gradients)

    def _values(self, net: nn.Module, inputs: Sequence[torch.Tensor]) -> Mapping[str, Array]:
        state = {**dict(net.named_parameters()), **dict(net.named_buffers())}
        constants = self.program.constants
        signature = self.program.graph_signature
        feed = []
        given = iter(inputs)
        for spec in signature.input_specs:
            if spec.kind.name == "USER_INPUT":
                feed.append(next(given).detach().clone())
            else:
                value = state.get(spec.target, constants.get(spec.target))
                feed.append(value.detach().to(inputs[0].dtype) if value.is_floating_point() else value)
        recorder = _Recorder(self.program.graph_module)
        with torch.no_grad():
            recorder.run(*feed)
        return recorder.values

    def train(self, source: str, batches: Callable[[int], Any], epochs: int, dtype: str) -> tuple[list[float], Mapping[str, Array]]:
        """Train a copy of the module with the function ``train`` that `source` defines."""
        net = self._copy(dtype).train()
        scope: dict[str, Any] = {"__name__": "training"}
        exec(compile(source, "<training>", "exec"), scope)
        losses = scope["train"](net, batches, epochs)
        return losses, {name: _array(value) for name, value in net.state_dict().items()}


class _Recorder(fx.Interpreter):
    def __init__(self, module: Any) -> None:
        super().__init__(module)
        self.values: dict[str, Array] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, torch.Tensor) and n.op == "call_function":
            self.values[n.name] = _array(result).copy()
        return result


def _flat(value: Any) -> list[torch.Tensor]:
    return [leaf for leaf in torch.utils._pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def _array(tensor: Any) -> Array:
    return tensor.detach().cpu().numpy()

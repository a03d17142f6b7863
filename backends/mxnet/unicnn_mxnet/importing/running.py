"""Running the original again, with its own code: other numbers are lent to it, and it is left as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from unicnn.errors import PortError
from unicnn.porting.tape import Call, Ran, Runner
from unicnn_mxnet.compat import mx
from unicnn_mxnet.importing import arrays, training
from unicnn_mxnet.importing.between import between
from unicnn_mxnet.importing.listening import Listener
from unicnn_mxnet.importing.survey import Named
from unicnn_mxnet.importing.taping import Pass, listened

Array = np.ndarray[Any, Any]


class Leaves:
    """Lend copies of a network's arrays, with room for gradients of those that have a derivative."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.gradients: dict[str, Any] = {}

    def lend(self, named: Named, graded: bool) -> Any:
        """Return a copy of a constant."""
        with mx.autograd.pause():
            copy = arrays.of(arrays.values_of(named.array), self.dtype)
            if graded:
                self.mark(named.name, copy)
        return copy

    def mark(self, name: str, array: Any) -> None:
        """Ask for the gradient of an array."""
        self.gradients[name] = mx.nd.zeros(array.shape, dtype=self.dtype)
        mx.autograd.mark_variables([array], [self.gradients[name]])


class Again(Runner):
    """Run the network that a pass was heard of."""

    def __init__(self, value: Any, heard: Pass) -> None:
        self.value, self.heard = value, heard

    def run(self, inputs: Sequence[Array], cotangents: Sequence[Array], dtype: str) -> Ran:
        names = [name for name, _ in self.heard.tape.inputs]
        leaves = Leaves(dtype)
        fed = [arrays.of(array, dtype) for array in inputs]
        for name, array in zip(names, fed, strict=True):
            leaves.mark(name, array)
        listener = Listener(self.heard.survey, leaves.lend, dtype=dtype, still=True)
        with mx.autograd.record(train_mode=False):
            results = listened(listener, self.value, fed, names)
        self._check_same(listener)
        # Outputs and inputs that are one array would not be told apart by autograd.
        heads = [array for _, array in results]
        mx.autograd.backward(heads, [arrays.of(array, dtype) for array in cotangents], train_mode=True)
        gradients = {name: array.asnumpy() for name, array in leaves.gradients.items()}
        return Ran(_Values(listener, self.heard.tape.calls), [array.asnumpy() for array in heads], gradients)

    def train(self, source: str, batches: Callable[[int], Any], epochs: int, dtype: str) -> tuple[list[float], Mapping[str, Array]]:
        return training.trained(self.value, self.heard, source, batches, epochs, dtype)

    def _check_same(self, listener: Listener) -> None:
        before, now = [heard.said for heard in self.heard.listener.heard], [heard.said for heard in listener.heard]
        if before != now:
            at = next((i for i, (a, b) in enumerate(zip(before, now, strict=False)) if a != b), min(len(before), len(now)))
            one = self.heard.listener.heard[at].where if at < len(before) else None
            raise PortError(
                f"{self.heard.tape.name} does not do the same each time: its step {at + 1}{f' at {one}' if one else ''} was another when it ran "
                "again. A port needs a network that computes in one way, whatever its input."
            )


class _Values(Mapping[str, Array]):
    """Be the values of a pass by their names on the tape, as NumPy's arrays when they are asked for.

    What an operator does inside, and MXNet therefore never shows, is computed from what it was given.
    """

    def __init__(self, listener: Listener, calls: Sequence[Call]) -> None:
        self.listener, self.calls = listener, {call.name: call for call in calls}

    def __getitem__(self, name: str) -> Array:
        made = self.listener.values.get(name)
        if made is not None:
            return made.asnumpy()
        call = self.calls[name]
        return between(call, [self[item] if isinstance(item, str) else item for item in call.inputs])

    def __iter__(self) -> Any:
        return iter(self.calls)

    def __len__(self) -> int:
        return len(self.calls)

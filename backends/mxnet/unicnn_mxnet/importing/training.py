"""Training the original with its own code, on parameters that are lent to it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from unicnn.porting.tape import training_loop
from unicnn_mxnet.compat import mx
from unicnn_mxnet.importing import arrays, updates
from unicnn_mxnet.importing.listening import Listener
from unicnn_mxnet.importing.survey import Named
from unicnn_mxnet.importing.taping import Pass, listened

Array = np.ndarray[Any, Any]


class Borrowed(mx.gluon.Block):
    """Be a network whose arrays are parameters of this block, under the names that they have on the tape."""

    def __init__(self, value: Any, heard: Pass, dtype: str) -> None:
        super().__init__(prefix="", params=None)
        # Past Block's own way of keeping attributes, by which the original would become a child.
        self.__dict__.update(original=value, heard=heard, number_type=dtype, moving=[])
        for named in heard.listener.constants.values():
            if named.name in heard.tape.constants:
                self._adopt(named, dtype)

    def _adopt(self, named: Named, dtype: str) -> None:
        rule, old = "write" if named.trainable else "null", named.parameter
        scales = {"lr_mult": old.lr_mult, "wd_mult": old.wd_mult} if old is not None else {}
        parameter = self.params.get(named.name, shape=named.array.shape, dtype=dtype, grad_req=rule, **scales)
        parameter.initialize(mx.init.Zero())
        parameter.set_data(arrays.of(arrays.values_of(named.array), dtype))

    def forward(self, *inputs: Any) -> Any:
        """Do what the original does, with the parameters of this block."""
        names = [name for name, _ in self.heard.tape.inputs]
        self.settle()
        listener = Listener(self.heard.survey, self._lent, dtype=self.number_type, remember=self._remember)
        results = listened(listener, self.original, inputs, names)
        return results[0][1] if len(results) == 1 else [array for _, array in results]

    def _remember(self, statistics: Sequence[Any], keep: float) -> None:
        self.moving.extend((array, arrays.values_of(array), keep) for array in statistics)

    def settle(self) -> None:
        """Let running statistics that hold those of the last batch alone become the averages that they are to be."""
        for array, before, keep in self.moving:
            array._sync_copyfrom(keep * before + (1 - keep) * arrays.values_of(array))
        self.moving.clear()

    def _lent(self, named: Named, graded: bool) -> Any:
        if named.name in self.params:
            return self.params[named.name].data()
        return arrays.of(arrays.values_of(named.array), self.number_type)


def trained(
    value: Any, heard: Pass, source: str, batches: Callable[[int], Any], epochs: int, dtype: str
) -> tuple[list[float], Mapping[str, Array]]:
    """Run the function ``train`` that `source` defines on a network with copies of the original's arrays."""
    net = Borrowed(value, heard, dtype)
    train = training_loop(source)
    with updates.exact() if dtype == "float64" else contextlib.nullcontext():
        losses = train(net, batches, epochs)
    net.settle()
    return [float(loss) for loss in losses], {name: item.data().asnumpy() for name, item in net.params.items()}

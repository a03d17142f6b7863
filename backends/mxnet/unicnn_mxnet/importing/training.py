"""Training the original with its own code, on parameters that are lent to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from unicnn_mxnet.compat import mx
from unicnn_mxnet.importing import arrays
from unicnn_mxnet.importing.listening import Listener
from unicnn_mxnet.importing.survey import Named
from unicnn_mxnet.importing.taping import Pass, listened

Array = np.ndarray[Any, Any]


class Borrowed(mx.gluon.Block):
    """Be a network whose arrays are parameters of this block, under the names that they have on the tape."""

    def __init__(self, value: Any, heard: Pass, dtype: str) -> None:
        super().__init__(prefix="", params=None)
        # Past Block's own way of keeping attributes, by which the original would become a child.
        self.__dict__.update(original=value, heard=heard, number_type=dtype)
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
        listener = Listener(self.heard.survey, self._lent, dtype=self.number_type)
        results = listened(listener, self.original, inputs, names)
        return results[0][1] if len(results) == 1 else [array for _, array in results]

    def _lent(self, named: Named, graded: bool) -> Any:
        if named.name in self.params:
            return self.params[named.name].data()
        return arrays.of(arrays.values_of(named.array), self.number_type)


def trained(
    value: Any, heard: Pass, source: str, batches: Callable[[int], Any], epochs: int, dtype: str
) -> tuple[list[float], Mapping[str, Array]]:
    """Run the function ``train`` that `source` defines on a network with copies of the original's arrays."""
    net = Borrowed(value, heard, dtype)
    defined: dict[str, Any] = {"__name__": "training"}
    exec(compile(source, "<training>", "exec"), defined)
    losses = defined["train"](net, batches, epochs)
    return [float(loss) for loss in losses], {name: item.data().asnumpy() for name, item in net.params.items()}

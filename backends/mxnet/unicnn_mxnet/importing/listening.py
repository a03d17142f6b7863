"""Listening to a network while it runs: every operator passes by, whoever asks for it.

Blocks run one operator at a time here, also those that were hybridized: then each is heard, with the line that asked for it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from unicnn.errors import PortError
from unicnn.porting.tape import Where
from unicnn_mxnet.compat import mx
from unicnn_mxnet.importing import graphs, indexing, operators
from unicnn_mxnet.importing.doubles import in_double
from unicnn_mxnet.importing.heard import Heard
from unicnn_mxnet.importing.sources import here
from unicnn_mxnet.importing.survey import Named, Placed, Survey, joined

NDArray = mx.nd.NDArray
_FLOATS = (np.float16, np.float32, np.float64)
_STATISTICS = 3  # the first operand of a batch normalisation that holds statistics, for which there is no derivative
_CASTS = frozenset({"Cast", "amp_cast"})


class Listener:
    """Hear one pass of a network.

    Arrays that do not depend on the input are replaced by what `lend` returns for them, so that the network may run with other
    numbers, and in another `dtype`, without being touched. With `still`, batch normalisation and dropout do what they do in
    inference, but for MXNet it is training: else it would move the weights, and not keep what derivatives need.
    """

    def __init__(
        self,
        survey: Survey,
        lend: Callable[[Named, bool], Any] | None = None,
        *,
        dtype: Any = None,
        still: bool = False,
        remember: Callable[[Sequence[Any], float], None] | None = None,
    ) -> None:
        self.survey, self.lend, self.dtype, self.still, self.remember = survey, lend, dtype, still, remember
        self.heard: list[Heard] = []
        self.constants: dict[str, Named] = {}
        self.values: dict[str, Any] = {}
        self.dependent: set[str] = set()
        self.names: dict[int, str] = {}
        self.stand_ins: dict[int, Any] = {}
        self.kept: list[Any] = []
        self.counts: dict[str, int] = {}
        self.places: list[Placed] = []
        self.parents: list[str] = [""]
        self.plain = mx.nd.register._imperative_invoke

    def feed(self, name: str, array: Any) -> None:
        """Note an input."""
        self._name(array, name)
        self.dependent.add(name)

    def forget(self) -> None:
        """Let go of the values; what was heard stays."""
        for held in (self.values, self.names, self.stand_ins):
            held.clear()
        self.kept.clear()

    def name(self, array: Any) -> str:
        """Return the name of a value or of a constant, which may be new."""
        known = self.names.get(id(array))
        return known if known is not None else self._constant(array).name

    @property
    def place(self) -> Placed:
        """Return where the network is now."""
        return self.places[-1] if self.places else Placed("", False)

    def knows(self, array: Any) -> bool:
        """Tell whether an array is a value, or a constant that has a name of its own."""
        return id(array) in self.names or id(array) in self.survey.arrays

    def _name(self, array: Any, name: str) -> None:
        self.names[id(array)] = name
        self.values[name] = array
        self.kept.append(array)  # or another array could come to lie where it was

    def _constant(self, array: Any) -> Named:
        named = self.survey.arrays.get(id(array))
        if named is None:
            path = self.place.path
            self.counts[path] = self.counts.get(path, 0) + 1
            named = Named(joined(path, f"constant{self.counts[path]}"), array, False)
        self.constants[named.name] = named
        self._name(array, named.name)
        return named

    def _stand_in(self, array: Any, graded: bool) -> Any:
        if id(array) not in self.stand_ins and id(array) not in self.names:
            named = self._constant(array)
            if self.lend is not None and array.dtype in _FLOATS:
                self.stand_ins[id(array)] = self.values[named.name] = self.lend(named, graded)
        return self.stand_ins.get(id(array), array)

    def invoke(self, handle: int, arrays: Sequence[Any], keys: list[str], vals: list[Any], out: Any, is_np: bool, as_list: bool) -> Any:
        """Run an operator in place of MXNet, and note it."""
        op, attributes = operators.name_of(handle), dict(zip(keys, vals, strict=True))
        if is_np:
            raise PortError(f"{op} is of mx.np, which cannot be read{self._at(here())}. Write the network with mx.nd or Gluon.")
        if op == "_copyto":
            op, handle, attributes = "Cast", operators.handle_of("Cast"), {"dtype": np.dtype(out.dtype).name}
        if not arrays and not op.startswith(("_random", "_sample")):  # an array made in code; it is a constant when something takes it
            return self.plain(handle, arrays, keys, vals, out, is_np, as_list)
        graded = op.startswith(("BatchNorm", "_contrib_BatchNorm", "_contrib_SyncBatchNorm"))
        given = [self._stand_in(array, not graded or i < _STATISTICS) for i, array in enumerate(arrays)]
        operands = tuple(self.name(array) for array in arrays)
        results = self._run(op, handle, given, attributes, as_list)
        self._note(op, attributes, operands, arrays, results)
        return self._handed(results, out)

    def _run(self, op: str, handle: int, given: list[Any], attributes: dict[str, Any], as_list: bool) -> Any:
        if self.dtype is not None and op in _CASTS and _float(attributes.get("dtype")):
            return self._plainly("_copy", given, {}, as_list)
        if self.still and op == "Dropout":
            return self._plainly("_copy", given, {}, as_list)
        if self.still and "BatchNorm" in op:
            attributes = {**attributes, "use_global_stats": True}
        elif "BatchNorm" in op and self.dtype == "float64" and self.remember is not None and mx.autograd.is_recording():
            # MXNet keeps the momentum as float32: with one of 0 the statistics become the batch's, and whoever remembers makes the averages.
            self.remember(given[_STATISTICS:], float(attributes.get("momentum", 0.9)))
            attributes = {**attributes, "momentum": 0.0}
        if self.dtype == "float64":
            exact = in_double(lambda *step: self._plainly(*step, False), op, given, attributes)
            if exact is not None:
                return exact
        return self._plainly(op, given, attributes, as_list, handle)

    def _plainly(self, op: str, given: list[Any], attributes: dict[str, Any], as_list: bool, handle: int | None = None) -> Any:
        with mx.autograd.train_mode() if self.still else contextlib.nullcontext():
            keys, vals = list(attributes), list(attributes.values())
            return self.plain(operators.handle_of(op) if handle is None else handle, given, keys, vals, None, False, as_list)

    def _note(self, op: str, attributes: dict[str, Any], operands: tuple[str, ...], arrays: Sequence[Any], results: Any) -> None:
        listed = results if isinstance(results, list) else [results]
        base = f"{op.lstrip('_')}:{len(self.heard)}"  # a colon is in no name of a parameter or a variable
        names = tuple(base if not i else f"{base}:{i}" for i in range(len(listed)))
        for name, array in zip(names, listed, strict=True):
            self._name(array, name)
        if any(operand in self.dependent for operand in operands):
            self.dependent.update(names)
        sizes, shapes = tuple(tuple(a.shape) for a in arrays), tuple(tuple(a.shape) for a in listed)
        place = self.place
        parent = self.parents[-1] if place.layer else place.path
        self.heard.append(Heard(op, attributes, operands, sizes, names, shapes, place.path, place.layer, parent, here(), not self.still))

    def _handed(self, results: Any, out: Any) -> Any:
        """Return the results, or let the arrays that the caller gave stand for them from now on."""
        if out is None:
            return results
        for given, made in zip(
            out if isinstance(out, (list, tuple)) else [out], results if isinstance(results, list) else [results], strict=True
        ):
            self.names[id(given)] = self.names[id(made)]
            self.stand_ins[id(given)] = made
            self.kept.append(given)
        return out

    def inside(self, block: Any, call: Callable[[], Any]) -> Any:
        """Run what a block does, knowing that it is this block."""
        outer = self.place
        return call() if outer.layer else self.within(self.survey.blocks.get(id(block), outer), call)

    def within(self, place: Placed, call: Callable[[], Any]) -> Any:
        """Run something at a place."""
        self.parents.append(self.place.path)
        self.places.append(place)
        try:
            return call()
        finally:
            self.places.pop()
            self.parents.pop()

    def _at(self, where: Where | None) -> str:
        path = self.place.path
        return (f" in {path}" if path else "") + (f" at {where}" if where else "")

    def refuse_to_look(self, array: Any, what: str) -> None:
        """Refuse that a network looks at numbers that depend on its input: what it does then is not the same for every input."""
        if self.names.get(id(array)) in self.dependent and sys._getframe(2).f_code.co_name not in ("__repr__", "__str__"):
            raise PortError(
                f"The network takes numbers out of MXNet with {what}{self._at(here())}, so what follows is not recorded and may depend on the "
                "input. Compute with arrays of mx.nd throughout."
            )

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Listen inside."""
        with contextlib.ExitStack() as stack:
            for owner, name, replacement in self._replacements():
                before = owner.__dict__[name]
                stack.callback(setattr, owner, name, before)
                setattr(owner, name, replacement)
            yield

    def _replacements(self) -> list[tuple[Any, str, Any]]:
        block, hybrid = mx.gluon.Block, mx.gluon.HybridBlock
        enter, reshape, item, look, leave = block.__call__, NDArray.reshape, NDArray.__getitem__, NDArray.asnumpy, NDArray.detach

        def asnumpy(array: Any) -> Any:
            self.refuse_to_look(array, "asnumpy() or asscalar()")
            return look(self.stand_ins.get(id(array), array))

        def derive(function: Any, *arrays: Any) -> Any:
            raise PortError(
                f"{type(function).__name__}{self._at(here())} has a derivative of its own (mx.autograd.Function), which no description says. "
                "Compute with operators of mx.nd, whose derivatives are known."
            )

        def as_np(array: Any) -> Any:
            raise PortError(
                f"The network goes over to mx.np{self._at(here())}, which cannot be read. Write it with mx.nd or Gluon throughout."
            )

        return [
            (mx.nd.register, "_imperative_invoke", self.invoke),
            (block, "__call__", lambda it, *args: self.inside(it, lambda: enter(it, *args))),
            (hybrid, "_call_cached_op", lambda it, *args: graphs.eagerly(self, it, args)),
            (NDArray, "reshape", lambda it, *a, **k: indexing.reshape(it, *a, **k) if self.knows(it) else reshape(it, *a, **k)),
            (NDArray, "__getitem__", lambda it, key: indexing.item(it, key, item) if self.knows(it) else item(it, key)),
            (NDArray, "detach", lambda it: mx.nd.BlockGrad(it) if self.knows(it) else leave(it)),
            (mx.autograd.Function, "__call__", derive),
            (NDArray, "asnumpy", asnumpy),
            (NDArray, "as_np_ndarray", as_np),
        ]


def _float(dtype: Any) -> bool:
    return dtype is not None and str(np.dtype(dtype)) in ("float32", "float64")

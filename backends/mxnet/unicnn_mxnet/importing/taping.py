"""From what was heard to a tape."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unicnn.errors import PortError
from unicnn.porting.tape import Call, Constant, Tape
from unicnn_mxnet.compat import mx
from unicnn_mxnet.importing import activations, arithmetic, arrays, layers, pools, shapes
from unicnn_mxnet.importing.calling import called, title
from unicnn_mxnet.importing.listening import Listener
from unicnn_mxnet.importing.page import written
from unicnn_mxnet.importing.survey import Named, Survey, kept, names_of_inputs, settle, survey

WRITERS = (activations, arithmetic, layers, pools, shapes)
"""The modules that register how operators are written down."""


@dataclass(frozen=True)
class Pass:
    """Be a network that ran once: who is who in it, what was heard, and its tape."""

    survey: Survey
    listener: Listener
    tape: Tape


def listened(listener: Listener, value: Any, inputs: Sequence[Any], names: Sequence[str]) -> list[tuple[str | None, Any]]:
    """Run a network under a listener, and return its outputs."""
    for name, array in zip(names, inputs, strict=True):
        listener.feed(name, array)
    with kept(listener.survey), listener.listening():
        outputs = called(value, inputs)
    return [(key, listener.stand_ins.get(id(array), array)) for key, array in outputs]


def recorded(value: Any, shapes: tuple[tuple[int, ...], ...], *, training: bool) -> Pass:
    """Run a network once on inputs of these shapes, and return what it did."""
    if mx.util.is_np_array():
        raise PortError(
            f"{title(value)} cannot be read while MXNet imitates NumPy (mx.npx.set_np). Call mx.npx.reset_np() and write it with mx.nd."
        )
    found = survey(value)
    mx.nd.waitall()  # see values_of
    if "float16" in found.dtypes:
        raise PortError(
            f"{title(value)} holds numbers of float16, with which MXNet does not compute on a CPU. Call net.cast('float32') before."
        )
    random = np.random.default_rng(0)
    inputs = [arrays.of(random.standard_normal(shape), found.dtype) for shape in shapes]
    with mx.autograd.record(train_mode=True) if training else mx.autograd.pause(train_mode=False):
        with kept(found):
            settle(value, tuple(inputs))
        found = survey(value)
        listener = Listener(found, still=not training)
        taken = {named.name for named in found.arrays.values()}
        names = [f"{name}_input" if name in taken else name for name in names_of_inputs(value, len(inputs))]
        outputs = listened(listener, value, inputs, names)
        mx.nd.waitall()  # an operator that failed says so now
    keyed = tuple((key, listener.name(array)) for key, array in outputs)
    if strangers := [name for _, name in keyed if name not in listener.dependent]:
        raise PortError(
            f"{title(value)} returns {strangers[0]}, which does not depend on its input. Return what is computed from the input."
        )
    listener.forget()
    absent = {named.name for named in listener.constants.values() if _counts_as_none(named)}
    calls = tuple(_without(call, absent) for heard in listener.heard for call in written(heard))
    constants = {named.name: _constant(named) for named in _read(calls, listener)}
    paths = {"", *(call.path for call in calls)}
    classes = {path: name for path, name in found.classes.items() if _holds(path, paths)}
    tape = Tape(title(value), tuple(zip(names, shapes, strict=True)), calls, constants, keyed, classes)
    return Pass(found, listener, tape)


def _read(calls: Iterable[Call], listener: Listener) -> list[Named]:
    """Return the constants that some call takes, in the order of their first use."""
    used = dict.fromkeys(operand for call in calls for operand in call.inputs if isinstance(operand, str))
    return [listener.constants[name] for name in used if name in listener.constants]


def _counts_as_none(named: Named) -> bool:
    """Tell whether an array is the zeros that Gluon keeps for a batch normalisation with center=False, and never trains."""
    never = named.parameter is not None and not getattr(named.parameter, "_differentiable", True)
    return never and named.name.endswith("beta") and not arrays.values_of(named.array).any()


def _without(call: Call, absent: set[str]) -> Call:
    """Return a batch normalisation without the shift that counts as none, and any other call as it is."""
    if call.op != "batch_norm" or call.inputs[2] not in absent:
        return call
    return dataclasses.replace(call, inputs=(*call.inputs[:2], None, *call.inputs[3:]))


def _constant(named: Named) -> Constant:
    return Constant(named.name, tuple(named.array.shape), lambda: arrays.values_of(named.array), named.trainable)


def _holds(path: str, paths: set[str]) -> bool:
    return path in paths or any(other.startswith(f"{path}.") for other in paths)

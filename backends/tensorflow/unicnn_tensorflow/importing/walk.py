"""The walk: from a trace to a tape, operation by operation in the order in which they were made."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from unicnn.errors import PortError
from unicnn.porting.tape import Array, Call, Constant, Operand, Tape
from unicnn_tensorflow.importing import configured, kinds
from unicnn_tensorflow.importing.operations import HANDLERS, forms
from unicnn_tensorflow.importing.paths import Paths, join
from unicnn_tensorflow.importing.replay import execute
from unicnn_tensorflow.importing.source import where
from unicnn_tensorflow.importing.trace import Trace, Visit

Tensor: TypeAlias = Any
Source: TypeAlias = "Tensor | Callable[[Mapping[str, Array]], Array]"
"""Where a call's result is: a tensor of the graph, or what to do with values that are known, by tensor or call name."""

_READS = ("ReadVariableOp", "Placeholder")
_UNFIT = ("float16", "bfloat16")


class Walker:
    """Put what a trace shows on a tape."""

    def __init__(self, trace: Trace, paths: Paths, inputs: Sequence[str]) -> None:
        self.trace, self.paths = trace, paths
        self.calls: list[Call] = []
        self.constants: dict[str, Constant] = {}
        self.sources: dict[str, Source] = {}
        self._taken = {*inputs, *paths.variables}
        self.operands: dict[str, Operand] = {tensor.name: name for tensor, name in zip(trace.inputs, inputs, strict=True)}
        self.inputs = tuple(inputs)
        self._static: dict[str, Array | None] = {}
        self._cores = {visit.core.op.name: visit for visit in trace.visits if visit.core is not None}
        self._cores |= {tensor.op.name: visit for visit in trace.visits if visit.kind == kinds.OPAQUE for tensor in visit.outputs}
        self._foldable = self._foldable_outputs()
        self._forms: dict[str, forms.Form | None] = {}
        self._scopes: dict[int, tuple[str, bool]] = {}
        for visit in trace.visits:  # outer ones come first, so paths are known from the root on
            self._scopes[id(visit)] = self._scope(visit)

    def walk(self, name: str) -> Tape:
        """Return the tape."""
        needed = self._needed()
        for operation in self.trace.operations:
            if operation.name in needed:
                self._put(operation)
        outputs = tuple((key, self._output(tensor)) for key, tensor in self.trace.outputs)
        shapes = tuple((key, tuple(tensor.shape)) for key, tensor in zip(self.inputs, self.trace.inputs, strict=True))
        return Tape(name, shapes, tuple(self.calls), self.constants, outputs, self.paths.classes)

    # What the handlers of operations use.

    def static(self, tensor: Tensor) -> Array | None:
        """Return a tensor's value if it follows from the code and from shapes alone."""
        if tensor.name not in self._static:
            self._static[tensor.name] = self._folded(tensor)
        return self._static[tensor.name]

    def operand(self, tensor: Tensor) -> Operand:
        """Return what stands for a tensor on the tape: a number, the name of a constant or of a value."""
        if tensor.name in self.operands:
            return self.operands[tensor.name]
        value = self.static(tensor)
        if value is None:
            raise PortError(f"{tensor.op.type} at {where(tensor.op)} takes {tensor.name}, which nothing computes. Report this network.")
        self.operands[tensor.name] = float(value) if value.ndim == 0 else self.array(tensor.op, value)
        return self.operands[tensor.name]

    def array(self, operation: Any, value: Array) -> str:
        """Put an array made in code among the constants, and return its name."""
        scope = self.scope_of(operation)[0]
        names = (join(scope, f"constant{i}") for i in itertools.count(1))
        name = next(name for name in names if name not in self._taken)
        self._taken.add(name)
        fixed = np.asarray(value, np.float64 if value.dtype.kind == "f" else None)
        self.constants[name] = Constant(name, fixed.shape, lambda: fixed, trainable=False)
        return name

    def variable(self, variable: Any) -> str:
        """Put a variable among the constants, and return its name."""
        variable = getattr(variable, "value", variable) if not isinstance(variable, tf.Variable) else variable
        name = self.paths.variable(variable)
        if name not in self.constants:
            self.constants[name] = Constant(name, tuple(variable.shape), lambda: view(variable), trainable=bool(variable.trainable))
        return name

    def scope_of(self, operation: Any) -> tuple[str, bool]:
        """Return the path of the module in which an operation was made, and whether it is a layer."""
        visit = self.trace.visit_of.get(operation.name)
        return ("", False) if visit is None else self._scopes[id(visit)]

    def put(
        self, operation: Any, word: str, inputs: Sequence[Any], attributes: Mapping[str, Any], *, index: int = 0, result: Source | None = None,
        shape: tuple[int, ...] | None = None,
    ) -> str:  # fmt: skip
        """Put a call on the tape that gives an operation's output `index`, or, with `result` and `shape`, a step towards it."""
        final = result is None
        tensor = operation.outputs[index] if final else None
        sizes = known_shape(tensor) if shape is None else shape
        path, own = self.scope_of(operation)
        name = self._name(f"{path}/{word}" if path else word)
        operands = tuple(self.operand(item) if tf.is_tensor(item) else item for item in inputs)
        named = not own or path not in self.paths.made_up
        self.calls.append(Call(word, name, operands, sizes, dict(attributes), path, own, where(operation), named))
        self.sources[name] = tensor if final else result
        if final:
            self.operands[tensor.name] = name
        return name

    def alias(self, tensor: Tensor, source: Tensor) -> None:
        """Let a tensor be another one."""
        self.operands[tensor.name] = self.operand(source)

    def put_core(self, visit: Visit, word: str, inputs: Sequence[Any], attributes: Mapping[str, Any]) -> str:
        """Put a layer on the tape that was read from its configuration."""
        assert visit.core is not None
        return self.put(visit.core.op, word, inputs, attributes)

    def value(self, values: Mapping[str, Array], tensor: Tensor) -> Array:
        """Return a tensor's value among those that a pass has given."""
        return values[tensor.name]

    # Which operations count, and what becomes of them.

    def _needed(self) -> set[str]:
        stack = [tensor for _, tensor in self.trace.outputs]
        seen = {tensor.op.name for tensor in self.trace.inputs}
        needed = set()
        while stack:
            tensor = stack.pop()
            operation = tensor.op
            if operation.name in seen or self.static(tensor) is not None:
                continue
            seen.add(operation.name)
            needed.add(operation.name)
            stack.extend(self._reads(operation))
        return needed

    def _reads(self, operation: Any) -> Sequence[Tensor]:
        visit = self._cores.get(operation.name)
        if visit is not None and visit.kind != kinds.PLAIN:
            return visit.inputs
        form = self._form(operation)
        return operation.inputs if form is None else [tensor for tensor in form.inputs if tensor is not None]

    def _form(self, operation: Any) -> forms.Form | None:
        if operation.name not in self._forms:
            self._forms[operation.name] = forms.find(self, operation)
        return self._forms[operation.name]

    def _put(self, operation: Any) -> None:
        visit = self._cores.get(operation.name)
        if operation.type in _READS:
            self._read(operation)
        elif visit is not None:
            self._layer(visit)
        elif (form := self._form(operation)) is not None:
            self.put(operation, form.word, form.inputs, form.attributes)
        elif operation.type in HANDLERS and HANDLERS[operation.type](self, operation) is not NotImplemented:
            pass
        else:
            self.stranger(operation)

    def stranger(self, operation: Any) -> None:
        """Put an operation on the tape for which there is no word."""
        if "Random" in operation.type:
            advice = " Leave its training out to port the inference alone: training=False." if self.trace.training else ""
            raise PortError(
                f"{operation.type} at {where(operation)} draws random numbers in the code of {self.scope_of(operation)[0] or 'the network'}. "
                f"Dropout in a layer of its own, keras.layers.Dropout, can be ported; other noise cannot.{advice}"
            )
        if any(attribute.type == "func" for attribute in operation.op_def.attr):
            raise PortError(
                f"{operation.type} at {where(operation)} runs a function that the graph holds as a whole: a branch, a loop, or what was loaded "
                "from a SavedModel. A description has neither; import the object that the code makes, and decide by sizes and not by values."
            )
        for index in range(len(operation.outputs)):
            inputs = [tensor for tensor in operation.inputs if tensor.name in self.operands or self.static(tensor) is not None]
            self.put(operation, operation.type, inputs, {}, index=index)

    def _layer(self, visit: Visit) -> None:
        if getattr(visit.layer, "compute_dtype", None) in _UNFIT:
            raise PortError(
                f"{self._scopes[id(visit)][0]} computes in {visit.layer.compute_dtype}. A description has one precision for all layers; "
                'build the network under keras.config.set_dtype_policy("float32") and load its weights.'
            )
        if visit.kind == kinds.CONFIGURED:
            configured.put(self, visit)
            return
        name = type(visit.layer).__name__
        _hint(visit, self._scopes[id(visit)][0])
        given = {tensor.name for tensor in visit.inputs}
        for tensor in visit.outputs:
            if tensor.name not in self.operands:
                # Noise and the like pass their input on where they do not act, and then do nothing that needs a word.
                passed = tensor.op.inputs[0].name in given
                self.put(tensor.op, "identity" if passed else name, tensor.op.inputs if passed else visit.inputs, {})

    def _read(self, operation: Any) -> None:
        source = operation.outputs[0] if operation.type == "Placeholder" else operation.inputs[0]
        captured = self.trace.captures.get(source.name)
        if isinstance(captured, tf.Variable):
            self.operands[operation.outputs[0].name] = self.variable(captured)
        elif captured is None or operation.type != "Placeholder":
            raise PortError(f"{operation.name} is read from outside the network, from where is not known. Make it a tf.Variable.")

    def _foldable_outputs(self) -> set[str]:
        """Return the names of operations that depend on nothing but shapes and numbers in code."""
        found: set[str] = set()
        for op in self.trace.operations:
            if op.type == "Placeholder":
                known = self._captured_array(op) is not None
            elif op.type in ("Shape", "Size", "Rank") and op.inputs[0].shape.is_fully_defined():
                known = True
            else:
                plain = not op.op_def.is_stateful and "Random" not in op.type and op.name not in self._cores
                plain = plain and not any(attribute.type == "func" for attribute in op.op_def.attr)
                known = plain and all(tensor.op.name in found for tensor in op.inputs)
            if known:
                found.add(op.name)
        return found

    def _captured_array(self, operation: Any) -> Array | None:
        captured = self.trace.captures.get(operation.outputs[0].name)
        plain = captured is not None and not isinstance(captured, tf.Variable) and captured.dtype != tf.resource
        return doubled(captured.numpy()) if plain else None

    def _folded(self, tensor: Tensor) -> Array | None:
        """Compute a tensor in float64 if it depends on shapes and numbers in code only."""
        operation = tensor.op
        if operation.name not in self._foldable:
            return None
        if operation.type == "Placeholder":
            return self._captured_array(operation)
        if operation.type in ("Shape", "Size", "Rank") and operation.inputs[0].shape.is_fully_defined():
            shape = np.asarray(operation.inputs[0].shape.as_list(), np.int32)
            return {"Shape": shape, "Size": np.asarray(shape.prod(), np.int32), "Rank": np.asarray(len(shape), np.int32)}[operation.type]
        results = execute(operation, [tf.constant(self.static(item)) for item in operation.inputs], tf.float64)
        return np.asarray(results[tensor.value_index])

    def _scope(self, visit: Visit) -> tuple[str, bool]:
        parent = "" if visit.parent is None else self._scopes[id(visit.parent)][0]
        if visit.layer is self.trace.root:
            return (visit.layer.name if visit.kind != kinds.CONTAINER else ""), visit.kind != kinds.CONTAINER
        return self.paths.path(visit.layer, parent), visit.kind != kinds.CONTAINER

    def _output(self, tensor: Tensor) -> str:
        operand = self.operand(tensor)
        if not isinstance(operand, str):
            raise PortError(f"An output of the network is the number {operand}, which depends on no input.")
        return operand

    def _name(self, wanted: str) -> str:
        name, i = wanted, 1
        while name in self._taken:
            i += 1
            name = f"{wanted}#{i}"
        self._taken.add(name)
        return name


def known_shape(tensor: Tensor) -> tuple[int, ...]:
    """Return a tensor's shape."""
    if not tensor.shape.is_fully_defined():
        raise PortError(
            f"{tensor.op.type} at {where(tensor.op)} gives a value whose shape {tensor.shape} depends on values. Compute it from shapes."
        )
    return tuple(tensor.shape.as_list())


def view(variable: Any) -> Array:
    """Return a variable's value, in the memory in which it lies."""
    value = variable.read_value()
    try:
        return np.asarray(memoryview(value))
    except (TypeError, ValueError, BufferError):
        return np.asarray(value.numpy())


def doubled(array: Array) -> Array:
    """Return an array with its floats in double precision."""
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _hint(visit: Visit, path: str) -> None:
    if type(visit.layer).__name__ == "PReLU" and all(size == 1 for size in visit.layer.alpha.shape):
        slope = float(np.asarray(visit.layer.alpha).ravel()[0])
        raise PortError(
            f"{path} (PReLU at {where(visit.outputs[0].op)}) learns its slope, and no layer of a description does. "
            f"It has one slope, {slope:g}, for all: keras.layers.LeakyReLU({slope:g}) computes the same, with the slope fixed."
        )

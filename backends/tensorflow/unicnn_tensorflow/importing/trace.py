"""The trace: a graph of everything that one pass computes, and which layer was called when."""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from unicnn.errors import PortError
from unicnn_tensorflow.importing import kinds
from unicnn_tensorflow.importing.source import BOUNDARY

Tensor = Any


@dataclass(eq=False)
class Visit:
    """Be one call of a layer: it made the operations numbered from `start` up to `stop`.

    `core` is what a layer read from its configuration computes before its activation function; `outputs` what it returned.
    """

    layer: Any
    kind: str
    parent: Visit | None
    start: int
    inputs: tuple[Tensor, ...] = ()
    stop: int = 0
    core: Tensor | None = None
    outputs: tuple[Tensor, ...] = ()


@dataclass
class Trace:
    """Hold a traced network."""

    root: Any
    training: bool
    graph: Any
    inputs: tuple[Tensor, ...]
    outputs: tuple[tuple[str | None, Tensor], ...]
    visits: list[Visit]
    captures: Mapping[str, Any] = field(default_factory=dict)
    """What the graph reads from outside, by the name of its placeholder: variables and arrays."""

    @cached_property
    def operations(self) -> list[Any]:
        """Return all operations in the order in which they were made."""
        return list(self.graph.get_operations())

    @cached_property
    def visit_of(self) -> dict[str, Visit]:
        """Return the innermost call of a layer in which each operation was made, by the operation's name."""
        places: list[Visit | None] = [None] * len(self.operations)
        for visit in self.visits:
            places[visit.start : visit.stop] = [visit] * (visit.stop - visit.start)
        return {op.name: visit for op, visit in zip(self.operations, places, strict=True) if visit is not None}

    def made_in(self, visit: Visit) -> list[Any]:
        """Return the operations of one call."""
        return self.operations[visit.start : visit.stop]


class Recorder:
    """Watch calls of layers while a graph is being made."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.stack: list[Visit] = []
        self.graph: Any = None
        self.thread = threading.get_ident()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Have every layer's call pass by here; functions that are compiled one by one are traced into this graph."""
        original, eager = keras.layers.Layer.__call__, tf.config.functions_run_eagerly()
        recorder = self

        def __call__(layer: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807 - it stands in for the method
            return recorder.visit(layer, original, args, kwargs)

        keras.layers.Layer.__call__ = __call__
        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            keras.layers.Layer.__call__ = original
            tf.config.run_functions_eagerly(eager)

    def visit(self, layer: Any, original: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call a layer and note it, unless this happens elsewhere, or within a layer that is known as a whole."""
        elsewhere = threading.get_ident() != self.thread or tf.compat.v1.get_default_graph() is not self.graph
        parent = self.stack[-1] if self.stack else None
        if elsewhere or (parent is not None and parent.kind != kinds.CONTAINER):
            return original(layer, *args, **kwargs)
        visit = Visit(layer, kinds.kind_of(layer), parent, self.count, tuple(_tensors((args, kwargs))))
        self.visits.append(visit)
        self.stack.append(visit)
        try:
            with self._activation_marked(visit):
                result = original(layer, *args, **kwargs)
            result = self._marked(visit, result)
        finally:
            self.stack.pop()
            visit.stop = self.count
        visit.outputs = tuple(_tensors(result))
        return result

    @property
    def count(self) -> int:
        """Return how many operations there are."""
        return len(self.graph.get_operations())

    @contextmanager
    def _activation_marked(self, visit: Visit) -> Iterator[None]:
        """Note what goes into the activation function of a layer that is read from its configuration."""
        function = getattr(visit.layer, "activation", None)
        if visit.kind != kinds.CONFIGURED or not callable(function):
            yield
            return

        def activation(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            visit.core = tf.identity(x)
            return function(visit.core, *args, **kwargs)

        object.__setattr__(visit.layer, "activation", activation)
        try:
            yield
        finally:
            object.__setattr__(visit.layer, "activation", function)

    def _marked(self, visit: Visit, result: Any) -> Any:
        """Give a layer's output a tensor of its own, also if the layer has passed its input on."""
        passed = not {item.name for item in _tensors(result)}.isdisjoint(item.name for item in visit.inputs)
        if visit.kind not in (kinds.CONFIGURED, kinds.OPAQUE) and not (visit.kind == kinds.PLAIN and passed):
            return result
        result = keras.tree.map_structure(lambda item: tf.identity(item) if tf.is_tensor(item) else item, result)
        if visit.core is None:
            visit.core = next(iter(_tensors(result)), None)
        return result


def trace(root: Any, shapes: Sequence[tuple[int, ...]], training: bool, dtype: str) -> Trace:
    """Trace one pass of a network over inputs of these shapes; nothing is computed and no variable changes."""
    recorder = Recorder()
    taken: list[Any] = []

    def traced_by_unicnn(*inputs: Tensor) -> Any:
        recorder.graph = tf.compat.v1.get_default_graph()
        recorder.visits.clear()  # a network that makes its variables when it is first called is traced twice
        result = call(root, list(inputs), training)
        taken[:] = [*inputs, result]
        return list(_tensors(result))

    assert traced_by_unicnn.__name__ == BOUNDARY
    specs = [tf.TensorSpec(shape, dtype) for shape in shapes]
    with recorder.watching():
        try:
            concrete = tf.function(traced_by_unicnn, autograph=False).get_concrete_function(*specs)
        except (tf.errors.OperatorNotAllowedInGraphError, NotImplementedError, AttributeError) as error:
            if isinstance(error, AttributeError) and "'numpy'" not in str(error):
                raise
            raise PortError(_depends(root, error)) from error
    *inputs, result = taken
    graph = concrete.graph
    variables = {id(variable.handle): variable for variable in graph.variables}
    captures = {inner.name: variables.get(id(outer), outer) for outer, inner in graph.captures}
    return Trace(root, training, graph, tuple(inputs), tuple(_keyed(result)), recorder.visits, captures)


def call(root: Any, inputs: list[Any], training: bool) -> Any:
    """Call a network in the way in which it takes its inputs."""
    function = root.python_function if hasattr(root, "python_function") else root
    given = arrange(root, inputs)
    if isinstance(root, keras.layers.Layer) or "training" in parameters(root):
        return function(*given, training=training)
    return function(*given)


def arrange(root: Any, inputs: list[Any]) -> list[Any]:
    """Return the positional arguments: as many inputs as it has parameters, or all of them in one structure."""
    structure = getattr(root, "_inputs_struct", None)
    if structure is not None:
        return [keras.tree.pack_sequence_as(structure, inputs)]
    names = [name for name, item in parameters(root).items() if item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD)]
    names = [name for name in names if name not in ("training", "mask")]
    various = any(item.kind == item.VAR_POSITIONAL for item in parameters(root).values())
    return inputs if various or len(inputs) <= max(len(names), 1) else [inputs]


def parameters(root: Any) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of what a network does when it is called."""
    function = root.call if isinstance(root, keras.layers.Layer) else getattr(root, "python_function", root)
    return inspect.signature(function).parameters


def _tensors(structure: Any) -> list[Tensor]:
    return [item for item in keras.tree.flatten(structure) if tf.is_tensor(item) and not isinstance(item, np.ndarray)]


def _keyed(result: Any) -> Iterator[tuple[str | None, Tensor]]:
    """Yield the outputs with their keys, if they come in a dict."""
    if isinstance(result, Mapping):
        for key, value in result.items():
            yield from ((str(key), tensor) for tensor in _tensors(value))
    else:
        yield from ((None, tensor) for tensor in _tensors(result))


def _depends(root: Any, error: Exception) -> str:
    function = getattr(root, "python_function", root)
    name = getattr(root, "name", None) or getattr(function, "__name__", None) or type(root).__name__
    # Keras puts a line of its own before the reason, and the reason in bold.
    lines = [
        line for line in re.sub("\x1b\\[[0-9;]*m", "", str(error)).splitlines() if line and not line.startswith("Exception encountered")
    ]
    reason = lines[0].partition(". ")[0].rstrip(".") if lines else type(error).__name__
    return (
        f"{name} cannot be traced: what it does depends on the values that flow through it, not only on their shapes ({reason}). "
        "A description has no branches and no loops over data; decide by sizes, or by `training`, or compute both branches."
    )

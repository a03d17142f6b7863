"""Running the original again: its graph with live variables, in float32 or float64, and training a copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from unicnn.porting.tape import Array, Ran, Runner, training_loop
from unicnn_tensorflow.importing import copying
from unicnn_tensorflow.importing.replay import replay
from unicnn_tensorflow.importing.trace import call
from unicnn_tensorflow.importing.walk import Walker


class Original(Runner):
    """Run a network of Keras or TensorFlow; `walker` gives what was recorded of its inference for inputs of given shapes."""

    def __init__(self, root: Any, shapes: tuple[tuple[int, ...], ...], walker: Callable[[tuple[tuple[int, ...], ...]], Walker]) -> None:
        self.root, self.shapes, self._walk = root, shapes, walker
        self._walkers: dict[tuple[tuple[int, ...], ...], Walker] = {}

    def run(self, inputs: Sequence[Array], cotangents: Sequence[Array], dtype: str) -> Ran:
        walker = self._recorded(tuple(tuple(array.shape) for array in inputs))
        kind = tf.as_dtype(dtype)
        given = {tensor.name: tf.constant(array, kind) for tensor, array in zip(walker.trace.inputs, inputs, strict=True)}
        constants = {name: tf.cast(variable.read_value(), kind) for name, variable in _variables(walker).items()}
        sources = [source for source in walker.sources.values() if tf.is_tensor(source)]
        outputs = [tensor for _, tensor in walker.trace.outputs]
        with tf.GradientTape() as tape:
            for tensor in (*given.values(), *constants.values()):
                tape.watch(tensor)
            values = replay([*sources, *outputs], {**given, **_fed(walker, constants, kind)}, kind)
            pairs = zip(outputs, cotangents, strict=True)
            total = tf.add_n([tf.reduce_sum(values[tensor.name] * tf.constant(array, kind)) for tensor, array in pairs])
        wanted = dict(zip(walker.inputs, given.values(), strict=True)) | constants
        slopes = tape.gradient(total, wanted, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        arrays = {name: value.numpy() for name, value in values.items()}
        found = {name: arrays[source.name] if tf.is_tensor(source) else source(arrays) for name, source in walker.sources.items()}
        results = [arrays[tensor.name] for tensor in outputs] if dtype == "float64" else self._itself(inputs)
        return Ran(found, results, {name: _dense(slope) for name, slope in slopes.items()})

    def train(self, source: str, batches: Callable[[int], Any], epochs: int, dtype: str) -> tuple[list[float], Mapping[str, Array]]:
        """Train a copy with the function ``train`` that `source` defines; return the losses of all steps and the constants afterwards."""
        with copying.precision(dtype):
            copy = copying.copied(self.root, dtype, self.shapes)
            losses = training_loop(source)(copy, batches, epochs)
        held = copying.variables(copy)
        names = self._recorded(self.shapes).constants
        return [float(loss) for loss in losses], {name: held[name].numpy() for name in names if name in held}

    def _recorded(self, shapes: tuple[tuple[int, ...], ...]) -> Walker:
        if shapes not in self._walkers:
            self._walkers[shapes] = self._walk(shapes)
        return self._walkers[shapes]

    def _itself(self, inputs: Sequence[Array]) -> list[Array]:
        """Return what the object returns when it is called."""
        result = call(self.root, [tf.constant(array, tf.float32) for array in inputs], training=False)
        ordered = (
            [value for item in result.values() for value in tf.nest.flatten(item)]
            if isinstance(result, Mapping)
            else tf.nest.flatten(result)
        )
        return [np.asarray(item) for item in ordered if tf.is_tensor(item)]


def _variables(walker: Walker) -> dict[str, Any]:
    """Return the variables on the tape by the names of their constants."""
    captured = (item for item in walker.trace.captures.values() if isinstance(item, tf.Variable))
    named = {walker.paths.variable(variable): variable for variable in captured if variable.dtype.is_floating}
    return {name: variable for name, variable in named.items() if name in walker.constants}


def _fed(walker: Walker, constants: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """Return what the graph reads from outside, by the name of the tensor that it is there."""
    fed = {}
    for operation in walker.trace.operations:
        source = (
            operation.inputs[0] if operation.type == "ReadVariableOp" else operation.outputs[0] if operation.type == "Placeholder" else None
        )
        captured = None if source is None else walker.trace.captures.get(source.name)
        if isinstance(captured, tf.Variable) and operation.type == "ReadVariableOp":
            name = walker.paths.variable(captured)
            fed[operation.outputs[0].name] = constants[name] if name in constants else captured.read_value()
        elif captured is not None and not isinstance(captured, tf.Variable) and captured.dtype != tf.resource:
            fed[operation.outputs[0].name] = tf.cast(captured, kind) if captured.dtype.is_floating else captured
    return fed


def _dense(slope: Any) -> Array:
    return np.asarray(tf.convert_to_tensor(slope))

"""Programs: a network on a backend, ready to run."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from unicnn import overflow, plugins, randomness
from unicnn.backend import Backend, Runtime
from unicnn.checks import batch_size, check_labels, check_mode, check_values, check_weights
from unicnn.errors import BackendError, InputError, UnknownNameError, closest
from unicnn.graph import Graph, infer
from unicnn.initializers import Rules, initial_weights
from unicnn.lowering import Lowered, Purpose, build, probes
from unicnn.model import Model
from unicnn.numerics import Numerics
from unicnn.numerics import numerics as find_numerics
from unicnn.ops.base import Shape
from unicnn.ops.loss import LOSSES, Loss

Array: TypeAlias = np.ndarray[Any, Any]


def lower(
    model: Model,
    backend: str = "numpy",
    device: str = "cpu",
    numerics: str = "native",
    seed: int = 0,
    *,
    init: str | Rules = "torch",
    weights: Mapping[str, Array] | None = None,
) -> Program:
    """Return `model` as a program on a backend, with `weights`, or with initial weights drawn from `seed`.

    Everything that the backend refuses is found here, before any tensor exists: UnsupportedError names the layer.
    """
    graph = infer(model)
    chosen = find_numerics(numerics)
    found = plugins.descriptor(backend)
    assert found.info is not None
    check_memory(graph, chosen)
    loaded = plugins.backend(backend)
    check_device(loaded, device)
    program = Program(graph, loaded, loaded.start(device, chosen.dtype), chosen)
    program.load(initial_weights(graph, seed, init) if weights is None else weights)
    program.seed = seed
    return program


def check_device(backend: Backend, device: str) -> None:
    """Raise BackendError if the backend cannot use `device` on this machine."""
    devices = backend.info.devices()
    if device not in devices:
        raise BackendError(
            f"{backend.info.title} cannot use the device {device!r} here; it has {', '.join(devices)}. "
            f"Choose one of those, or install the driver and the build of {backend.info.title} that the device needs."
        )


def check_memory(graph: Graph, numerics: Numerics, samples: int = 1) -> None:
    """Raise InputError if the weights and the activations of `samples` samples cannot fit in this machine's memory."""
    size = np.dtype(numerics.dtype).itemsize
    need = size * (sum(parameter.size for parameter in graph.parameters.values()) + samples * graph.activations)
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else math.inf
    if need > have:
        largest = max(graph.nodes, key=lambda node: node.size + math.prod(node.shape))
        raise InputError(
            f"{graph.model.name} needs {need / 2**30:,.1f} GiB for its weights and {samples} sample{'s' * (samples > 1)}, "
            f"and this machine has {have / 2**30:,.1f} GiB; most of it is for {graph.path(largest)}. Check the sizes in the description."
        )


FORWARD = {(training, every): Purpose(training, every) for training in (False, True) for every in (False, True)}
"""The purposes of forward passes, made once: their plans are looked up at every call."""


@dataclass(frozen=True)
class Trace:
    """Hold everything one forward and backward pass computed, as NumPy arrays in canonical layout.

    `gradients` holds those of the parameters and inputs; `incoming` the gradient that arrived at each layer's output,
    and at each single reading of a value that has several readers.
    """

    loss: float
    outputs: dict[str, Array]
    gradients: dict[str, Array]
    incoming: dict[str, Array]


class Program:
    """Run a network: outputs, every layer's output, gradients.

    Takes and returns NumPy arrays, or the framework's own tensors in canonical layout if it is given those. A model
    with several inputs takes a sequence or a dict of them, one with several outputs returns a tuple, or a dict if its
    outputs have names. `mode` is "inference" (the default) or "training", in which dropout drops, batch norm uses the
    batch's statistics and the running ones move; `step` numbers the training steps and keys the dropout masks.
    """

    seed: int = 0

    def __init__(self, graph: Graph, backend: Backend, runtime: Runtime, numerics: Numerics) -> None:
        self.graph, self.backend, self.runtime, self.numerics = graph, backend, runtime, numerics
        self.arithmetic = numerics.bind(backend, runtime)
        self._parameters: dict[str, Any] = {}
        self._prepared: dict[str, Any] = {}
        self._plans: dict[Purpose, Lowered] = {}
        self._compiled: dict[Purpose, Callable[..., Any]] = {}
        self.lowered(Purpose())

    @property
    def model(self) -> Model:
        """Return the description that the program runs."""
        return self.graph.model

    def __call__(self, x: Any, *, mode: str = "inference", step: int = 0) -> Any:
        """Return the outputs for a batch `x` of shape (N, *input_shape)."""
        heads, _ = self._forward(x, FORWARD[check_mode(mode), False], step)
        return self._arranged(heads)

    def _arranged(self, heads: list[Any]) -> Any:
        """Return the outputs as the model arranges them: one, a tuple or a dict."""
        if len(self.model.outputs) == 1 and self.model.outputs[0][0] is None:
            return heads[0]
        keys = [key for key, _ in self.model.outputs]
        return tuple(heads) if None in keys else dict(zip(keys, heads, strict=True))

    def outputs(self, x: Any, *, mode: str = "inference", step: int = 0) -> dict[str, Any]:
        """Return the output of every layer by name, in order."""
        _, layers = self._forward(x, FORWARD[check_mode(mode), True], step)
        return layers

    def gradients(
        self, x: Any, labels: Any, loss: str | Loss = "cross_entropy", *, mode: str = "inference", step: int = 0
    ) -> tuple[float, dict[str, Array]]:
        """Return the loss of a batch and its gradients with respect to every learned parameter and every input.

        The gradients are NumPy arrays in canonical layout, under "conv1.weight" and the inputs' names. They are those
        of the function that `mode` computes; a training step wants mode="training".
        """
        purpose = Purpose(training=check_mode(mode), loss=find_loss(loss), gradients=True)
        results, gradients = self._backward(x, labels, None, purpose, step)
        return self.runtime.array(results[0]).item(), gradients

    def evaluate(self, x: Any, labels: Any, loss: str | Loss = "cross_entropy") -> tuple[float, Array]:
        """Return the loss of a batch in inference, and the output (N, …) as a NumPy array."""
        purpose = Purpose(loss=find_loss(loss), scores=True)
        lowered, arguments, _ = self.feed(x, purpose, 0, labels)
        if purpose not in self._compiled:
            self._compiled[purpose] = self.arithmetic.compile(lowered.plan)
        results = self._compiled[purpose](arguments)
        if self.arithmetic.alarmed(results):
            overflow.find(self, purpose, arguments)
        return self.runtime.array(results[0]).item(), _owned(self.runtime.array(results[1]), x)

    def vjp(self, x: Any, cotangents: Any, *, mode: str = "inference", step: int = 0) -> tuple[Any, dict[str, Array]]:
        """Return the outputs, and the gradients of sum(output * cotangent) by parameters and inputs, as NumPy arrays.

        `cotangents` is an array of the output's shape, or for several outputs a sequence or dict like them.
        """
        purpose = Purpose(training=check_mode(mode), gradients=True)
        given = list(cotangents.values()) if isinstance(cotangents, Mapping) else cotangents
        given = list(given) if isinstance(given, (tuple, list)) else [given]
        results, gradients = self._backward(x, None, given, purpose, step)
        return self._arranged([_owned(self.runtime.array(result), x) for result in results[: len(self.model.outputs)]]), gradients

    def trace(self, x: Any, labels: Any, loss: str | Loss = "cross_entropy", *, mode: str = "inference", step: int = 0) -> Trace:
        """Return everything one forward and backward pass computed, for a comparison."""
        purpose = Purpose(training=check_mode(mode), loss=find_loss(loss), gradients=True, every=True, probes=True)
        results, gradients = self._backward(x, labels, None, purpose, step)
        names = self.lowered(purpose).layers
        arrays = [self.runtime.array(result) for result in results[: 1 + len(names)]]
        incoming = {name: gradients.pop(name) for name in probes(self.graph)}
        return Trace(arrays[0].item(), dict(zip(names, arrays[1:], strict=True)), gradients, incoming)

    def weights(self) -> dict[str, Array]:
        """Return all parameters and running statistics by full name, in canonical layout."""
        kinds = self.graph.parameters
        return {name: self.runtime.unpack(kinds[name].kind, tensor) for name, tensor in self._parameters.items()}

    def load(self, weights: Mapping[str, Array]) -> None:
        """Replace all weights; nothing is changed if any is missing, unknown, misshapen or not a float array."""
        checked = self.arithmetic.canonical(self.graph, check_weights(self.graph, weights, self.numerics.dtype))
        self._prepared = {}
        self._parameters = {name: self.runtime.pack(self.graph.parameters[name].kind, array) for name, array in checked.items()}

    def to_native(self) -> Any:
        """Return the network as the framework's own object (an nn.Module, a keras.Model, a HybridBlock) with these weights, on the CPU."""
        from unicnn.porting.native import to_native

        return to_native(self)

    def __repr__(self) -> str:
        return f"<Program {self.model.name} on {self.backend.info.name}, {self.runtime.device}, {self.numerics.name}>"

    def lowered(self, purpose: Purpose) -> Lowered:
        """Return the plan for a purpose, made once."""
        found = self._plans.get(purpose)
        if found is None:
            found = self._plans[purpose] = build(self.graph, self.arithmetic, self.numerics.dtype, purpose)
        return found

    def held(self, lowered: Lowered) -> list[Any]:
        """Return the parameters, and what is made from them once."""
        for name in lowered.prepared:
            if name not in self._prepared:
                self._prepared[name] = self.arithmetic.prepare(self.graph, name, self._weight)
        return [*self._parameters.values(), *[self._prepared[name] for name in lowered.prepared]]

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the parameters and running statistics by full name, as the backend packs them."""
        return self._parameters

    def _weight(self, name: str) -> Array:
        return self.runtime.unpack(self.graph.parameters[name].kind, self._parameters[name])

    def move(self, lowered: Lowered, results: Sequence[Any], learned: Mapping[str, Any] | None = None) -> None:
        """Take the new states of a training pass, and new tensors of `learned` parameters; forget what was made from the old ones."""
        first = len(lowered.heads) + len(lowered.layers)
        new = dict(zip(lowered.states, results[first : first + len(lowered.states)], strict=True)) | dict(learned or {})
        if not new:
            return
        layers = {name.rpartition(".")[0] for name in new}
        self._prepared = {name: value for name, value in self._prepared.items() if name.rpartition(".")[0] not in layers}
        self._parameters = {**self._parameters, **new}

    def _forward(self, x: Any, purpose: Purpose, step: int) -> tuple[list[Any], dict[str, Any]]:
        lowered = self.lowered(purpose)
        values, shapes, native = self._inputs(x)
        size = batch_size(self.graph, shapes, purpose.training)
        if size == 0:
            return self._empty(lowered, native)
        compiled = self._compiled.get(purpose)
        if compiled is None:
            compiled = self._compiled[purpose] = self.arithmetic.compile(lowered.plan)
        masks = self._masks(purpose, size, step) if purpose.training else ()
        arguments = [*values, *self.held(lowered), *masks]
        results = compiled(arguments)
        if self.arithmetic.alarmed(results):
            overflow.find(self, purpose, arguments)
        first, second = len(lowered.heads), len(lowered.heads) + len(lowered.layers)
        if lowered.states:
            self.move(lowered, results)
        found = results[:second] if native else [_owned(self.runtime.array(value), x) for value in results[:second]]
        return list(found[:first]), dict(zip(lowered.layers, found[first:], strict=True))

    def _backward(
        self, x: Any, labels: Any, cotangents: list[Any] | None, purpose: Purpose, step: int
    ) -> tuple[Sequence[Any], dict[str, Array]]:
        lowered, arguments, size = self.feed(x, purpose, step, labels)
        wanted = lowered.arguments("input", "parameter", "probe")
        if purpose not in self._compiled:
            self._compiled[purpose] = self.arithmetic.vjp(lowered.plan, tuple(wanted.values()))
        seeds = (None,) if cotangents is None else self._cotangents(cotangents, size)
        results, gradients = self._compiled[purpose](arguments, seeds)
        kinds = {name: parameter.kind for name, parameter in self.graph.parameters.items()}
        arrays = {
            name: self.runtime.unpack(kinds[name], value) if name in kinds else self.runtime.array(value)
            for name, value in zip(wanted, gradients, strict=True)
        }
        if self.arithmetic.alarmed(results):
            overflow.find(self, purpose, arguments)
            overflow.find_in_gradients(self, arrays)
        self.move(lowered, results)
        return results, arrays

    def feed(self, x: Any, purpose: Purpose, step: int, labels: Any = None) -> tuple[Lowered, list[Any], int]:
        """Return the plan for a purpose, its arguments for a batch, and the size of the batch; for passes with a loss or cotangents."""
        lowered = self.lowered(purpose)
        values, shapes, _ = self._inputs(x)
        size = batch_size(self.graph, shapes, purpose.training)
        if size == 0:
            raise InputError(f"{self.model.name}: the loss of an empty batch is undefined. Pass at least one sample.")
        arguments = [*values, *self.held(lowered), *self._masks(purpose, size, step)]
        if purpose.loss is not None:
            arguments.append(self._target(labels, size, purpose.loss))
        if purpose.probes:
            zeros = (np.zeros((size, *shape), self.numerics.dtype) for shape in probes(self.graph).values())
            arguments += map(self.runtime.tensor, zeros)
        return lowered, arguments, size

    def _inputs(self, x: Any) -> tuple[list[Any], list[Shape], bool]:
        """Return the inputs as canonical tensors in the model's order, their shapes, and whether they came as tensors."""
        names = [name for name, _ in self.model.inputs]
        if isinstance(x, np.ndarray) or self.runtime.is_tensor(x):
            values = [x]
        elif isinstance(x, Mapping):
            if set(x) != set(names):
                raise InputError(f"{self.model.name} takes the inputs {', '.join(names)}, not {', '.join(map(str, x))}. Use those names.")
            values = [x[name] for name in names]
        else:
            values = list(x) if isinstance(x, (tuple, list)) else [x]
        if len(values) != len(names):
            wanted = f"{len(names)} inputs ({', '.join(names)})" if len(names) > 1 else "one input"
            hint = "a tuple or a dict of them" if len(names) > 1 else "one NumPy array with the whole batch"
            raise InputError(f"{self.model.name} takes {wanted}, not {len(values)}. Pass {hint}.")
        native = not any(isinstance(value, np.ndarray) for value in values) and all(map(self.runtime.is_tensor, values))
        if native:
            # Asked for once: a framework may take a microsecond to tell a shape.
            shapes = [tuple(value.shape) for value in values]
            for (name, shape), value, given in zip(self.model.inputs, values, shapes, strict=True):
                check_values(self.graph, name, shape, given, self.runtime.dtype_of(value), (self.numerics.dtype,))
            return values, shapes, True
        arrays = [self._array(name, shape, value) for (name, shape), value in zip(self.model.inputs, values, strict=True)]
        return [self.runtime.tensor(array) for array in arrays], [array.shape for array in arrays], False

    def _array(self, name: str, shape: tuple[int, ...], value: Any) -> Array:
        if not isinstance(value, np.ndarray):
            raise InputError(
                f"{self.model.name}: the input {name!r} must be a NumPy array or a tensor of {self.backend.info.title}, not {type(value).__name__}."
            )
        check_values(self.graph, name, shape, value.shape, str(value.dtype), self.numerics.accepts)
        return value.astype(self.numerics.dtype, copy=False)

    def _cotangents(self, cotangents: list[Any], size: int) -> tuple[Any, ...]:
        shapes = [self.graph.shapes[name] for _, name in self.model.outputs]
        if len(cotangents) != len(shapes) or any(
            np.shape(value) != (size, *shape) for value, shape in zip(cotangents, shapes, strict=False)
        ):
            wanted = " and ".join(str((size, *shape)) for shape in shapes)
            raise InputError(f"{self.model.name}: the cotangents must have the shapes of the outputs, {wanted}. Pass one for each output.")
        return tuple(self.runtime.tensor(np.asarray(value).astype(self.numerics.dtype)) for value in cotangents)

    def _target(self, labels: Any, size: int, loss: Loss) -> Any:
        shape = self.graph.shapes[self.model.outputs[0][1]]
        try:
            array = np.asarray(self.runtime.array(labels)) if self.runtime.is_tensor(labels) else np.asarray(labels)
        except ValueError:
            raise InputError(f"{self.model.name}: the labels are no array; their rows differ in length. Pass one label a sample.") from None
        role, wanted = loss.target(shape)
        if role == "labels":
            return self.runtime.tensor(check_labels(self.graph, array, size, shape[0]))
        check_values(self.graph, "target", wanted, array.shape, str(array.dtype), self.numerics.accepts)
        return self.runtime.tensor(array.astype(self.numerics.dtype, copy=False))

    def masks(self, size: int, step: int) -> dict[str, Array]:
        """Return the dropout masks of a training step on `size` samples, by layer; they are the same on every backend."""
        masked = [node for node in self.graph.nodes if node.op.masked]
        return {
            node.name: randomness.mask((size, *node.shape), node.op.p, "dropout", self.seed, node.name, step).astype(self.numerics.dtype)  # type: ignore[attr-defined]
            for node in masked
        }

    def _masks(self, purpose: Purpose, size: int, step: int) -> list[Any]:
        return [self.runtime.tensor(mask) for mask in self.masks(size, step).values()] if purpose.training else []

    def _empty(self, lowered: Lowered, native: bool) -> tuple[list[Any], dict[str, Any]]:
        """Return the outputs of a batch of no samples, of which the shape is all there is to know."""

        def none(name: str) -> Any:
            array = np.zeros((0, *self.graph.shapes[name]), self.numerics.dtype)
            return self.runtime.tensor(array) if native else array

        return [none(name) for _, name in self.model.outputs], {name: none(name) for name in lowered.layers}


def find_loss(loss: str | Loss) -> Loss:
    """Return the loss called `loss` with its defaults, or the one given."""
    if isinstance(loss, Loss):
        return loss
    if loss not in LOSSES:
        raise UnknownNameError(f"There is no loss called {loss!r}.{closest(loss, LOSSES)}")
    return LOSSES[loss]()


def _owned(array: Array, x: Any) -> Array:
    """Return `array`, copied if it is memory of the caller's `x`, as the output of a Flatten of the input may be."""
    given = x.values() if isinstance(x, Mapping) else x if isinstance(x, (tuple, list)) else (x,)
    return array.copy() if any(np.may_share_memory(array, value) for value in given if isinstance(value, np.ndarray)) else array

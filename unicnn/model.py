"""The description of a network: layers, their hyperparameters and how they are joined. Nothing else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from unicnn.errors import DescriptionError, closest
from unicnn.ops.base import Activated, Op, Shape
from unicnn.ops.symbolic import Symbol, input_shape

Joined: TypeAlias = "Symbol | Sequence[Symbol] | Mapping[str, Symbol]"


@dataclass(frozen=True)
class Layer:
    """Be one op of a network under a name, with the names of the values it takes."""

    name: str
    op: Op
    inputs: tuple[str, ...]


@dataclass(frozen=True, init=False)
class Model:
    """Describe a network; immutable, and equal to any other that says the same.

    ``Model(x, y)`` takes symbols: one, a sequence or a dict of them for the inputs, and likewise for the outputs.
    A program of the model takes and returns arrays in the same arrangement. Layers without a name are called after
    their op and numbered, in the order in which they were written: conv1, relu1, pool1, conv2, …
    """

    name: str = field(compare=False)
    inputs: tuple[tuple[str, Shape], ...]
    layers: tuple[Layer, ...]
    outputs: tuple[tuple[str | None, str], ...]
    """Pairs (key, value name); the keys are None unless the outputs were named by a dict."""

    def __init__(self, inputs: Joined, outputs: Joined, *, name: str = "model") -> None:
        symbols = _history(outputs)
        sources = _named_inputs(inputs)
        names = _symbol_names([value for value in symbols if value.op is not None], sources)
        if missing := [value for value in symbols if value.op is None and value not in names]:
            raise DescriptionError(
                f"{name}: an output depends on {missing[0]}, which is not among the model's inputs. Pass every Input that is used."
            )
        layers = tuple(
            Layer(names[value], value.op, tuple(names[source] for source in value.inputs)) for value in symbols if value.op is not None
        )
        keyed = outputs.items() if isinstance(outputs, Mapping) else ((None, value) for value in _flat(outputs))
        self._set(
            name, tuple((key, value.shape) for value, key in sources.items()), layers, tuple((key, names[value]) for key, value in keyed)
        )

    @classmethod
    def of(
        cls,
        inputs: Iterable[tuple[str, Shape]],
        layers: Iterable[Layer],
        outputs: Iterable[tuple[str | None, str]] | None = None,
        *,
        name: str = "model",
    ) -> Model:
        """Return the model of named inputs and layers in any order; the output is the last layer unless `outputs` says.

        Raises DescriptionError for a name used twice or for none, an unknown input and a cycle.
        """
        given = tuple(layers)
        model = cls.__new__(cls)
        sources = tuple((key, input_shape(shape)) for key, shape in inputs)
        if outputs is None:
            last = [*(key for key, _ in sources), *(layer.name for layer in given)][-1:]
            outputs = tuple((None, value) for value in last)
        model._set(name, sources, _in_order(name, sources, given), tuple(outputs))
        return model

    def _set(
        self, name: str, inputs: tuple[tuple[str, Shape], ...], layers: tuple[Layer, ...], outputs: tuple[tuple[str | None, str], ...]
    ) -> None:
        if not isinstance(name, str) or not name:
            raise DescriptionError(f"A model's name must be a non-empty string, not {name!r}.")
        _check_names(name, [key for key, _ in inputs] + [layer.name for layer in layers])
        values = {key for key, _ in inputs} | {layer.name for layer in layers}
        for _, source in outputs:
            if source not in values:
                raise DescriptionError(f"{name}: the output {source!r} is not a layer.{closest(source, values)}")
        if not outputs or not inputs:
            raise DescriptionError(f"{name}: a model needs at least one input and one output.")
        for key, value in (("name", name), ("inputs", inputs), ("layers", layers), ("outputs", outputs)):
            object.__setattr__(self, key, value)

    @property
    def input_shape(self) -> Shape:
        """Return the shape of the only input, batch axis left out."""
        if len(self.inputs) != 1:
            raise DescriptionError(f"{self.name} has {len(self.inputs)} inputs; read their shapes from model.inputs.")
        return self.inputs[0][1]

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        return f"<Model {self.name}: {len(self.layers)} layers>"


def Sequential(  # noqa: N802 - reads as a class in every framework
    layers: Iterable[Op | tuple[str, Op]], *, input: Shape, name: str = "model"
) -> Model:
    """Return the model that applies `layers`, ops or (name, op) pairs, one after the other to an input of shape `input`."""
    source, result = "input", []
    pairs = [item if isinstance(item, tuple) and len(item) == 2 else (None, item) for item in layers]
    names = Names(label for label, _ in pairs)
    for label, op in pairs:
        if not isinstance(op, Op):
            raise DescriptionError(f"{name}: a layer is an op such as Conv2d(20, 5), or a pair (name, op), not {op!r}.")
        for layer in expand(label, op, (source,), names):
            result.append(layer)
            source = layer.name
    model = Model.of([("input", input)], result, name=name)
    from unicnn.graph import infer

    infer(model)
    return model


def expand(label: str | None, op: Op, inputs: tuple[str, ...], names: Names) -> list[Layer]:
    """Return the layers that one written layer stands for: itself, and its activation if it names one."""
    plain, activation = op.expand() if isinstance(op, Activated) else (op, None)
    first = Layer(label or names.next(plain), plain, inputs)
    if activation is None:
        return [first]
    follower = f"{label}_{activation.prefix}" if label else names.next(activation)
    return [first, Layer(follower, activation, (first.name,))]


class Names:
    """Give layers without a name one after their op, numbered, that no other layer has."""

    def __init__(self, taken: Iterable[str | None]) -> None:
        self._taken = set(taken)
        self._counts: Counter[str] = Counter()

    def next(self, op: Op) -> str:
        """Return the next free name for `op`: its prefix and a number."""
        while True:
            self._counts[op.prefix] += 1
            name = f"{op.prefix}{self._counts[op.prefix]}"
            if name not in self._taken:
                return name


def _flat(joined: Joined) -> list[Symbol]:
    values = list(joined.values()) if isinstance(joined, Mapping) else [joined] if isinstance(joined, Symbol) else list(joined)
    if not values or not all(isinstance(value, Symbol) for value in values):
        raise DescriptionError("A model is made of symbols: Model(x, y) with x = un.Input(1, 28, 28) and y = layers applied to x.")
    return values


def _named_inputs(inputs: Joined) -> dict[Symbol, str]:
    values = _flat(inputs)
    if any(value.op is not None for value in values):
        raise DescriptionError("A model's inputs must be made by un.Input, not be the output of a layer.")
    if isinstance(inputs, Mapping):
        return {value: key for key, value in inputs.items()}
    default = ["input"] if len(values) == 1 else [f"input{i + 1}" for i in range(len(values))]
    return {value: value.name or key for value, key in zip(values, default, strict=True)}


def _history(outputs: Joined) -> list[Symbol]:
    """Return every symbol that the outputs depend on, in the order of writing."""
    seen: set[Symbol] = set()
    stack = _flat(outputs)
    while stack:
        value = stack.pop()
        if value not in seen:
            seen.add(value)
            stack.extend(value.inputs)
    return sorted(seen, key=lambda value: value.order)


def _symbol_names(layers: list[Symbol], sources: dict[Symbol, str]) -> dict[Symbol, str]:
    free = Names([*sources.values(), *(value.name for value in layers)])
    names = dict(sources)
    for value in layers:
        assert value.op is not None
        names[value] = value.name or free.next(value.op)
    return names


def _check_names(model: str, names: list[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise DescriptionError(f"{model}: the name {name!r} is used {count} times. Give each layer a name of its own.")
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*", name):
            raise DescriptionError(f"{model}: {name!r} cannot be a name. Use letters, digits, '_', '-' and '.'.")


def _in_order(model: str, inputs: tuple[tuple[str, Shape], ...], layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """Return `layers` such that each follows what it takes, otherwise in the order given."""
    values = {key for key, _ in inputs} | {layer.name for layer in layers}
    for layer in layers:
        for source in layer.inputs:
            if source not in values:
                raise DescriptionError(f"{model}/{layer.name}: its input {source!r} is not a layer.{closest(source, values)}")
    ready, waiting, ordered = {key for key, _ in inputs}, list(layers), []
    while waiting:
        runnable = next((layer for layer in waiting if ready.issuperset(layer.inputs)), None)
        if runnable is None:
            cycle = " -> ".join(_cycle(waiting, ready))
            raise DescriptionError(f"{model}: the layers {cycle} form a cycle. A network must lead from its inputs to its outputs.")
        waiting.remove(runnable)
        ordered.append(runnable)
        ready.add(runnable.name)
    return tuple(ordered)


def _cycle(waiting: list[Layer], ready: set[str]) -> list[str]:
    """Return the names along one cycle among layers none of which can run."""
    sources = {layer.name: next(source for source in layer.inputs if source not in ready) for layer in waiting}
    path = [waiting[0].name]
    while sources[path[-1]] not in path:
        path.append(sources[path[-1]])
    start = path.index(sources[path[-1]])
    return [*reversed(path[start:]), path[-1]]

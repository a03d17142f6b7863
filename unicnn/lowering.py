"""From a graph to a plan: every layer becomes a call of the backend's function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from unicnn.backend import Context
from unicnn.errors import ShapeError
from unicnn.graph import Graph, Node
from unicnn.numerics.arithmetic import Arithmetic
from unicnn.ops.base import Misfit, Op, family
from unicnn.ops.loss import Loss
from unicnn.plan import Argument, Plan, Step

_OWN_NAMES = ("probe", "mask", "labels", "values", "prepared")
"""The roles of arguments whose names a layer or an input may have too."""


@dataclass(frozen=True)
class Purpose:
    """Say what a plan is for: which results it has and in which mode it runs.

    With `every`, all layer outputs are results. With `probes`, a zero that is an argument of its own is added to every
    layer's output, and to every reading of a value that several layers read: its gradient is what the framework
    propagates at that place.
    """

    training: bool = False
    every: bool = False
    loss: Loss | None = None
    probes: bool = False
    gradients: bool = False
    scores: bool = False
    """Whether the model's output is a result beside the loss, behind it."""

    def __hash__(self) -> int:
        # One lookup of a plan at every call: the fields' own hash would be slower than the rest of it.
        return self.training + 2 * self.every + 4 * self.probes + 8 * self.gradients + 16 * self.scores


@dataclass(frozen=True)
class Lowered:
    """Hold a plan and the names of its results: heads (the loss, or the model's outputs), layer outputs, states."""

    plan: Plan
    heads: tuple[str, ...]
    layers: tuple[str, ...]
    states: tuple[str, ...]
    prepared: tuple[str, ...]
    """The names of the arguments that are made from weights, in order."""

    def arguments(self, *roles: str) -> dict[str, int]:
        """Return the positions of the arguments of these roles, by name."""
        return {item.name: place for place, item in enumerate(self.plan.arguments) if item.role in roles}

    def masks(self, arguments: Sequence[Any]) -> list[Any]:
        """Return those of a plan's arguments that are dropout masks."""
        return [argument for argument, item in zip(arguments, self.plan.arguments, strict=False) if item.role == "mask"]


def build(graph: Graph, arithmetic: Arithmetic, dtype: str, purpose: Purpose) -> Lowered:
    """Return the plan of `graph` in an arithmetic that holds values of `dtype`; raise UnsupportedError naming the layer that its backend refuses."""
    return _Builder(graph, arithmetic, dtype, purpose).build()


class _Builder:
    def __init__(self, graph: Graph, arithmetic: Arithmetic, dtype: str, purpose: Purpose) -> None:
        self.graph, self.arithmetic, self.dtype, self.purpose = graph, arithmetic, dtype, purpose
        self.backend, self.runtime = arithmetic.backend, arithmetic.runtime
        self.arguments = list(self._arguments())
        self.slots = len(self.arguments)
        self.steps: list[Step] = []
        self.values: dict[str, int] = {}
        readers = Counter(source for node in graph.nodes for source in node.inputs)
        readers.update(source for _, source in graph.model.outputs) if purpose.loss else None
        self.shared = {name for name, count in readers.items() if count > 1}

    def _arguments(self) -> Iterable[Argument]:
        graph, purpose = self.graph, self.purpose
        for name, shape in graph.model.inputs:
            yield Argument(name, "input", shape)
        for name, parameter in graph.parameters.items():
            yield Argument(name, "parameter" if parameter.trainable else "state", parameter.shape, parameter.kind)
        for node in graph.nodes:
            for key in self.arithmetic.prepared(node.op, purpose.training, purpose.gradients):
                yield Argument(f"{node.name}.{key}", "prepared", ())
        if purpose.training:
            for node in graph.nodes:
                if node.op.masked:
                    yield Argument(f"{node.name}.mask", "mask", node.shape)
        if purpose.loss is not None:
            yield Argument("target", *purpose.loss.target(self._loss_input()))
        if purpose.probes:
            yield from (Argument(name, "probe", shape) for name, shape in probes(graph).items())

    def _loss_input(self) -> tuple[int, ...]:
        assert self.purpose.loss is not None
        names = [source for _, source in self.graph.model.outputs]
        if len(names) != 1:
            raise ShapeError(
                f"{self.graph.model.name} has {len(names)} outputs, and a loss takes one. Make a model with the output to train on."
            )
        shape = self.graph.shapes[names[0]]
        try:
            self.purpose.loss.target(shape)
        except Misfit as misfit:
            raise ShapeError(f"{self.graph.model.name}: {self.purpose.loss} cannot take {shape}: {misfit.why} {misfit.hint}") from None
        return shape

    def build(self) -> Lowered:
        self.places = {(item.role if item.role in _OWN_NAMES else "", item.name): i for i, item in enumerate(self.arguments)}
        for name, _ in self.graph.model.inputs:
            self.values[name] = self._enter(self.places["", name])
        states: dict[str, int] = {}
        for node in self.graph.nodes:
            self._node(node, states)
        heads = self._heads()
        layers = {node.name: self._leave(self.values[node.name]) for node in self.graph.nodes} if self.purpose.every else {}
        results = [*heads.values(), *layers.values(), *states.values()]
        plan = self.arithmetic.plan(self.arguments, self.steps, results, self.purpose.training)
        prepared = tuple(item.name for item in self.arguments if item.role == "prepared")
        return Lowered(plan, tuple(heads), tuple(layers), tuple(states), prepared)

    def _heads(self) -> dict[str, int]:
        loss = self.purpose.loss
        if loss is None:
            return {f"{place}": self._leave(self.values[name]) for place, (_, name) in enumerate(self.graph.model.outputs)}
        name = self.graph.model.outputs[0][1]
        role = loss.target(self.graph.shapes[name])[0]
        target = self.places[role, "target"]
        if role == "values":
            target = self._enter(target)
        shape = self.graph.shapes[name]
        function = self._lowering(loss, loss.attributes(shape), (shape,), f"{self.graph.model.name} ({loss})")
        operands: list[int | None] = [self._read(name, "loss", 0), target]
        heads = {"loss": self._step(loss.lowering(), function, loss.attributes(shape), operands)[0]}
        return heads | ({"scores": self._leave(self.values[name])} if self.purpose.scores else {})

    def _node(self, node: Node, states: dict[str, int]) -> None:
        operands: list[int | None] = [self._read(source, node.name, place) for place, source in enumerate(node.inputs)]
        if node.op.vanishes(self.purpose.training):
            assert operands[0] is not None
            self.values[node.name] = self._probe(node.name, operands[0])
            return
        attributes = dict(node.attributes)
        if node.op.states:
            attributes["training"] = self.purpose.training
        if node.op.masked:
            operands.append(self._enter(self.places["mask", f"{node.name}.mask"]))
        operands += [self.places.get(("", f"{node.name}.{key}")) for key in node.op.operands]
        function = self._lowering(node.op, attributes, node.input_shapes, self.graph.path(node))
        extra = self.arithmetic.prepared(node.op, self.purpose.training, self.purpose.gradients)
        operands += [self.places["prepared", f"{node.name}.{key}"] for key in extra]
        attributes = self.arithmetic.attributes(node.op, attributes)
        output, *moved = self._step(node.op.lowering(), function, attributes, operands, 1 + len(node.op.states))
        self.values[node.name] = self._probe(node.name, output)
        if self.purpose.training:
            states |= {f"{node.name}.{key}": slot for key, slot in zip(node.op.states, moved, strict=True)}

    def _lowering(self, op: Op, attributes: dict[str, Any], shapes: tuple[tuple[int, ...], ...], path: str) -> Callable[..., Any]:
        context = Context(self.runtime.device, self.dtype, self.purpose.training, self.purpose.gradients, shapes)
        return self.arithmetic.function(op.lowering(), self.backend.lowering(family(type(op)), op.lowering(), attributes, context, path))

    def _step(
        self, op: str, function: Callable[..., Any], attributes: dict[str, Any], operands: list[int | None], results: int = 1
    ) -> tuple[int, ...]:
        slots = tuple(range(self.slots, self.slots + results))
        self.slots += results
        self.steps.append(Step(op, function, attributes, tuple(operands), slots))
        return slots

    def _enter(self, slot: int) -> int:
        enter = self.arithmetic.enter
        return slot if enter is None else self._step("enter", enter, {}, [slot])[0]

    def _leave(self, slot: int) -> int:
        leave = self.arithmetic.leave
        return slot if leave is None else self._step("leave", leave, {}, [slot])[0]

    def _read(self, source: str, reader: str, place: int) -> int:
        slot = self.values[source]
        return self._probe(edge(source, reader, place), slot) if source in self.shared else slot

    def _probe(self, name: str, slot: int) -> int:
        if not self.purpose.probes:
            return slot
        function = self.backend.function("merge", "add")
        assert function is not None
        function = self.arithmetic.function("add", function)
        return self._step("add", function, {}, [slot, self._enter(self.places["probe", name])])[0]


def edge(source: str, reader: str, place: int) -> str:
    """Return the name of the probe at one reading of a value that several layers read."""
    return f"{source}->{reader}:{place}"


def probes(graph: Graph) -> dict[str, tuple[int, ...]]:
    """Return the probes of a graph with a loss, and their shapes without the batch axis."""
    readings = [(source, node.name, place) for node in graph.nodes for place, source in enumerate(node.inputs)]
    readings += [(source, "loss", 0) for _, source in graph.model.outputs]
    counts = Counter(source for source, _, _ in readings)
    names = {node.name: node.shape for node in graph.nodes}
    return names | {edge(*reading): graph.shapes[reading[0]] for reading in readings if counts[reading[0]] > 1}

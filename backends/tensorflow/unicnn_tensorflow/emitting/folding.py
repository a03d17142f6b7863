"""What one layer of Keras does beside its own work: the activation after a convolution, the flattening after global pooling."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from unicnn.graph import Graph, Node, infer
from unicnn.model import Layer, Model
from unicnn.ops import (
    ELU,
    GELU,
    AdaptiveAvgPool2d,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Hardsigmoid,
    Hardswish,
    Linear,
    LogSoftmax,
    Op,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from unicnn.ops.base import Shape
from unicnn.porting import naming

WORDS: dict[Op, str] = {
    ReLU(): "relu", ReLU6(): "relu6", ELU(): "elu", Sigmoid(): "sigmoid", Tanh(): "tanh", SiLU(): "silu", GELU(): "gelu",
    Hardswish(): "hard_silu", Hardsigmoid(): "hard_sigmoid", Softmax(): "softmax", LogSoftmax(): "log_softmax",
}  # fmt: skip
"""What Keras calls the functions that it computes as we do, along the last axis where an axis matters."""


@dataclass(frozen=True, repr=False)
class GlobalAverage(Op):
    """Be a global average pooling that gives a vector."""

    prefix = "pool"

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0][:1]


@dataclass(frozen=True)
class Folded:
    """Hold a network as Keras has it; `unnamed` are the layers that need no name, for the rule of `naming` gives them theirs.

    `rule` says that this is so of every layer.
    """

    graph: Graph
    unnamed: frozenset[str]
    rule: bool


def folded(graph: Graph, plain: Callable[[Node], bool], whole: Callable[[Node], bool]) -> Folded:
    """Join layers and leave out names wherever reading the source gives every layer its name back.

    `plain` tells whether a layer is one of Keras' own, and nothing stands around it; `whole` whether nothing stands behind it.
    Weights are found by their layers' names, so layers that have some keep theirs, unless none in the whole network needs one.
    """
    followers = dict(_followers(graph, whole))
    everything = frozenset(node.name for node in graph.nodes)
    roots = frozenset(node.name for node in graph.nodes if "." not in node.name)
    if roots == everything == naming.functional(graph, everything) and _is_chain(graph) and all(map(plain, graph.nodes)):
        return Folded(_joined(graph, followers), everything - set(followers), True)
    candidates = {node.name for node in graph.nodes if node.name in roots and not node.parameters and plain(node)}
    automatic = naming.functional(graph, _ordered(graph, candidates | set(followers)))
    uneven = {_place(name) for name in followers if name not in automatic and "." in name}
    kept = {name: source for name, source in followers.items() if name in automatic and _place(name) not in uneven}
    automatic = naming.functional(graph, (candidates & automatic) | set(kept))
    kept = {name: source for name, source in kept.items() if name in automatic}
    return Folded(_joined(graph, kept), automatic - set(kept), False)


def _followers(graph: Graph, whole: Callable[[Node], bool]) -> Iterator[tuple[str, str]]:
    """Yield the layers that the one before could do as well, with that one's name."""
    nodes = {node.name: node for node in graph.nodes}
    readers = Counter(source for node in graph.nodes for source in node.inputs)
    readers.update(value for _, value in graph.model.outputs)
    for node in graph.nodes:
        source = nodes.get(node.inputs[0])
        if source is None or readers[source.name] != 1 or naming.scope_of(source.name) != naming.scope_of(node.name):
            continue
        activation = node.op in WORDS and isinstance(source.op, (Conv2d, ConvTranspose2d, Linear))
        # Whatever crops a convolution or thins it out would stand behind its activation.
        if (activation and whole(source)) or (isinstance(node.op, Flatten) and source.op == AdaptiveAvgPool2d(1)):
            yield node.name, source.name


def _place(name: str) -> str:
    """Return the scope of a layer up to numbers: blocks that are alike are folded alike, or they would be different functions."""
    return ".".join(part.rstrip("0123456789") for part in naming.scope_of(name).split("."))


def _ordered(graph: Graph, names: set[str]) -> set[str]:
    """Return those of the layers `names` whose number does not depend on the order in which Keras runs branches."""
    before: dict[str, frozenset[str]] = {}
    for node in graph.nodes:
        before[node.name] = frozenset({node.name}).union(*(before.get(source, frozenset()) for source in node.inputs))
    groups: dict[tuple[str, str], list[str]] = {}
    for node in graph.nodes:
        if node.name in names:
            groups.setdefault((naming.scope_of(node.name), node.op.prefix), []).append(node.name)
    chains = [group for group in groups.values() if all(a in before[b] for a, b in itertools.pairwise(group))]
    return {name for group in chains for name in group}


def _is_chain(graph: Graph) -> bool:
    names = [graph.model.inputs[0][0], *(node.name for node in graph.nodes)]
    return all(node.inputs == (source,) for node, source in zip(graph.nodes, names, strict=False))


def _joined(graph: Graph, followers: dict[str, str]) -> Graph:
    """Return the network without the layers that those before them do."""
    model = graph.model
    ops: dict[str, Any] = {layer.name: layer.op for layer in model.layers}
    for name, source in followers.items():
        flattens = isinstance(ops[name], Flatten)
        ops[source] = GlobalAverage() if flattens else dataclasses.replace(ops[source], activation=ops[name].lowering())

    def value(name: str) -> str:
        return followers.get(name, name)

    layers = [Layer(layer.name, ops[layer.name], tuple(map(value, layer.inputs))) for layer in model.layers if layer.name not in followers]
    return infer(Model.of(model.inputs, layers, [(key, value(name)) for key, name in model.outputs], name=model.name))


def activation(op: Any) -> str | None:
    """Return what Keras calls the activation that was joined to a layer."""
    return next((word for other, word in WORDS.items() if other.lowering() == op.activation), None)

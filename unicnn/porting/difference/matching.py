"""Which layer of one network is which of another: an alignment of the two, by what the layers do and where they stand.

Both networks are written down from their outputs backwards, operand by operand, so that the order in which somebody wrote the branches
does not matter. The two lists are then aligned (Needleman and Wunsch, 1970): of all ways to pair layers in order, the one whose pairs
agree most. Layers that are left over, but have the same neighbours, are paired afterwards: branches of an addition may have changed places.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from unicnn.graph import Graph, Node
from unicnn.ops.base import Op, family

OUTPUT = "<output>"
"""The name under which the outputs of a network are read, as if they were a last layer."""

_KINS = ({"Conv2d", "ConvTranspose2d"}, {"BatchNorm2d", "LayerNorm"}, {"Flatten", "Reshape"})
"""Ops that may stand for one another, beside those of the families below."""
_KIN_FAMILIES = ("activation", "pool", "merge")
_UNORDERED = ("Add", "Mul")
_NEAR = 4
"""How many rows a layer may have moved to be called moved, and not one that is missing and another that was added."""

# What a pair scores. The op decides, and the place: two layers are hardly others if all before them is the same, or all after. Then come
# hyperparameters. A name only tips the scales, because "conv2" of one network may well be "conv3" of another in which a layer was
# put before it. One pair of the same past outweighs two pairs crosswise, which agree in op and shape alone.
_OP, _KIN, _FIELDS, _WEIGHTS, _SHAPE, _NAME, _PLACE = 6.0, 3.0, 3.0, 2.0, 1.0, 2.0, 6.0


@dataclass(frozen=True)
class Pair:
    """Be a layer of each network, or a layer of one that the other lacks."""

    a: Node | None
    b: Node | None


@dataclass(frozen=True)
class Matching:
    """Hold which layers of two networks belong together, in the order of the networks; `moved` are layers that stand elsewhere, by name."""

    a: Graph
    b: Graph
    pairs: tuple[Pair, ...]
    moved: Mapping[str, str]

    @cached_property
    def to_b(self) -> dict[str, str]:
        """Return the names of the values of the second network by those of the first."""
        inputs = zip((name for name, _ in self.a.model.inputs), (name for name, _ in self.b.model.inputs), strict=False)
        return dict(inputs) | {pair.a.name: pair.b.name for pair in self.pairs if pair.a and pair.b}

    @cached_property
    def to_a(self) -> dict[str, str]:
        """Return the names of the values of the first network by those of the second."""
        return {b: a for a, b in self.to_b.items()}

    @cached_property
    def both(self) -> tuple[tuple[Node, Node], ...]:
        """Return the layers that have a counterpart, with it."""
        return tuple((pair.a, pair.b) for pair in self.pairs if pair.a and pair.b)

    @property
    def renamed(self) -> int:
        """Return how many layers have another name."""
        return sum(a.name != b.name for a, b in self.both)


def match(a: Graph, b: Graph) -> Matching:
    """Return which layers of two networks belong together."""
    first, second = _Side(a), _Side(b)
    found = _aligned(first, second)
    _extend(first, second, found)
    pairs = tuple(_rows(first, second, found))
    return Matching(a, b, pairs, _moved(pairs))


def readers(graph: Graph) -> dict[str, list[tuple[str, int]]]:
    """Return who reads each value, and as which operand; the outputs read, too."""
    found: dict[str, list[tuple[str, int]]] = {name: [] for name in graph.shapes}
    for node in graph.nodes:
        for place, source in enumerate(node.inputs):
            found[source].append((node.name, place))
    for place, (_, source) in enumerate(graph.model.outputs):
        found[source].append((OUTPUT, place))
    return found


class _Side:
    """Hold a network as a list of layers, and what each layer's history and future look like."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.nodes = graph, {node.name: node for node in graph.nodes}
        self.readers = readers(graph)
        self.order = [self.nodes[name] for name in _backwards(graph)]
        self.past = self._past()
        self.future = self._future()
        self.fields = {node.name: node.op.fields() for node in graph.nodes}
        self.weights = {node.name: [parameter.shape for parameter in node.parameters.values()] for node in graph.nodes}

    def _past(self) -> dict[str, int]:
        """Return by value a number that is the same where the same is computed of the inputs, weights aside."""
        found = {name: hash(("input", place, shape)) for place, (name, shape) in enumerate(self.graph.model.inputs)}
        for node in self.graph.nodes:
            taken = [found[source] for source in node.inputs]
            taken = sorted(taken) if type(node.op).__name__ in _UNORDERED else taken
            found[node.name] = hash((type(node.op), normal(node), tuple(taken)))
        return found

    def _future(self) -> dict[str, int]:
        """Return by value a number that is the same where the same is made of it; without sizes, which follow from what came before."""
        found: dict[str, int] = {OUTPUT: hash(OUTPUT)}
        for node in reversed(self.graph.nodes):
            read = sorted((found[name], self._place(name, place)) for name, place in self.readers[node.name])
            found[node.name] = hash((node.op, tuple(read)))
        return found

    def _place(self, reader: str, place: int) -> int:
        return 0 if reader in self.nodes and type(self.nodes[reader].op).__name__ in _UNORDERED else place


def normal(node: Node) -> tuple[Any, ...]:
    """Return what a layer computes, with nothing left implied, as a value that can be compared: attributes and shapes of weights."""
    attributes = dict(node.attributes) | ({"p": node.op.fields()["p"]} if node.op.masked else {})
    return tuple(sorted(attributes.items())), tuple((key, value.shape) for key, value in node.parameters.items())


def _backwards(graph: Graph) -> list[str]:
    """Return the layers such that each follows its operands, in the operands' order, starting from the outputs; unused ones come last."""
    nodes, seen, order = {node.name: node for node in graph.nodes}, set[str](), []
    for root in (*(source for _, source in graph.model.outputs), *nodes):
        stack = [(root, False)]
        while stack:
            name, done = stack.pop()
            if done:
                order.append(name)
            elif name in nodes and name not in seen:
                seen.add(name)
                stack.append((name, True))
                stack.extend((source, False) for source in reversed(nodes[name].inputs))
    return order


_Found: TypeAlias = dict[str, str]


def _score(first: _Side, second: _Side, a: Node, b: Node) -> float:
    """Return how much two layers agree; 0 if they cannot stand for one another."""
    score = _kinship(a.op, b.op)
    if not score:
        return 0.0
    if type(a.op) is type(b.op):
        mine, theirs = first.fields[a.name], second.fields[b.name]
        score += _FIELDS * (sum(mine[key] == theirs[key] for key in mine) / len(mine) if mine else 1.0)
    score += _WEIGHTS * (first.weights[a.name] == second.weights[b.name]) + _SHAPE * (a.shape == b.shape)
    score += _NAME * (1.0 if a.name == b.name else 0.5 * (a.name.rpartition(".")[2] == b.name.rpartition(".")[2]))
    return score + _PLACE * (first.past[a.name] == second.past[b.name]) + _PLACE * (first.future[a.name] == second.future[b.name])


def _kinship(a: Op, b: Op) -> float:
    if type(a) is type(b):
        return _OP
    names = {type(a).__name__, type(b).__name__}
    same_family = family(type(a)) == family(type(b)) and family(type(a)) in _KIN_FAMILIES
    return _KIN if same_family or any(names <= kin for kin in _KINS) else 0.0


def _aligned(first: _Side, second: _Side) -> _Found:
    """Return the pairs of the best alignment of two lists of layers."""
    mine, theirs = first.order, second.order
    best = [[0.0] * (len(theirs) + 1) for _ in range(len(mine) + 1)]
    scores = [[_score(first, second, a, b) for b in theirs] for a in mine]
    for i in range(len(mine) - 1, -1, -1):
        row, below = best[i], best[i + 1]
        for j in range(len(theirs) - 1, -1, -1):
            paired = scores[i][j] + below[j + 1] if scores[i][j] else 0.0
            row[j] = max(paired, below[j], row[j + 1])
    found, i, j = {}, 0, 0
    while i < len(mine) and j < len(theirs):
        if scores[i][j] and best[i][j] == scores[i][j] + best[i + 1][j + 1]:
            found[mine[i].name] = theirs[j].name
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found


def _extend(first: _Side, second: _Side, found: _Found) -> None:
    """Pair layers that are left over and read the same values, or are read by the same layers, as long as there are any."""
    inputs = dict(zip((name for name, _ in first.graph.model.inputs), (name for name, _ in second.graph.model.inputs), strict=False))
    images = {OUTPUT: OUTPUT} | inputs | found
    taken = set(found.values())
    mine = [node for node in first.order if node.name not in found]
    theirs = [node for node in second.order if node.name not in taken]
    while True:
        pairs = [(a, b) for a in mine for b in theirs if _neighbours(first, second, images, a, b)]
        scored = [(score, a, b) for a, b in pairs if (score := _score(first, second, a, b))]
        if not scored:
            return
        _, a, b = max(scored, key=lambda item: item[0])
        found[a.name] = images[a.name] = b.name
        mine.remove(a)
        theirs.remove(b)


def _neighbours(first: _Side, second: _Side, images: Mapping[str, str], a: Node, b: Node) -> bool:
    above = {images.get(source) for source in a.inputs} == set(b.inputs)
    return above or {images.get(name) for name, _ in first.readers[a.name]} == {name for name, _ in second.readers[b.name]}


def _rows(first: _Side, second: _Side, found: _Found) -> Iterator[Pair]:
    """Yield all layers of both networks, in order; where both have layers of their own, the first network's come first."""
    back = {b: a for a, b in found.items()}
    theirs = iter(second.order)
    passed: set[str] = set()
    for a in first.order:
        image = found.get(a.name)
        if image is None:
            yield Pair(a, None)
            continue
        # Layers of the second network alone go before the first pair that follows them there.
        while image not in passed:
            b = next(theirs)
            passed.add(b.name)
            if b.name not in back:
                yield Pair(None, b)
        yield Pair(a, second.nodes[image])
    yield from (Pair(None, b) for b in theirs if b.name not in back)


def _moved(pairs: tuple[Pair, ...]) -> dict[str, str]:
    """Return the layers that one network has here and the other a little further up or down."""
    mine = [(place, pair.a) for place, pair in enumerate(pairs) if pair.a and not pair.b]
    theirs = [(place, pair.b) for place, pair in enumerate(pairs) if pair.b and not pair.a]
    found: dict[str, str] = {}
    for place, a in mine:
        near = [(abs(at - place), b.name) for at, b in _free(theirs, found) if a.op == b.op and abs(at - place) <= _NEAR]
        if near:
            found[a.name] = min(near)[1]
    return found


def _free(nodes: Iterable[tuple[int, Node]], found: _Found) -> Iterator[tuple[int, Node]]:
    taken = set(found.values())
    return ((place, node) for place, node in nodes if node.name not in taken)

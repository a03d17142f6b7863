"""What layers are called: one rule, which the lifting applies and on which whoever writes source relies.

A layer that is a module of its own (nn.Conv2d, nn.ReLU) is called by its path. Everything else is glue: what a container's
forward does by itself, such as ``F.relu(x)`` or ``x + y``. Glue of a scope P is called "P.<prefix>", or "P.<prefix>1",
"P.<prefix>2", … if P has several of that prefix; glue of the network itself is always numbered. Numbers skip names that are
taken. If nothing else happens in P, the glue is called "P": a module that does one thing is a layer in all but its type.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from unicnn.graph import Graph


@dataclass(frozen=True)
class Occurrence:
    """Be one layer in the order of execution, before it has a name.

    `scope` is the path of the module in which it happened, "" for the network; `prefix` its op's; `own` the name that it brings
    along, or None if it is glue.
    """

    scope: str
    prefix: str
    own: str | None = None


def names(layers: Sequence[Occurrence], taken: Iterable[str] = ()) -> list[str]:
    """Return the name of each layer; `taken` are names of other things, such as inputs.

    An own name stays as it is, unless it occurs several times because a module is called again: then it is numbered, too.
    """
    own = Counter(layer.own for layer in layers if layer.own is not None)
    given = set(taken) | {name for name, count in own.items() if count == 1}
    population = Counter(path for layer in layers for path in _ancestry(layer.own or layer.scope))
    wanted = [_wanted(layer, population) for layer in layers]
    free = Counter(name for layer, name in zip(layers, wanted, strict=True) if layer.own is None or own[layer.own] > 1)
    counters = {name: itertools.count(1) for name in free}
    result = []
    for layer, name in zip(layers, wanted, strict=True):
        if layer.own is None or own[layer.own] > 1:
            if free[name] > 1 or name in given or not (layer.own or layer.scope):
                name = next(numbered for i in counters[name] if (numbered := f"{name}{i}") not in given)
            given.add(name)
        result.append(name)
    return result


def _wanted(layer: Occurrence, population: Counter[str]) -> str:
    if layer.own is not None:
        return layer.own
    if not layer.scope:
        return layer.prefix
    return layer.scope if population[layer.scope] == 1 else f"{layer.scope}.{layer.prefix}"


def _ancestry(path: str) -> Iterator[str]:
    """Yield a path and every path that contains it."""
    while path:
        yield path
        path = path.rpartition(".")[0]


def scope_of(name: str) -> str:
    """Return the path of the module that holds a layer: "stage1.block1" of "stage1.block1.relu", "" of "relu1"."""
    return name.rpartition(".")[0]


def functional(graph: Graph, expressible: Collection[str]) -> frozenset[str]:
    """Return the largest set of the layers `expressible` that may be written as function calls, because the rule calls them as they are called.

    Whatever must be a module instead has a name of its own, which numbers of the others skip.
    """
    taken = {name for name, _ in graph.model.inputs}
    every = taken | {node.name for node in graph.nodes}
    groups: dict[tuple[str, str], list[str]] = {}
    for node in graph.nodes:
        if node.name in expressible:
            groups.setdefault((scope_of(node.name), node.op.prefix), []).append(node.name)
    glue = frozenset(name for (scope, prefix), group in groups.items() for name in _given_back(scope, prefix, group, every))
    while True:
        occurrences = [Occurrence(scope_of(n.name), n.op.prefix, None if n.name in glue else n.name) for n in graph.nodes]
        kept = frozenset(
            n.name for n, name in zip(graph.nodes, names(occurrences, taken), strict=True) if n.name in glue and n.name == name
        )
        if kept == glue:
            return glue
        glue = kept


def _given_back(scope: str, prefix: str, group: Sequence[str], every: Collection[str]) -> list[str]:
    """Return the most layers of one prefix in one scope that the rule gives their names back.

    Those without a number are one; those with numbers rise in order, and each smaller number is somebody's name.
    """
    plain = f"{scope}.{prefix}" if scope else prefix
    last = next(i for i in itertools.count(1) if f"{plain}{i}" not in every) - 1
    places = {f"{plain}{i}": i for i in range(1, last + 1)}
    rising = _longest_rising([places[name] for name in group if name in places])
    alone = [plain] if scope and plain in group else []
    if len(rising) > 1 or (rising and (not scope or (plain in every and not alone))):
        return [f"{plain}{i}" for i in rising]
    return alone


def _longest_rising(numbers: Sequence[int]) -> list[int]:
    """Return the longest subsequence that rises; of several, the first."""
    best: list[list[int]] = []
    for number in numbers:
        before = max((found for found in best if found[-1] < number), key=len, default=[])
        best.append([*before, number])
    return max(best, key=len, default=[])

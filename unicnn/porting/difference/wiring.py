"""How matched layers are joined in two networks, with the layers that only one of them has looked through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from unicnn.graph import Graph
from unicnn.porting.difference.matching import OUTPUT, Matching, readers


@dataclass(frozen=True)
class Join:
    """Be one operand of a matched layer in both networks: where it comes from at last, in the first network's names, and through what."""

    source_a: str
    source_b: str
    root_a: str
    root_b: str
    chain_a: tuple[str, ...]
    chain_b: tuple[str, ...]


class Wiring:
    """Answer where the operands of matched layers come from."""

    def __init__(self, matching: Matching) -> None:
        self.matching = matching
        self.a = _Net(matching.a, set(matching.to_b))
        self.b = _Net(matching.b, set(matching.to_a))
        self.through_a = self._through(self.a, self.b, matching.to_b)
        self.through_b = self._through(self.b, self.a, matching.to_a)

    def joins(self, name: str) -> tuple[Join, ...] | None:
        """Return the operands of the matched layer `name` of the first network, or of the outputs; None if their number differs."""
        mine = self.a.sources(name)
        theirs = self.b.sources(OUTPUT if name == OUTPUT else self.matching.to_b[name])
        if len(mine) != len(theirs):
            return None
        if self.a.unordered(name):
            theirs = self._sorted_like(mine, theirs)
        return tuple(self._join(a, b) for a, b in zip(mine, theirs, strict=True))

    def differs(self, name: str) -> bool:
        """Tell whether a matched layer takes another value in the second network, also if layers of only one of them are looked through."""
        joins = self.joins(name)
        return joins is None or any(join.root_a != join.root_b for join in joins)

    def _join(self, a: str, b: str) -> Join:
        root_a, chain_a = _root(a, self.a, self.through_a)
        root_b, chain_b = _root(b, self.b, self.through_b)
        return Join(a, b, root_a, self.matching.to_a.get(root_b, root_b), chain_a, chain_b)

    def _sorted_like(self, mine: tuple[str, ...], theirs: tuple[str, ...]) -> tuple[str, ...]:
        """Return the operands of an addition in the order of the other network's, as far as they are the same."""
        roots = [_root(source, self.a, self.through_a)[0] for source in mine]
        left = list(theirs)
        found: list[str | None] = []
        for root in roots:
            same = next((b for b in left if self.matching.to_a.get(_root(b, self.b, self.through_b)[0]) == root), None)
            found.append(same)
            if same is not None:
                left.remove(same)
        return tuple(left.pop(0) if item is None else item for item in found)

    def _through(self, net: _Net, other: _Net, names: Mapping[str, str]) -> dict[str, str]:
        """Return, for each layer that only `net` has, the operand that passes if the layer is left out: one that the other network reads there."""
        chosen = {}
        for name in net.only:
            wanted: set[str] = set()
            for reader, _ in net.readers[name]:
                image = OUTPUT if reader == OUTPUT else names.get(reader)
                if image is not None:
                    wanted |= other.roots(other.sources(image))
            sources = net.sources(name)
            mapped = {source: {names.get(root, root) for root in net.roots([source])} for source in sources}
            chosen[name] = next((source for source in sources if mapped[source] & wanted), sources[0])
        return chosen


class _Net:
    """Hold one network and which of its layers have no counterpart."""

    def __init__(self, graph: Graph, matched: set[str]) -> None:
        self.graph, self.nodes = graph, {node.name: node for node in graph.nodes}
        self.only = {node.name for node in graph.nodes if node.name not in matched}
        self.readers = readers(graph)

    def sources(self, name: str) -> tuple[str, ...]:
        return tuple(source for _, source in self.graph.model.outputs) if name == OUTPUT else self.nodes[name].inputs

    def unordered(self, name: str) -> bool:
        return name != OUTPUT and type(self.nodes[name].op).__name__ in ("Add", "Mul")

    def roots(self, names: Iterable[str]) -> set[str]:
        """Return the matched values that reach `names` through layers without counterpart."""
        stack, seen, found = list(names), set[str](), set[str]()
        while stack:
            name = stack.pop()
            if name in self.only and name not in seen:
                seen.add(name)
                stack.extend(self.nodes[name].inputs)
            elif name not in self.only:
                found.add(name)
        return found


def _root(name: str, net: _Net, through: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return the matched value that `name` comes from, and the layers without counterpart on the way, the last first."""
    chain = []
    while name in net.only:
        chain.append(name)
        name = through[name]
    return name, tuple(chain)

"""The tree of modules: which dotted names are modules of their own, which a mere container, and what stands in each in order."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property

from unicnn.errors import UnsupportedError
from unicnn.graph import Graph, Node
from unicnn.porting.naming import scope_of
from unicnn.porting.outline.form import Hints, Spelling

_PLAIN = frozenset({"Functional", "HybridSequential", "List", "Model", "ModuleDict", "ModuleList", "Sequential"})
"""What containers are called in whatever framework."""


@dataclass(frozen=True, eq=False)
class Unit:
    """Be what a scope calls: a layer, or a part that is a scope of its own. `name` is its attribute's path within the scope."""

    name: str
    node: Node | None
    scope: Scope | None
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, eq=False)
class Scope:
    """Be a module of the network: a sequence, which calls its units one after the other, or a class.

    `externals` are the values that it takes from outside, in the order of first use, and `output` the one that it gives; the
    network itself, of path "", has the model's inputs and outputs instead.
    """

    path: str
    units: tuple[Unit, ...]
    externals: tuple[str, ...]
    output: str
    sequence: bool = field(default=False)

    @property
    def listed(self) -> bool:
        """Tell whether it is a class whose members have numbers for names, as those of a list have."""
        return not self.sequence and any(unit.name[:1].isdigit() for unit in self.units)

    @cached_property
    def height(self) -> int:
        """Return how deep the scopes within it are nested."""
        return max((1 + unit.scope.height for unit in self.units if unit.scope is not None), default=0)

    def walk(self) -> Iterable[Scope]:
        """Yield the scopes within it, innermost first, and itself."""
        for unit in self.units:
            if unit.scope is not None:
                yield from unit.scope.walk()
        yield self


def hinted(hints: Hints, spelling: Spelling, path: str) -> str | None:
    """Return the name of the original's class at a path, unless it says no more than that things follow one another."""
    name = hints.classes.get(path)
    return None if name in _PLAIN | spelling.sequences else name


def ancestry(name: str) -> list[str]:
    """Return the scopes around a layer, outermost first: "a" and "a.b" for "a.b.conv"."""
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]


class _Tree:
    def __init__(self, graph: Graph, spelling: Spelling, hints: Hints, sequential: bool) -> None:
        self.graph, self.spelling, self.hints, self.sequential = graph, spelling, hints, sequential
        self.read: dict[str, list[str]] = {}
        for node in graph.nodes:
            for source in node.inputs:
                self.read.setdefault(source, []).append(node.name)
        self.results = {value for _, value in graph.model.outputs}
        self.members: dict[str, list[Node]] = {}
        for node in graph.nodes:
            for path in ancestry(node.name):
                self.members.setdefault(path, []).append(node)
        self.places = {node.name: i for i, node in enumerate(graph.nodes)}
        self.modules = {path for path in self.members if self._is_module(path)}

    def _is_module(self, path: str) -> bool:
        """Tell whether a scope's layers run without a break, and one value leaves them."""
        nodes = self.members[path]
        if path in self.places or self.places[nodes[-1].name] - self.places[nodes[0].name] != len(nodes) - 1:
            return False
        return len(self._leaving(path)) == 1

    def _leaving(self, path: str) -> list[str]:
        inside = {node.name for node in self.members[path]}
        return [name for name in inside if name in self.results or any(reader not in inside for reader in self.read.get(name, []))]

    def scope(self, path: str, nodes: list[Node]) -> Scope:
        """Return the scope of `path`, which holds `nodes`."""
        skip = len(path) + 1 if path else 0
        units: list[Unit] = []
        seen: set[str] = set()
        for node in nodes:
            inner = next((scope for scope in ancestry(node.name) if len(scope) > skip and scope in self.modules), None)
            if inner is None:
                units.append(Unit(node.name[skip:], node, None, node.inputs, node.name))
            elif inner not in seen:
                seen.add(inner)
                child = self.scope(inner, self.members[inner])
                units.append(Unit(inner[skip:], None, child, child.externals, child.output))
        inside = {node.name for node in nodes}
        externals = tuple(dict.fromkeys(source for unit in units for source in unit.inputs if source not in inside))
        output = self._leaving(path)[0] if path else self.graph.model.outputs[0][1]
        return Scope(path, tuple(units), externals, output, self._is_sequence(path, units, externals, output))

    def _is_sequence(self, path: str, units: list[Unit], externals: tuple[str, ...], output: str) -> bool:
        if not _is_chain(units, externals, output) or any(value in self.results for value in self._inner(units)):
            return False
        if any(unit.node is not None and not self.in_sequence(unit.node) for unit in units):
            return False
        wanted = hinted(self.hints, self.spelling, path)
        numbered = any(unit.name[:1].isdigit() for unit in units)
        return numbered or self.sequential or (path != "" and wanted is None)

    def _inner(self, units: list[Unit]) -> list[str]:
        return [unit.output for unit in units[:-1]]

    def in_sequence(self, node: Node) -> bool:
        """Tell whether a layer can stand in a sequence as it is."""
        make = self.spelling.layer(node)
        return make.native and (make.before is not None or self.spelling.call(node).text == "{self}({all})")


def _is_chain(units: list[Unit], externals: Collection[str], output: str) -> bool:
    """Tell whether each unit takes nothing but what the one before gives, and all stand directly in the scope."""
    if len(externals) != 1 or not units or units[-1].output != output:
        return False
    sources = [*externals, *(unit.output for unit in units[:-1])]
    return all(unit.inputs == (source,) and "." not in unit.name for unit, source in zip(units, sources, strict=True))


def tree(graph: Graph, spelling: Spelling, hints: Hints, sequential: bool = False) -> Scope:
    """Return the network as a tree of scopes; `sequential` wants only sequences, and raises UnsupportedError if one is none."""
    found = _Tree(graph, spelling, hints, sequential).scope("", list(graph.nodes))
    if sequential:
        _check_chain(graph, next((scope for scope in found.walk() if not scope.sequence), None))
    return found


def _check_chain(graph: Graph, scope: Scope | None) -> None:
    if scope is None:
        return
    sources = [*scope.externals[:1], *(unit.output for unit in scope.units)]
    broken = next((unit for unit, source in zip(scope.units, sources, strict=False) if unit.inputs != (source,)), scope.units[-1])
    raise UnsupportedError(
        f"{graph.model.name}/{broken.output} cannot stand in a sequence: it does not just take what the layer before it gives, or what it does "
        'has no layer of its own. Leave the style out, or choose style="class", which writes a forward.'
    )


def direct(scope: Scope) -> list[Node]:
    """Return the layers whose own scope this is, so that the naming rule calls glue of the scope as they are called."""
    return [unit.node for unit in scope.units if unit.node is not None and scope_of(unit.node.name) == scope.path]

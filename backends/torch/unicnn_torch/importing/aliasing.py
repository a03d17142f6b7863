"""What is changed in place: who sees the change, and who could see it through another name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import fx


class Aliases:
    """Know which values of a graph share memory; whatever may share it counts as sharing."""

    def __init__(self, graph: fx.Graph) -> None:
        self.place = {node: place for place, node in enumerate(graph.nodes)}
        self.root: dict[fx.Node, fx.Node] = {}
        self.group: dict[fx.Node, list[fx.Node]] = {}
        self.same: dict[fx.Node, fx.Node] = {}
        for node in graph.nodes:
            source = _shared(node)
            self.root[node] = node if source is None else self.root[source]
            self.same[node] = self.same[source] if source is not None and changed(node) is source else node
            self.group.setdefault(self.root[node], []).append(node)

    def origin(self, node: fx.Node) -> fx.Node:
        """Return the value whose memory a value shares."""
        return self.root[node]

    def names(self, node: fx.Node) -> Iterator[fx.Node]:
        """Yield every node that is the very value which `node`, an operation in place, changes."""
        value = changed(node)
        assert value is not None
        yield from (other for other in self.group[self.root[value]] if self.same[other] is self.same[value])

    def onlooker(self, node: fx.Node) -> fx.Node | None:
        """Return a call behind `node` that reads what `node` changes through another view of it, or None."""
        value = changed(node)
        assert value is not None
        for other in self.group[self.root[value]]:
            if self.same[other] is self.same[value] or self.place[other] > self.place[node]:
                continue
            later = [user for user in other.users if self.place[user] > self.place[node]]
            if later:
                return later[0]
        return None


def changed(node: fx.Node) -> fx.Node | None:
    """Return the argument that a call changes in place, or None."""
    for argument, value in _arguments(node):
        if argument.alias_info is not None and argument.alias_info.is_write and isinstance(value, fx.Node):
            return value
    return None


def _shared(node: fx.Node) -> fx.Node | None:
    """Return the argument whose memory the result of a call may share, or None."""
    if node.op != "call_function":
        return None
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        source = node.args[0] if node.args else None  # a part of several results
        return source if isinstance(source, fx.Node) else None
    for argument, value in _arguments(node):
        if isinstance(value, fx.Node) and (argument.alias_info is not None or "dropout" in schema.name):
            return value
    return None


def _arguments(node: fx.Node) -> Iterator[tuple[Any, Any]]:
    schema = getattr(node.target, "_schema", None)
    for place, argument in enumerate(schema.arguments if schema is not None else ()):
        yield argument, node.args[place] if place < len(node.args) else node.kwargs.get(argument.name)

"""The first network with some of the second one's differences applied, and no others."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import TypeAlias

from unicnn.model import Layer, Model
from unicnn.ops.base import Op
from unicnn.porting.difference.matching import OUTPUT
from unicnn.porting.difference.wiring import Join, Wiring

Atom: TypeAlias = tuple[str, str, str]
"""One change: a kind, a layer and, for "field", the field. "field", "op", "drop" and "wire" name a layer of the first network, "add" one of the second."""


def patched(wiring: Wiring, atoms: Collection[Atom]) -> Model:
    """Return the first network with these changes; its own layers keep their names, so that the same weights fit."""
    return _Patch(wiring, frozenset(atoms)).model()


def added_name(wiring: Wiring, name: str) -> str:
    """Return what a layer of the second network alone is called in the patched first one: a moved layer keeps its name there."""
    back = {b: a for a, b in wiring.matching.moved.items()}
    if name in back:
        return back[name]
    taken = wiring.a.graph.shapes
    return name if name not in taken else f"{name}_of_the_other"


class _Patch:
    def __init__(self, wiring: Wiring, atoms: frozenset[Atom]) -> None:
        self.wiring, self.atoms = wiring, atoms
        self.dropped = {name for kind, name, _ in atoms if kind == "drop"}
        self.adding = {name for kind, name, _ in atoms if kind == "add"}
        self.layers: dict[str, Layer] = {}

    def model(self) -> Model:
        graph = self.wiring.a.graph
        for node in graph.nodes:
            if node.name in self.dropped:
                continue
            matched = node.name not in self.wiring.a.only
            inputs = self._inputs(node.name) if matched else tuple(map(self._kept, node.inputs))
            self.layers[node.name] = Layer(node.name, self._op(node.name), inputs)
        keys = [key for key, _ in graph.model.outputs]
        sources = self._inputs(OUTPUT)
        outputs = list(zip(keys, sources, strict=True)) if len(keys) == len(sources) else [(None, source) for source in sources]
        return Model.of(graph.model.inputs, self.layers.values(), outputs, name=graph.model.name)

    def _op(self, name: str) -> Op:
        op = self.wiring.a.nodes[name].op
        if name in self.wiring.a.only:
            return op
        other = self.wiring.b.nodes[self.wiring.matching.to_b[name]].op
        if ("op", name, "") in self.atoms:
            return other
        fields = {field: getattr(other, field) for kind, layer, field in self.atoms if kind == "field" and layer == name}
        return dataclasses.replace(op, **fields) if fields else op  # type: ignore[type-var]

    def _inputs(self, reader: str) -> tuple[str, ...]:
        joins = self.wiring.joins(reader)
        if ("wire", reader, "") in self.atoms:
            image = OUTPUT if reader == OUTPUT else self.wiring.matching.to_b[reader]
            return tuple(self._attached(source, None) for source in self.wiring.b.sources(image))
        if joins is None or any(join.root_a != join.root_b for join in joins):
            return tuple(map(self._kept, self.wiring.a.sources(reader)))
        return tuple(map(self._joined, joins))

    def _joined(self, join: Join) -> str:
        """Return an operand that comes from the same value in both networks: through the first one's layers, then through added ones."""
        bottom = self._kept(join.source_a)
        return self._attached(join.source_b, (join.root_b, bottom)) if self.adding.intersection(join.chain_b) else bottom

    def _kept(self, name: str) -> str:
        """Return a value of the first network, or what passes where its layer is left out."""
        while name in self.dropped:
            name = self.wiring.through_a[name]
        return name

    def _attached(self, name: str, bottom: tuple[str, str] | None) -> str:
        """Return a value of the second network, its layers added where they are wanted and passed where not; `bottom` renames one value."""
        while name in self.wiring.b.only and name not in self.adding:
            name = self.wiring.through_b[name]
        if name not in self.wiring.b.only:
            image = self.wiring.matching.to_a[name]
            return bottom[1] if bottom is not None and bottom[0] == image else image
        made = added_name(self.wiring, name)
        if made not in self.layers:
            node = self.wiring.b.nodes[name]
            self.layers[made] = Layer(made, node.op, tuple(self._attached(source, bottom) for source in node.inputs))
        return made

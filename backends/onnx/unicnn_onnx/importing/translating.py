"""From the nodes of a graph to the calls of a tape."""

from __future__ import annotations

import numpy as np
import onnx

from unicnn.porting.tape import Call, Constant, Operand, Tape
from unicnn_onnx.importing.composed import composed
from unicnn_onnx.importing.nodes import Node, attributes
from unicnn_onnx.importing.numbers import meant
from unicnn_onnx.importing.preparing import Prepared
from unicnn_onnx.importing.rules import words
from unicnn_onnx.importing.scopes import Scope, modules_of, plain, scope_of, settled
from unicnn_onnx.importing.walking import Walk

_STATISTICS = {"BatchNormalization": (3, 4)}
"""Which inputs no training moves by a gradient."""


def translated(graph: Prepared) -> Tape:
    """Return the tape of a graph."""
    return settled(composed(_Translator(graph).tape()))


class _Translator:
    def __init__(self, graph: Prepared) -> None:
        self.graph, self.walk = graph, Walk(graph)
        self.called: dict[str, str] = {name: plain(name) for name, _, _ in graph.inputs}
        self.constants: dict[str, Constant] = {}
        self.calls: list[Call] = []
        self.fixed = {name for node in graph.nodes for name in self._statistics(node[1])}

    def tape(self) -> Tape:
        for place, node in self.graph.nodes:
            if self.walk.visit(place, node):
                self._call(place, node)
        return Tape(
            plain(self.graph.name),
            tuple((self.called[name], shape) for name, shape, _ in self.graph.inputs),
            tuple(self.calls),
            self.constants,
            tuple(self._outputs()),
            {path: kind.rpartition(".")[2] for _, node in self.graph.nodes for path, kind in modules_of(node)},
        )

    def _call(self, place: int, node: onnx.NodeProto) -> None:
        scope = self._scope(node)
        where = self.walk.where(place, node)
        seen = self._node(node)
        for word in words(seen) if self.walk.floating(node.output[0]) else seen.foreign("a result that is not float or double"):
            self.calls.append(Call(word.op, word.name, word.inputs, word.shape, word.attributes, scope.path, scope.own, where))

    def _scope(self, node: onnx.NodeProto) -> Scope:
        return scope_of(node, [name for name in node.input if name in self.walk.fixed and name not in self.walk.written])

    def _node(self, node: onnx.NodeProto) -> Node:
        fixed, written = self.walk.fixed, self.walk.written
        return Node(
            node,
            self.walk.versions.get("", 0),
            attributes(node),
            self.walk.shape,
            lambda name: fixed[name]() if name in fixed else None,
            lambda name: fixed[name]() if name in written else None,
            self._operand,
        )

    def _operand(self, name: str, number: bool) -> Operand:
        if name not in self.walk.fixed:
            return self.called.get(name, name)
        shape = self.walk.shape(name)
        if number and self.walk.size(name) == 1 and (not shape or name not in self.graph.tensors or "." not in name):
            return meant(float(np.asarray(self.walk.fixed[name]()).reshape(())))
        if name not in self.constants:
            trainable = name not in self.walk.written and name not in self.fixed
            self.constants[name] = Constant(name, shape, self.walk.fixed[name], trainable)
        return name

    def _statistics(self, node: onnx.NodeProto) -> list[str]:
        return [node.input[place] for place in _STATISTICS.get(node.op_type, ()) if place < len(node.input)]

    def _outputs(self) -> list[tuple[str | None, str]]:
        """Return the outputs; a name is a key if an Identity without a name of its own gives it, and otherwise the value's name."""
        makers = {name: node for _, node in self.graph.nodes for name in node.output}
        result: list[tuple[str | None, str]] = []
        for name in self.graph.outputs:
            maker = makers.get(name)
            if maker is None:
                result.append((None, self.called[name]))
            elif maker.op_type == "Identity" and not maker.name:
                result.append((name, str(self._operand(maker.input[0], False))))
            else:
                result.append((None, name))
        return result

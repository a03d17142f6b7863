"""The outline of a network as a class of layers by name."""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from unicnn.graph import Node
from unicnn.ops import Linear
from unicnn.ops.base import Shape
from unicnn.porting.outline import Make, Outline
from unicnn.porting.outline.functional import FunctionWriter
from unicnn.porting.outline.lines import Line, Loop, looped, positional, quoted, written
from unicnn.porting.outline.text import construction, shape_comment, value

METHODS = frozenset({"add", "inputs", "outputs", "keys", "layers", "values", "parameters", "gradients", "backward"})
"""What a network has besides the functions that are written for it."""


class Writer(FunctionWriter):
    """Write a class whose methods are the blocks."""

    def __init__(self, plan: Outline, entry: str) -> None:
        super().__init__(plan, METHODS)
        self.entry = entry

    def spelt(self, line: Line, scope: str) -> str:
        name, inputs = quoted(line.name, scope), ", ".join(line.inputs)
        if not line.callee:
            return inputs
        if not line.part:
            return f"self.add({name}, {_made(line)}, {inputs})"
        first, named = positional(line.arguments)
        return f"self.{line.callee}({', '.join([name, inputs, *first, *named])})"

    def head(self, name: str, inputs: tuple[str, ...], needed: str, options: str) -> str:
        return f"{name}({', '.join(filter(None, ['self', 'name', *inputs, needed, options]))})"

    def layer(self, node: Node, make: Make, name: str, inputs: tuple[str, ...], target: str, shape: Shape | None) -> Iterator[Line]:
        told = node.shape == node.input_shapes[0] or isinstance(node.op, Linear)
        yield Line(target, make.callee, make.arguments, name, inputs, shape=None if told else shape, reason=make.reason)

    def fit(self, line: str) -> str:
        return super().fit(f"    {line}").removeprefix("    ")  # methods stand further to the right

    def source(self) -> str:
        """Return the class."""
        inputs = (value(name) for name, _ in self.graph.model.inputs)
        lines, results = self.network(dict(zip(self.plan.root.inputs, inputs, strict=True)))
        base = "KeyedNetwork" if results[0][0] is not None else "Sequential" if self._is_chain(lines, results) else "Network"
        body = _chain(lines) if base == "Sequential" else self._body(lines, results)
        methods = [["def __init__(self):", *(self.fit(f"    {line}") for line in body)], *(text.split("\n") for text in self.definitions())]
        text = "\n\n".join("\n".join(f"    {line}" for line in method) for method in methods)
        return f"class {self.entry}({base}):\n{text}"

    def _body(self, lines: list[Line], results: Sequence[tuple[str | None, str]]) -> list[str]:
        inputs = ", ".join(value(name) for name, _ in self.graph.model.inputs)
        outputs = ", ".join(name for _, name in results)
        last = [name for _, name in self.graph.model.outputs] == [self.graph.nodes[-1].name]
        if last:
            lines = [*lines[:-1], replace(lines[-1], target="")]
        text = [f"super().__init__({inputs})", *written(lines, lambda line: self.spelt(line, ""))]
        if not last:
            text.append(f"self.outputs = ({outputs}{',' if len(results) == 1 else ''})")
        if results[0][0] is not None:
            text.append(f"self.keys = {value(tuple(key for key, _ in results))}")
        return text

    def _is_chain(self, lines: list[Line], results: Sequence[tuple[str | None, str]]) -> bool:
        """Tell whether all layers follow one another under names that are those of arguments, none by a loop."""
        names = [line.name for line in lines]
        follow = all(line.inputs == (before.target,) for before, line in pairwise(lines)) and len(self.graph.model.inputs) == 1
        plain = all(name.isidentifier() and not keyword.iskeyword(name) for name in names)
        alone = not any(line.part or not line.callee for line in lines) and not any(isinstance(line, Loop) for line in looped(lines))
        return len(lines) > 1 and follow and plain and alone and [name for _, name in self.graph.model.outputs] == [names[-1]]


def _made(line: Line) -> str:
    return construction(Make(line.callee, line.arguments))


def _chain(lines: list[Line]) -> list[str]:
    entries = [f"    {line.name}={_made(line)},{shape_comment(line.shape)}" for line in looped(lines) if isinstance(line, Line)]
    return ["super().__init__(", f"    {lines[0].inputs[0]},", *entries, ")"]

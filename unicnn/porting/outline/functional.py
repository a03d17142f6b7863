"""An outline as functions, for every dialect in which a network is built line by line and layers have names."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from unicnn.graph import Node
from unicnn.ops import Add
from unicnn.ops.base import Shape
from unicnn.porting.outline.form import REQUIRED, Apply, Argument, Definition, Expression, Make, Member, Outline, Statement, Value
from unicnn.porting.outline.lines import Line, Loop, braced, fitted, written
from unicnn.porting.outline.text import parameters
from unicnn.porting.outline.words import snake, unused

SCOPE = "{name}."
"""What stands before every name in a function, whose argument `name` it is."""


class FunctionWriter(ABC):
    """Write the functions of one network; a dialect says how lines and heads are spelt, and which lines a layer becomes."""

    def __init__(self, plan: Outline, taken: Collection[str]) -> None:
        self.plan, self.graph = plan, plan.graph
        self.functions: dict[str, str] = {}
        held = set(taken)
        for definition in plan.definitions:
            name = self._function_name(definition)
            self.functions[definition.name] = unused(f"{name}_block" if name in held else name, held)
            held.add(self.functions[definition.name])

    @abstractmethod
    def spelt(self, line: Line, scope: str) -> str:
        """Return what a line assigns; `scope` is "" in the network itself, and otherwise what stands before the names."""

    @abstractmethod
    def head(self, name: str, inputs: tuple[str, ...], needed: str, options: str) -> str:
        """Return the first line of a function with these inputs, arguments without a default, and arguments with one."""

    @abstractmethod
    def layer(self, node: Node, make: Make, name: str, inputs: tuple[str, ...], target: str, shape: Shape | None) -> Iterator[Line]:
        """Yield the lines of one layer; `shape` is that of its value if it is the same wherever the layer stands."""

    def shown(self, shape: Shape) -> Shape:
        """Return a shape as the dialect orders it."""
        return shape

    def fit(self, line: str) -> str:
        """Return an indented line such that the formatter breaks it well."""
        return fitted(line)

    def definitions(self) -> Iterator[str]:
        """Yield the functions of what stands in several places."""
        for definition in self.plan.definitions:
            needed = parameters(item for item in definition.parameters if item.default is REQUIRED)
            options = parameters(item for item in definition.parameters if item.default is not REQUIRED)
            head = self.head(self.functions[definition.name], definition.inputs, needed, options)
            lines = list(Body(self, definition).lines())
            text = written(lines, lambda line: self.spelt(line, SCOPE), result=lines[-1].target)
            yield "\n".join([f"def {head}:", *(self.fit(f"    {line}") for line in text)])

    def network(self, names: dict[str, str]) -> tuple[list[Line], list[tuple[str | None, str]]]:
        """Return the lines of the network itself, and what holds its outputs, by key.

        `names` says what holds the inputs, by the outline's arguments. The only output is assigned to "outputs", and one of several
        to "output1", "output2" and so on, where it has no variable yet.
        """
        outputs = self.graph.model.outputs
        body = Body(self, self.plan.root)
        lines = [line for line in body.lines() if isinstance(line, Line)]
        results: list[tuple[str | None, str]] = []
        if not self.plan.results:
            lines[-1] = replace(lines[-1], target="outputs")
            results.append((outputs[0][0], lines[-1].target))
        for i, (key, result) in enumerate(self.plan.results, 1):
            if isinstance(result, Value):
                results.append((key, result.name))
                continue
            target = "outputs" if len(outputs) == 1 else f"output{i}"
            more = list(body.expression(result, target))
            lines += _towards(more) if len(outputs) == 1 else more
            results.append((key, target))
        lines, left = _with_inputs(lines, names)
        return lines, [(key, left.get(name, name)) for key, name in results]

    def _function_name(self, definition: Definition) -> str:
        name = snake(definition.name)
        inside = [node for node in self.graph.nodes if node.name.startswith(definition.paths[0] + ".")]
        return f"residual_{name}" if re.fullmatch(r"block\d*", name) and any(isinstance(node.op, Add) for node in inside) else name


def variables(plan: Outline) -> set[str]:
    """Return all names that are local to a function."""
    found = {"i"}
    for definition in (*plan.definitions, plan.root):
        found |= {*definition.inputs, *(item.name for item in definition.parameters)}
        found |= {statement.target for statement in definition.statements if statement.target is not None}
    return found


def _with_inputs(lines: Iterable[Line], renamed: dict[str, str]) -> tuple[list[Line], dict[str, str]]:
    """Return the lines with the inputs called as they are held, up to where a variable gets another value; and what still holds them."""
    names, result = dict(renamed), []
    for line in lines:
        result.append(replace(line, inputs=tuple(names.get(name, name) for name in line.inputs)))
        names.pop(line.target, None)
    return result, names


def _towards(lines: list[Line]) -> list[Line]:
    """Return the lines that lead to the only output: all but the last go on with the variable that they began with."""
    target, variable = lines[-1].target, lines[0].inputs[0]
    first, *rest = [*(replace(line, target=variable) for line in lines[:-1]), lines[-1]]
    return [first, *(replace(line, inputs=tuple(variable if name == target else name for name in line.inputs)) for line in rest)]


class Body:
    """Turn the statements of one definition into lines."""

    def __init__(self, writer: FunctionWriter, definition: Definition) -> None:
        self.writer, self.definition, self.graph = writer, definition, writer.graph

    def lines(self) -> Iterator[Line | Loop]:
        """Yield all lines."""
        if not self.definition.sequence:
            for statement in self.definition.statements:
                yield from self._statement(statement)
            return
        variable = self.definition.inputs[0]
        for member in self.definition.members:
            if member.kind == "loop":
                yield self._loop(member, variable)
            else:
                yield from self._member(member, (variable,), variable, self.definition.paths[0], None)

    def _loop(self, member: Member, variable: str) -> Loop:
        """Return the part of a sequence that instances go round a different number of times."""
        scope = self.definition.paths[0]
        turn = [line for child in member.children for line in self._member(child, (variable,), variable, scope, None)]
        named = tuple(replace(line, name=braced(line.name), shape=None) for line in turn)
        return Loop(named, int(member.name), str(member.repeat), member.carried)

    def _statement(self, statement: Statement) -> Iterator[Line]:
        condition = statement.condition
        if condition is not None and not statement.flag:
            condition = self._find(condition).option
        for line in self.expression(statement.value, statement.target or "x"):
            yield replace(line, condition=condition)

    def expression(self, item: Expression, target: str) -> Iterator[Line]:
        """Yield the lines that compute an expression into a variable."""
        if isinstance(item, Value):
            yield Line(target, "", inputs=(item.name,))
            return
        inputs = []
        for source in item.inputs:
            if isinstance(source, Apply):
                yield from self.expression(source, target)
            inputs.append(source.name if isinstance(source, Value) else target)
        member = self._find(item.target.removeprefix("self"))
        yield from self._member(member, tuple(inputs), target, item.part.rpartition(".")[0] if item.part else "", item.part or None)

    def _member(self, member: Member, inputs: tuple[str, ...], target: str, scope: str, part: str | None) -> Iterator[Line]:
        """Yield the lines of one member; `scope` is the path, in the first instance, of what it stands in."""
        if member.kind == "layer":
            assert member.node is not None
            assert member.make is not None
            yield from self.writer.layer(
                member.node, member.make, self._relative(member.node.name), inputs, target, self._shape(member.node.name)
            )
            return
        path = part or self._child(scope, member.name)
        if member.kind == "sequence":
            for child in member.children:
                yield from self._member(child, inputs, target, path, None)
                inputs = (target,)
            return
        assert member.make is not None
        for i in range(member.repeat if isinstance(member.repeat, int) else 1):
            place = path if i == 0 else _next(path, i)
            callee, name = self.writer.functions[member.make.callee], self._relative(place)
            yield Line(target, callee, _arguments(member, i), name, inputs, part=True, shape=self._shape_of_part(place))
            inputs = (target,)

    def _find(self, target: str) -> Member:
        """Return the member that an attribute holds, within containers by its key."""
        members, parts = self.definition.members, re.findall(r"[^.\[\]\"']+", target)
        for i, part in enumerate(parts):
            found = next(member for member in members if member.name == part)
            if i + 1 == len(parts):
                return found
            members = found.children
        raise AssertionError(target)

    def _child(self, scope: str, attribute: str) -> str:
        """Return the path of a child, whose attribute may have been made safe."""
        prefix = f"{scope}." if scope else ""
        heads = {node.name[len(prefix) :].partition(".")[0] for node in self.graph.nodes if node.name.startswith(prefix)}
        plain = next((head for head in sorted(heads) if head == attribute), None)
        return prefix + (plain or next((head for head in sorted(heads) if head.rstrip("_") == attribute.rstrip("_")), attribute))

    def _relative(self, name: str) -> str:
        """Return a name within the definition: "conv1" of "stage1.block1.conv1"."""
        found = [path for path in self.definition.paths if path and name.startswith(f"{path}.")]
        return name[len(max(found, key=len)) + 1 :] if found else name

    def _names(self, name: str) -> list[str]:
        """Return what a name is in every instance of the definition."""
        relative = self._relative(name)
        return [f"{path}.{relative}" if path else relative for path in self.definition.paths]

    def _shape(self, name: str) -> Shape | None:
        """Return the shape of a layer's output if it is one in all instances."""
        shapes = {self.graph.shapes[name] for name in self._names(name) if name in self.graph.shapes}
        return self.writer.shown(shapes.pop()) if len(shapes) == 1 else None

    def _shape_of_part(self, path: str) -> Shape | None:
        shapes = set()
        for name in self._names(path):
            inside = [node for node in self.graph.nodes if node.name.startswith(f"{name}.")]
            shapes |= {inside[-1].shape} if inside else set()
        return self.writer.shown(shapes.pop()) if len(shapes) == 1 else None


def _arguments(member: Member, turn: int) -> tuple[Argument, ...]:
    """Return the arguments of a part that stands several times; one of them may grow."""
    assert member.make is not None
    name, values = member.series or ("", range(0))
    return tuple(replace(item, value=values[turn]) if item.name == name else item for item in member.make.arguments)


def _next(path: str, i: int) -> str:
    stem = path.rstrip("0123456789")
    return f"{stem}{int(path[len(stem) :]) + i}"

"""From an outline to the functions of a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from unicnn.graph import Graph, Node
from unicnn.ops import Add
from unicnn.ops.base import Shape
from unicnn.porting.outline import Apply, Definition, Expression, Make, Member, Outline, Statement
from unicnn.porting.outline.form import REQUIRED, Value
from unicnn.porting.outline.text import value
from unicnn.porting.outline.words import snake, unused
from unicnn_tensorflow.emitting.layouts import native, shown
from unicnn_tensorflow.emitting.lines import Line, Loop, braced, fitted, merged_conditions, written
from unicnn_tensorflow.emitting.spelling import Spelling


class Writer:
    """Write the functions of one network."""

    def __init__(self, plan: Outline, spelling: Spelling, entry: str) -> None:
        self.plan, self.spelling, self.graph, self.entry = plan, spelling, plan.graph, entry
        self.functions: dict[str, str] = {}
        taken = {entry, *spelling.reserved, *_variables(plan)}
        for definition in plan.definitions:
            name = self._function_name(definition)
            self.functions[definition.name] = unused(f"{name}_block" if name in taken else name, taken)
            taken.add(self.functions[definition.name])

    def _function_name(self, definition: Definition) -> str:
        name = snake(definition.name)
        inside = [node for node in self.graph.nodes if node.name.startswith(definition.paths[0] + ".")]
        return f"residual_{name}" if re.fullmatch(r"block\d*", name) and any(isinstance(node.op, Add) for node in inside) else name

    def definitions(self) -> Iterator[str]:
        """Yield the functions of what stands in several places."""
        for definition in self.plan.definitions:
            yield "\n".join(self._definition(definition))

    def _definition(self, definition: Definition) -> list[str]:
        needed = [item.name for item in definition.parameters if item.default is REQUIRED]
        options = [f"{item.name}={value(item.default)}" for item in definition.parameters if item.default is not REQUIRED]
        head = f"def {self.functions[definition.name]}({', '.join([*definition.inputs, *needed, 'name', *options])}):"
        lines = list(_Body(self, definition).lines())
        text = merged_conditions(written(lines, "{name}.", result=lines[-1].target))
        return [head, *(fitted(f"    {line}") for line in text)]

    def network(self) -> str:
        """Return the function that makes the network."""
        model = self.graph.model
        single = len(model.inputs) == 1
        renamed = {given: "inputs" if single else f"{given}_input" for given in self.plan.root.inputs}
        text = []
        for (name, shape), given in zip(model.inputs, self.plan.root.inputs, strict=True):
            label = "" if single and name == "input" else f", name={value(name)}"
            text.append(f"{renamed[given]} = keras.Input({value(native(shape))}{label})")
        lines = [line for line in _Body(self, self.plan.root).lines() if isinstance(line, Line)]
        results = []
        for i, (key, result) in enumerate(self._results(lines), 1):
            target = "outputs" if len(model.outputs) == 1 else f"output{i}"
            more = list(_Body(self, self.plan.root).expression(result, target)) if isinstance(result, Apply) else []
            lines += _towards(more) if len(model.outputs) == 1 else more
            results.append((key, target if more else result.name if isinstance(result, Value) else target))
        lines, names = _with_inputs(lines, renamed)
        results = [(key, names.get(name, name)) for key, name in results]
        text += written(lines, "")
        inputs = ", ".join(renamed.values())
        text.append(f"return keras.Model({inputs if single else f'[{inputs}]'}, {_outputs(results)}, name={value(model.name)})")
        return "\n".join([f"def {self.entry}():", *(fitted(f"    {line}") for line in text)])

    def _results(self, lines: list[Line]) -> Sequence[tuple[str | None, Expression]]:
        if self.plan.results:
            return self.plan.results
        if len(self.graph.model.outputs) == 1 and lines:
            lines[-1] = replace(lines[-1], target="outputs")
            return [(self.graph.model.outputs[0][0], Value("outputs"))]
        raise AssertionError("a network without results")


def _towards(lines: list[Line]) -> list[Line]:
    """Return the lines that lead to the only output: all but the last go on with the variable that they began with."""
    if len(lines) < 2:
        return lines
    target, variable = lines[-1].target, lines[0].inputs[0]
    first, *rest = [replace(line, target=variable) for line in lines[:-1]] + [lines[-1]]
    return [first, *(replace(line, inputs=tuple(variable if name == target else name for name in line.inputs)) for line in rest)]


def _variables(plan: Outline) -> set[str]:
    """Return all names that are local to a function."""
    found = {"i"}
    for definition in (*plan.definitions, plan.root):
        found |= {*definition.inputs, *(item.name for item in definition.parameters)}
        found |= {statement.target for statement in definition.statements if statement.target is not None}
    return found


def _outputs(results: Sequence[tuple[str | None, str]]) -> str:
    if all(key is not None for key, _ in results):
        return f"{{{', '.join(f'{value(str(key))}: {name}' for key, name in results)}}}"
    return results[0][1] if len(results) == 1 else f"[{', '.join(name for _, name in results)}]"


def _with_inputs(lines: Iterable[Line], renamed: dict[str, str]) -> tuple[list[Line], dict[str, str]]:
    """Return the lines with the inputs called as they were made, up to where a variable gets another value; and what still holds them."""
    names, result = dict(renamed), []
    for line in lines:
        result.append(replace(line, inputs=tuple(names.get(name, name) for name in line.inputs)))
        names.pop(line.target, None)
    return result, names


class _Body:
    """Turn the statements of one definition into lines."""

    def __init__(self, writer: Writer, definition: Definition) -> None:
        self.writer, self.definition = writer, definition
        self.graph: Graph = writer.graph

    def lines(self) -> Iterator[Line | Loop]:
        """Yield all lines."""
        if self.definition.sequence:
            variable = self.definition.inputs[0]
            scope = self.definition.paths[0]
            for member in self.definition.members:
                if member.kind == "loop":
                    yield self._loop(member, variable, scope)
                else:
                    yield from self._member(member, (variable,), variable, scope, None)
            return
        for statement in self.definition.statements:
            yield from self._statement(statement)

    def _loop(self, member: Member, variable: str, scope: str) -> Loop:
        """Return the part of a sequence that instances go round a different number of times."""
        turn = [line for child in member.children for line in self._member(child, (variable,), variable, scope, None)]
        named = tuple(replace(line, name=braced(line.name), shape=None) for line in turn)
        return Loop(named, int(member.name), str(member.repeat))

    def _statement(self, statement: Statement) -> Iterator[Line]:
        condition = None
        if statement.condition is not None:
            condition = self._find(statement.condition).option
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
        member = self._find(item.target.removeprefix("self."))
        yield from self._member(member, tuple(inputs), target, item.part.rpartition(".")[0] if item.part else "", item.part or None)

    def _member(self, member: Member, inputs: tuple[str, ...], target: str, scope: str, part: str | None) -> Iterator[Line]:
        """Yield the lines of one member; `scope` is the path, in the first instance, of what it stands in."""
        if member.kind == "layer":
            assert member.node is not None
            assert member.make is not None
            yield from self._layer(member.node, member.make, inputs, target)
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
            make = member.make
            name = self._relative(place)
            yield Line(target, self.writer.functions[make.callee], make.arguments, name, inputs, False, True, self._shape_of_part(place))
            inputs = (target,)

    def _layer(self, node: Node, make: Make, inputs: tuple[str, ...], target: str) -> Iterator[Line]:
        steps, name = self.writer.spelling.steps(node), self.writer.spelling.label(node.name) and self._relative(node.name)
        for extra in steps.before:
            yield Line(target, extra.make.callee, extra.make.arguments, f"{name}_{extra.suffix}", inputs, reason=extra.reason)
            inputs = (target,)
        shape = self._shape(node)
        shapes = [None] * len(steps.after) + [shape]
        listed = node.op.inputs is None
        yield Line(target, make.callee, make.arguments, name, inputs, listed, shape=shapes.pop(0), reason=steps.reason)
        for extra in steps.after:
            label = f"{name}_{extra.suffix}"
            yield Line(target, extra.make.callee, extra.make.arguments, label, (target,), shape=shapes.pop(0), reason=extra.reason)

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

    def _shape(self, node: Node) -> Shape | None:
        """Return the shape of a layer's output if it is another than its input's, and one in all instances."""
        shapes = {self.graph.shapes[name] for name in self._names(node.name) if name in self.graph.shapes}
        return shown(node) if len(shapes) == 1 else None

    def _shape_of_part(self, path: str) -> Shape | None:
        shapes = set()
        for name in self._names(path):
            inside = [node for node in self.graph.nodes if node.name.startswith(f"{name}.")]
            shapes |= {inside[-1].shape} if inside else set()
        return shapes.pop() if len(shapes) == 1 else None


def _next(path: str, i: int) -> str:
    stem = path.rstrip("0123456789")
    return f"{stem}{int(path[len(stem) :]) + i}"

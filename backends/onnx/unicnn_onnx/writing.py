"""From an outline to text: a function for each block, whose statements add one node each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from unicnn.graph import Node
from unicnn.porting.outline import Apply, Definition, Expression, Make, Member, Outline, Parameter, Statement, Value
from unicnn.porting.outline.text import arguments, parameters, shape_comment, value
from unicnn.porting.outline.words import identifier, snake, unused
from unicnn_onnx.methods import METHODS
from unicnn_onnx.spelling import PLAIN, Spelling

_OPERATORS = {*PLAIN.values(), "GlobalAveragePool", "Sum"}


class Writer:
    """Write the functions of a file; `entry` is what the network's own is called."""

    def __init__(self, plan: Outline, entry: str) -> None:
        self.plan, self.entry = plan, entry
        self.functions: dict[str, str] = {}
        taken = {entry, *Spelling.reserved, *METHODS, *_variables(plan)}
        for definition in plan.definitions:
            name = _function(definition)
            name = unused(name if name not in taken or "block" in name else f"{name}_block", taken)
            self.functions[definition.name] = name
            taken.add(name)
        self.graph = plan.graph

    def definitions(self) -> Iterator[str]:
        """Yield the source of each function but the network's."""
        for definition in self.plan.definitions:
            given = ", ".join(["g", "name", *definition.inputs, *_head(definition.parameters)])
            lines = [f"def {self.functions[definition.name]}({given}):", *_indented(self._body(definition))]
            yield "\n".join(lines) + "\n"

    def root(self) -> Iterator[str]:
        """Yield the lines that build the network."""
        root, model = self.plan.root, self.graph.model
        for argument, (name, shape) in zip(root.inputs, model.inputs, strict=True):
            yield f"{argument} = g.input({', '.join([value(name), *map(str, shape)])})"
        if root.sequence:
            (x,) = root.inputs
            yield from self._sequence(root.members, "", (x, x), root)
            results = [(key, root.inputs[0]) for key, _ in model.outputs]
        else:
            members = dict(_paths(root.members))
            for statement in root.statements:
                yield from self._statement(statement, members, root)
            results = []
            for place, (key, expression) in enumerate(self.plan.results):
                target = expression.name if isinstance(expression, Value) else "x" if len(self.plan.results) == 1 else f"output{place + 1}"
                if isinstance(expression, Apply):
                    yield from self._assigned(Statement(target, expression), members, root)
                results.append((key, target))
        for (key, source), (_, target) in zip(model.outputs, results, strict=True):
            name = "" if key is None else f", name={value(key)}"
            yield f"g.output({', '.join([target, *map(str, self.graph.shapes[source])])}{name})"

    def _body(self, definition: Definition) -> Iterator[str]:
        if definition.sequence:
            (x,) = definition.inputs
            yield from _returned(list(self._sequence(definition.members, "", (x, x), definition)), x)
            return
        members = dict(_paths(definition.members))
        for statement in definition.statements:
            yield from self._statement(statement, members, definition)

    def _statement(self, statement: Statement, members: dict[str, Member], definition: Definition) -> Iterator[str]:
        yield from (f"# {reason}" for reason in statement.reasons)
        made = list(self._assigned(statement, members, definition))
        if statement.condition is None:
            yield from made
            return
        yield f"if {members[statement.condition].option}:"
        yield from _indented(made)

    def _assigned(self, statement: Statement, members: dict[str, Member], definition: Definition) -> Iterator[str]:
        expression, target = statement.value, statement.target
        inner = expression.inputs[0] if isinstance(expression, Apply) and len(expression.inputs) == 1 else None
        if isinstance(inner, Apply) and target is not None:  # layers in a row that may be absent
            yield from self._assigned(replace(statement, value=inner, shape=None), members, definition)
            assert isinstance(expression, Apply)
            yield from self._assigned(replace(statement, value=replace(expression, inputs=(Value(target),))), members, definition)
            return
        member = members.get(_path(expression.target)) if isinstance(expression, Apply) else None
        if member is not None and member.kind == "sequence" and isinstance(expression, Apply):
            source = self._text(expression.inputs[0])
            variable = target or source
            prefix = f"{self._relative(expression, definition)}."
            lines = list(self._sequence(member.children, prefix, (source, variable), definition))
            yield from lines if target is not None else _returned(lines, variable)
            return
        made = self._call(expression, members, definition) if isinstance(expression, Apply) else self._text(expression)
        node = expression.node if isinstance(expression, Apply) else None
        shape = "" if statement.shape is None or (node is not None and not _told(node)) else shape_comment(statement.shape)
        yield f"{'return' if target is None else f'{target} ='} {made}{shape}"

    def _text(self, expression: Expression) -> str:
        assert isinstance(expression, Value), "every layer is a statement"
        return expression.name

    def _call(self, expression: Apply, members: dict[str, Member], definition: Definition) -> str:
        make = members[_path(expression.target)].make
        assert make is not None
        return self.made(make, _named(self._relative(expression, definition), definition), [self._text(item) for item in expression.inputs])

    def made(self, make: Make, name: str, inputs: Sequence[str]) -> str:
        """Return the call that adds a layer or a block under a name, an expression of its own."""
        rest = [name, *inputs, *arguments(make)]
        if make.callee in self.functions:
            return f"{self.functions[make.callee]}({', '.join(['g', *rest])})"
        if make.callee in _OPERATORS:
            return f"g.node({', '.join([value(make.callee), *rest])})"
        return f"{make.callee}({', '.join(rest)})"

    def _relative(self, expression: Apply, definition: Definition) -> str:
        """Return the name of a layer or a part within its block."""
        path = expression.node.name if expression.node is not None else expression.part
        prefix = next((f"{item}." for item in definition.paths if item and path.startswith(f"{item}.")), "")
        return path[len(prefix) :]

    def _sequence(self, members: Sequence[Member], prefix: str, names: tuple[str, str], definition: Definition) -> Iterator[str]:
        """Yield the statements that apply entries one after the other: the first to one variable, all giving another."""
        source, x = names
        for member in members:
            if member.kind == "sequence":
                yield from self._sequence(member.children, f"{prefix}{member.name}.", (source, x), definition)
            elif member.kind == "loop" or member.repeat != 1:
                if source != x:
                    yield f"{x} = {source}"
                yield from self._repeated(member, prefix, x, definition)
            else:
                name = prefix + (member.name if member.node is None else member.node.name.rpartition(".")[2])
                once = len(definition.paths) == 1 and member.node is not None
                shape = _told(member.node) if once and member.node is not None else ""
                yield f"{x} = {self._entry(member, _named(name, definition), source)}{shape}"
            source = x

    def _repeated(self, member: Member, prefix: str, x: str, definition: Definition) -> Iterator[str]:
        children = member.children if member.kind == "loop" else (member,)
        yield f"for i in {_range(int(member.name) if member.kind == 'loop' else _split(member.name)[1], member.repeat)}:"
        for child in children:
            yield f"    {x} = {self._entry(child, _named(prefix + _split(child.name)[0], definition, number=True), x)}"
        yield from (f"    {inner} = {outer}" for inner, outer in member.carried)

    def _entry(self, member: Member, name: str, x: str) -> str:
        assert member.make is not None
        return self.made(member.make, name, [x])


def _returned(lines: list[str], x: str) -> list[str]:
    """Return statements that give `x` back, the last one directly if it stands alone."""
    assigned = f"{x} = "
    if lines[-1].startswith(assigned):
        return [*lines[:-1], f"return {lines[-1].removeprefix(assigned)}"]
    return [*lines, f"return {x}"]


def _told(node: Node) -> str:
    """Return the shape as a comment where it is another than before."""
    return "" if node.shape in node.input_shapes else shape_comment(node.shape)


def _function(definition: Definition) -> str:
    """Return what a block's function is called: by its class, or by where it stands if that is a mere Sequential."""
    name = snake(definition.name)
    place = definition.paths[0].rpartition(".")[2].rstrip("0123456789_")
    return f"{snake(identifier(place))}_block" if name.rstrip("0123456789") == "sequential" and place else name


def _variables(plan: Outline) -> set[str]:
    """Return the names of all variables and arguments, which would hide a function."""
    found = {f"output{place + 1}" for place in range(len(plan.results))}
    for definition in (plan.root, *plan.definitions):
        found |= {*definition.inputs, *(item.name for item in definition.parameters)}
        found |= {statement.target for statement in definition.statements if statement.target is not None}
    return found


def _head(items: Sequence[Parameter]) -> list[str]:
    return [parameters([item]) for item in items]


def _range(first: int, count: object) -> str:
    if isinstance(count, int):
        return f"range({first}, {first + count})" if first else f"range({count})"
    return f"range({first}, {count!r} + {first})" if first else f"range({count!r})"


def _split(name: str) -> tuple[str, int]:
    stem = name.rstrip("0123456789")
    return stem, int(name[len(stem) :])


def _named(name: str, definition: Definition, *, number: bool = False) -> str:
    """Return the expression of a name within a function, whose argument `name` is the block's."""
    inside = any(definition.paths)
    text = f"{'{name}.' if inside else ''}{name}{'{i}' if number else ''}"
    return f'f"{text}"' if inside or number else value(name)


def _path(target: str) -> str:
    """Return the path of an attribute: "branch1.conv" of ``self.branch1["conv"]``."""
    return ".".join(re.findall(r'[^.\[\]"]+', target.removeprefix("self")))


def _paths(members: Sequence[Member], prefix: str = "") -> Iterator[tuple[str, Member]]:
    for member in members:
        yield prefix + member.name, member
        if member.kind == "container":
            yield from _paths(member.children, f"{prefix}{member.name}.")


def _indented(lines: Iterator[str] | list[str]) -> list[str]:
    return [f"    {line}" for line in lines]

"""From the tree of modules to the outline: groups become definitions, and everything else is written in place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from unicnn.graph import Graph
from unicnn.porting import naming
from unicnn.porting.outline.form import (
    Definition,
    Expression,
    Hints,
    Make,
    Member,
    Outline,
    Spelling,
    Statement,
    Template,
)
from unicnn.porting.outline.likeness import Group, Sorter, optional_runs
from unicnn.porting.outline.parameters import Parameters
from unicnn.porting.outline.runs import in_series, repeated
from unicnn.porting.outline.tree import Scope, Unit, direct, tree
from unicnn.porting.outline.weaving import Weaver
from unicnn.porting.outline.words import class_name, identifier, safe, snake, unused


def outline(graph: Graph, spelling: Spelling, hints: Hints | None = None, *, sequential: bool = False) -> Outline:
    """Return the outline of a network; `sequential` wants it as one sequence, and raises UnsupportedError if it is no chain."""
    return _Builder(graph, spelling, hints or Hints(), sequential).outline()


class _Builder:
    def __init__(self, graph: Graph, spelling: Spelling, hints: Hints, sequential: bool) -> None:
        self.graph, self.spelling, self.entry = graph, spelling, safe(class_name(graph.model.name), spelling.reserved)
        self.nested: bool = getattr(spelling, "nested", True)
        self.tree = tree(graph, spelling, hints, sequential)
        places = [node for scope in self.tree.walk() if not scope.sequence for node in direct(scope)]
        self.functions = naming.functional(graph, {node.name for node in places if spelling.function(node) is not None})
        self.sorter = Sorter(self.tree, self.functions, spelling, hints)
        self.parameters: dict[Group, Parameters] = {}
        self.attributes: dict[Scope, dict[str, str]] = {}
        self.made: dict[Scope, Make] = {}
        self.shared: list[Group] = []

    def outline(self) -> Outline:
        taken = {self.entry}
        for group in self.sorter.groups:
            self._prepare(group, taken)
        definitions = tuple(self._definition(group) for group in self.shared)
        root, results = self._root()
        return Outline(self.graph, root, definitions, results, self.functions, dict(self._renamed(self.tree, "", "")))

    def _prepare(self, group: Group, taken: set[str]) -> None:
        """Find the parameters of a group, and whether it is a definition or written in place."""
        makes = [self._makes(instance) for instance in group.instances]
        loop = group.loop(self.spelling)
        self.parameters[group] = Parameters(group, makes, self.spelling.reserved, loop)
        for instance in group.instances:
            self.attributes[instance] = self._attributes(group.template)
        if group.template.sequence and loop is None and not self._worthwhile(group):
            return
        name = snake(group.name) if group.template.sequence else group.name
        group.name = unused(safe(name, self.spelling.reserved), taken)
        taken.add(group.name)
        self.shared.append(group)
        for i, instance in enumerate(group.instances):
            self.made[instance] = Make(group.name, self.parameters[group].arguments(i))

    def _makes(self, scope: Scope, prefix: str = "") -> dict[str, Make]:
        """Return what a scope's modules are made with, by name, entries of sequences written in place among them."""
        found: dict[str, Make] = {}
        for unit in scope.units:
            if unit.scope is not None and unit.scope not in self.made:
                found |= self._makes(unit.scope, f"{prefix}{unit.name}.")
            elif unit.scope is not None or (unit.node is not None and unit.node.name not in self.functions):
                found[prefix + unit.name] = self._own(unit)
        return found

    def _worthwhile(self, group: Group) -> bool:
        """Tell whether a sequence is worth a function: it stands in several places, where it would take more lines."""
        count, size = self.sorter.places(group), len(group.template.units)
        if self.sorter.named(group):
            return count > 1
        parameters = len(self.parameters[group].parameters)
        around = 2 if is_list([unit.name for unit in group.template.units]) else 4
        return parameters < 2 * count and count * (size + around) > count + size + 4 + parameters

    def _attributes(self, scope: Scope) -> dict[str, str]:
        """Return the attribute of each unit: its name, every part of it made safe and unlike its neighbours'."""
        given: dict[tuple[str, bool], str] = {}
        taken: dict[str, set[str]] = {}
        result = {}
        for unit in scope.units:
            parts, written = unit.name.split("."), []
            for i, part in enumerate(parts):
                key = (".".join(parts[: i + 1]), i + 1 == len(parts))
                if key not in given:
                    around = taken.setdefault(".".join(parts[:i]), set())
                    given[key] = unused(self._safe(part, scope.sequence or scope.listed or i > 0), around)
                    around.add(given[key])
                written.append(given[key])
            result[unit.name] = ".".join(written)
        return result

    def _safe(self, part: str, key: bool) -> str:
        """Return a part of a name as an attribute, or as the key of a sequence or a container, which need not be an identifier."""
        return part if key and not part.isidentifier() else identifier(part, self.spelling.reserved)

    def _renamed(self, scope: Scope, old: str, new: str) -> Iterable[tuple[str, str]]:
        for unit in scope.units:
            before, after = f"{old}{unit.name}", f"{new}{self.attributes[scope][unit.name]}"
            if unit.scope is not None:
                yield from self._renamed(unit.scope, f"{before}.", f"{after}.")
            elif before != after and before not in self.functions:
                yield before, after

    def _form(self, scope: Scope, unit: Unit) -> tuple[Template, str]:
        held = [name for other, name in self.attributes[scope].items() if f"{scope.path}.{other}".lstrip(".") not in self.functions]
        target = _target(self.attributes[scope][unit.name], held, scope.listed)
        if unit.node is None:
            return Template("{self}({all})"), target
        if unit.node.name in self.functions:
            found = self.spelling.function(unit.node)
            assert found is not None
            return found, ""
        return self.spelling.call(unit.node), target

    def _definition(self, group: Group) -> Definition:
        template, parameters = group.template, self.parameters[group]
        members = tuple(self._members(template, parameters))
        paths = tuple(instance.path for instance in group.instances)
        if template.sequence:
            return Definition(group.name, True, parameters.parameters, members, ("x",), (), paths)
        members += tuple(self._flags(group))
        inputs = dict(zip(template.externals, _arguments(len(template.externals)), strict=True))
        weaver = Weaver(template.units, lambda unit: self._form(template, unit), inputs, [template.output], nested=self.nested)
        leaders = optional_runs(group)
        (result,) = weaver.weave(leaders, group.passes)
        outputs: list[Mapping[str, str]] = [
            {unit.output: other.output for unit in template.units if (other := group.unit(i, unit))} for i in group.instances
        ]
        statements = self._shaped(weaver, outputs, self._conditions(group, leaders))
        shapes = {self.graph.shapes[instance.output] for instance in group.instances}
        last = Statement(None, result, None, shapes.pop() if len(shapes) == 1 else None, weaver.reasons.pop(template.output, ()))
        arguments = tuple(inputs.values())
        return Definition(group.name, False, parameters.parameters, members, arguments, (*statements, last), paths, template.listed)

    def _conditions(self, group: Group, leaders: Mapping[str, str]) -> dict[str, tuple[str, bool]]:
        """Return what each run of units that may be absent depends on: one of its members, or a flag if it has none."""
        found: dict[str, tuple[str, bool]] = {}
        for name, leader in leaders.items():
            unit = next(unit for unit in group.template.units if unit.name == name)
            if unit.node is None or unit.node.name not in self.functions:
                found.setdefault(leader, (self.attributes[group.template][name], False))
        return {leader: found.get(leader, (self.parameters[group].options[leader][0], True)) for leader in leaders.values()}

    def _flags(self, group: Group) -> list[Member]:
        """Return the arguments that a class keeps, because nothing else tells in its forward whether a function is called."""
        conditions = self._conditions(group, optional_runs(group)).values()
        return [Member(name, "flag", option=name) for name, flag in dict.fromkeys(conditions) if flag]

    def _shaped(self, weaver: Weaver, outputs: list[Mapping[str, str]], conditions: Mapping[str, tuple[str, bool]]) -> list[Statement]:
        """Return the statements with the shape of their value, where it is the same in all instances."""
        result = []
        for statement, value in zip(weaver.statements, weaver.values, strict=True):
            shapes = {self.graph.shapes[names[value]] for names in outputs if value in names}
            shape = shapes.pop() if len(shapes) == 1 and value and statement.condition is None else None
            condition, flag = (None, False) if statement.condition is None else conditions[statement.condition]
            result.append(replace(statement, shape=shape, condition=condition, flag=flag))
        return result

    def _members(self, scope: Scope, parameters: Parameters | None, prefix: str = "") -> list[Member]:
        units = [unit for unit in scope.units if unit.node is None or unit.node.name not in self.functions]
        loop = parameters.loop if parameters is not None and not prefix else None
        if loop is not None and parameters is not None:
            once = [unit for unit in units if unit.name not in loop.later(scope.units)]
            members = [self._member(scope, unit, parameters, prefix) for unit in once]
            stop = loop.start + len(loop.stems)
            carried = parameters.carried(once[loop.start : stop])
            body = Member(str(loop.number), "loop", repeat=parameters.count, children=tuple(members[loop.start : stop]), carried=carried)
            return [*members[: loop.start], body, *members[stop:]]
        members = [self._member(scope, unit, parameters, prefix) for unit in units]
        if not scope.sequence:
            return _contained(members)
        return in_series(repeated(members)) if getattr(self.spelling, "flags", False) else repeated(members)

    def _member(self, scope: Scope, unit: Unit, parameters: Parameters | None, prefix: str) -> Member:
        name, path = self.attributes[scope][unit.name], prefix + unit.name
        option = parameters.options.get(path, (None,))[0] if parameters is not None else None
        if unit.scope is not None and unit.scope not in self.made:
            children = self._members(unit.scope, parameters, f"{path}.")
            return Member(name, "sequence", None, None, option, 1, tuple(children))
        make = self._own(unit) if parameters is None else parameters.make(path)
        return Member(name, "layer" if unit.node is not None else "part", make, unit.node, option)

    def _own(self, unit: Unit) -> Make:
        if unit.scope is not None:
            return self.made[unit.scope]
        assert unit.node is not None
        return self.spelling.layer(unit.node)

    def _root(self) -> tuple[Definition, tuple[tuple[str | None, Expression], ...]]:
        root, model = self.tree, self.graph.model
        self.attributes[root] = self._attributes(root)
        names = argument_names([name for name, _ in model.inputs], self.spelling.reserved)
        members = tuple(self._members(root, None))
        if root.sequence:
            return Definition(self.entry, True, (), members, tuple(names.values()), (), ("",)), ()
        weaver = Weaver(root.units, lambda unit: self._form(root, unit), names, [value for _, value in model.outputs], nested=self.nested)
        results = weaver.weave({})
        outputs: list[Mapping[str, str]] = [{name: name for name in self.graph.shapes}]
        statements = tuple(self._shaped(weaver, outputs, {}))
        keyed = tuple((key, result) for (key, _), result in zip(model.outputs, results, strict=True))
        return Definition(self.entry, False, (), members, tuple(names.values()), statements, ("",), root.listed), keyed


def _target(name: str, names: Collection[str], listed: bool) -> str:
    """Return how an attribute is reached; within a container by its key, or its place if the container is a list."""
    first, *rest = name.split(".")
    path, target = ("", "self") if listed else (f"{first}.", f"self.{first}")
    for part in [first, *rest] if listed else rest:
        plain = is_list({other[len(path) :].partition(".")[0] for other in names if other.startswith(path)})
        target += f"[{part}]" if plain else f'["{part}"]'
        path = f"{path}{part}."
    return target


def is_list(names: Collection[str]) -> bool:
    """Tell whether names are the numbers from 0 on, as in a list."""
    return set(names) == {str(i) for i in range(len(names))}


def _arguments(count: int) -> list[str]:
    return ["x", "y", "z"][:count] if count <= 3 else [f"x{i}" for i in range(1, count + 1)]


def argument_names(inputs: list[str], reserved: frozenset[str]) -> dict[str, str]:
    """Return the arguments of a network's forward: x for the only input called "input", and otherwise what the inputs are called."""
    if inputs == ["input"]:
        return {"input": "x"}
    names: dict[str, str] = {}
    for name in inputs:
        names[name] = unused(identifier(name, reserved), set(names.values()))
    return names


def _contained(members: list[Member]) -> list[Member]:
    """Put members whose names are paths into containers."""
    result: dict[str, Member] = {}
    for member in members:
        head, _, rest = member.name.partition(".")
        if not rest:
            result[head] = member
            continue
        held = result.get(head, Member(head, "container"))
        result[head] = replace(held, children=(*held.children, replace(member, name=rest)))
    return [
        replace(item, children=tuple(_contained(list(item.children)))) if item.kind == "container" else item for item in result.values()
    ]

"""Which modules are alike: the same units with the same wiring, up to hyperparameters and up to parts that only some have."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from unicnn.graph import Node
from unicnn.porting.outline.form import Hints, Spelling
from unicnn.porting.outline.loops import Loop, shared_loop
from unicnn.porting.outline.tree import Scope, Unit, hinted
from unicnn.porting.outline.words import stem

Wiring = dict[str, tuple[Any, ...]]


@dataclass(eq=False)
class Group:
    """Be modules that are alike. `template` is the one that has all units; `name` is what the class is called."""

    name: str
    template: Scope
    instances: list[Scope] = field(default_factory=list)
    passes: dict[str, int] = field(default_factory=dict)
    """Which of its inputs each unit that may be absent passes on where it is."""

    def unit(self, instance: Scope, unit: Unit) -> Unit | None:
        """Return an instance's counterpart of one of the template's units."""
        return next((other for other in instance.units if other.name == unit.name), None)

    def loop(self, spelling: Spelling) -> Loop | None:
        """Return the loop of a sequence that its instances go round a different number of times."""
        smallest = min(self.instances, key=lambda instance: len(instance.units))
        if not self.template.sequence or len(smallest.units) == len(self.template.units):
            return None
        return shared_loop(self.template, smallest, spelling)

    @property
    def optional(self) -> dict[str, tuple[bool, ...]]:
        """Return the units that not every instance has, and which have them."""
        held = [{unit.name for unit in instance.units} for instance in self.instances]
        presence = {unit.name: tuple(unit.name in names for names in held) for unit in self.template.units}
        return {name: flags for name, flags in presence.items() if not all(flags)}


class Sorter:
    """Sort the modules of a network into groups, those within others first."""

    def __init__(self, root: Scope, functions: frozenset[str], spelling: Spelling, hints: Hints) -> None:
        self.functions, self.spelling, self.hints = functions, spelling, hints
        self.everything = list(root.walk())
        self.scopes = [scope for scope in self.everything if scope is not root]
        self.groups: list[Group] = []
        self.group_of: dict[Scope, Group] = {}
        self._waiting: dict[tuple[Any, ...], list[Scope]] = {}
        keys = {scope: self._key(scope) for scope in self.scopes}
        circular = _circular({(keys[scope], keys[unit.scope]) for scope in self.scopes for unit in scope.units if unit.scope is not None})
        self._keys = {scope: (*key, scope.height) if circular else key for scope, key in keys.items()}
        for scope in self.scopes:
            self._waiting.setdefault(self._keys[scope], []).append(scope)
        for key in list(self._waiting):
            self._sort(key)

    def _key(self, scope: Scope) -> tuple[Any, ...]:
        """Return what modules must have in common to be compared at all."""
        return hinted(self.hints, self.spelling, scope.path) or stem(scope.path), scope.sequence

    def places(self, group: Group) -> int:
        """Return in how many places of the source the modules of a group stand, if sequences around them are written in place."""
        wanted = set(group.instances)
        found = {(self.group_of.get(scope), unit.name) for scope in self.everything for unit in scope.units if unit.scope in wanted}
        return sum(self.places(parent) if parent is not None and parent.template.sequence else 1 for parent, _ in found)

    def named(self, group: Group) -> bool:
        """Tell whether the original has a class for a sequence."""
        return hinted(self.hints, self.spelling, group.template.path) is not None

    def _sort(self, key: tuple[Any, ...]) -> None:
        waiting = self._waiting.pop(key, [])
        for scope in waiting:
            for unit in scope.units:
                if unit.scope is not None:
                    self._sort(self._keys[unit.scope])
        found: list[Group] = []
        for scope in sorted(waiting, key=lambda scope: -len(scope.units)):
            group, passes = next(((group, p) for group in found if (p := self._alike(group, scope)) is not None), (None, None))
            if group is None:
                group = Group(key[0], scope)
                found.append(group)
            group.passes |= passes or {}
            group.instances.append(scope)
            self.group_of[scope] = group
        for group in found:
            group.instances.sort(key=self.scopes.index)
        self.groups += sorted(found, key=lambda group: self.scopes.index(group.instances[0]))

    def _alike(self, group: Group, small: Scope) -> dict[str, int] | None:
        """Return which input each unit passes on that `small` lacks, or None if it differs in more than that."""
        full = group.template
        names = {unit.name: unit for unit in small.units}
        extra = [unit for unit in full.units if unit.name not in names]
        if len(names) + len(extra) != len(full.units) or len(small.externals) != len(full.externals):
            return None
        if full.sequence and extra and shared_loop(full, small, self.spelling) is None:
            return None
        if any(self._form(unit) != self._form(names[unit.name]) for unit in full.units if unit.name in names):
            return None
        wanted = _wiring(small, {})
        return next((passes for passes in self._removals(full, extra) if _fits(passes, group) and _wiring(full, passes) == wanted), None)

    def _removals(self, full: Scope, extra: list[Unit]) -> Iterator[dict[str, int]]:
        """Yield the ways in which units may be absent: each passes one of its inputs on."""
        outputs = {unit.output for unit in extra}
        if full.listed and extra:  # a list has no places that are empty
            return
        if not getattr(self.spelling, "flags", False) and (full.output in outputs or any(len(unit.inputs) > 1 for unit in extra)):
            return
        if sum(len(unit.inputs) > 1 for unit in extra) > 2 or any(len(unit.inputs) > 1 and unit.node is None for unit in extra):
            return
        for choice in itertools.product(*(range(len(unit.inputs)) for unit in extra)):
            yield dict(zip((unit.name for unit in extra), choice, strict=True))

    def _form(self, unit: Unit) -> tuple[Any, ...]:
        if unit.scope is not None:
            return "part", self.group_of.get(unit.scope, unit.scope.path)
        assert unit.node is not None
        if unit.name and unit.node.name in self.functions:
            template = self.spelling.function(unit.node)
            return "function", template
        return "layer", *_made(unit.node, self.spelling)


def _circular(edges: set[tuple[Any, Any]]) -> bool:
    """Tell whether modules of one kind contain, through others, modules of the same kind."""
    while True:
        inner = {target for _, target in edges}
        rest = {(source, target) for source, target in edges if source in inner}
        if rest == edges:
            return bool(edges)
        edges = rest


def _made(node: Node, spelling: Spelling) -> tuple[Any, ...]:
    make, call = spelling.layer(node), spelling.call(node)
    before = None if make.before is None else str(make.before)
    return make.callee, tuple(argument.name for argument in make.arguments), before, call, make.reason


def _fits(passes: Mapping[str, int], group: Group) -> bool:
    return all(group.passes.get(name, place) == place for name, place in passes.items())


def _wiring(scope: Scope, without: Mapping[str, int]) -> Wiring:
    """Return what each unit takes: numbers for values from outside, names of units otherwise; units left out pass their input on."""
    sources: dict[str, Any] = {value: i for i, value in enumerate(scope.externals)}
    wiring: Wiring = {}
    for unit in scope.units:
        taken = tuple(sources[value] for value in unit.inputs)
        if unit.name in without:
            sources[unit.output] = taken[without[unit.name]]
        else:
            sources[unit.output] = unit.name
            wiring[unit.name] = taken
    wiring[""] = (sources[scope.output], tuple(wiring))
    return wiring


def optional_runs(group: Group) -> Mapping[str, str]:
    """Return the units that may be absent, each with the first of those that stand or fall with it and follow one another."""
    optional = group.optional
    leaders: dict[str, str] = {}
    readers = Counter(source for unit in group.template.units for source in unit.inputs)
    previous: Unit | None = None
    for unit in group.template.units:
        if unit.name not in optional:
            previous = None
            continue
        follows = previous is not None and unit.inputs == (previous.output,) and readers[previous.output] == 1
        together = follows and previous is not None and optional[previous.name] == optional[unit.name]
        leaders[unit.name] = leaders[previous.name] if together and previous is not None else unit.name
        previous = unit
    return leaders

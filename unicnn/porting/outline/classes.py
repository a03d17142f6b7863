"""An outline as Python classes with a forward, for every dialect that is written so."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

from unicnn.ops.base import Shape
from unicnn.porting.outline.building import is_list
from unicnn.porting.outline.form import Code, Definition, Make, Member, Outline, Statement
from unicnn.porting.outline.loops import split_number
from unicnn.porting.outline.text import comment, construction, parameters, shape_comment, text


class Writer(ABC):
    """Write definitions and the network; a dialect says what its base class, its forward, its sequences and its containers look like."""

    base: ClassVar[str]
    """The class from which blocks inherit: "nn.Module"."""
    forward: ClassVar[str]
    """The head of what a block computes, "{inputs}" for its arguments: "forward(self, {inputs})"."""

    @abstractmethod
    def sequence(self, members: Sequence[Member]) -> str:
        """Return entries that follow one another as one expression."""

    @abstractmethod
    def inherited(self, name: str, members: Sequence[Member]) -> list[str]:
        """Return the lines of a class that is such a sequence."""

    @abstractmethod
    def listed(self, members: Sequence[Member]) -> tuple[str, str]:
        """Return the class that holds members under numbers or other keys, and its constructor's argument."""

    def container(self, member: Member) -> str:
        """Return a mere container of members that the block calls itself."""
        base, held = self.listed(member.children)
        return f"{base}({held})"

    def definition(self, item: Definition) -> str:
        """Return the source of a class, or of a function that returns a sequence."""
        if item.sequence:
            return "\n".join([f"def {item.name}({parameters(item.parameters)}):", *indented(self.body(item.members))])
        head = ", ".join(filter(None, ["self", parameters(item.parameters)]))
        return "\n".join([*self._init(item, head), "", *self._forward(item, statements(item.statements))])

    def network(self, outline: Outline) -> str:
        """Return the source of the network's own class."""
        root = outline.root
        if root.sequence:
            return "\n".join(self.inherited(root.name, root.members))
        return "\n".join([*self._init(root, "self"), "", *self._forward(root, [*statements(root.statements), *results(outline)])])

    def body(self, members: Sequence[Member]) -> Iterable[str]:
        """Return the lines of a function that returns a sequence."""
        return [f"return {self.sequence(members)}"]

    def _init(self, item: Definition, head: str) -> list[str]:
        if item.listed:
            flags = [member for member in item.members if member.kind == "flag"]
            base, held = self.listed([member for member in item.members if member.kind != "flag"])
            lines = [f"super().__init__({held})", *(line for member in flags for line in self._attribute(member))]
            return [f"class {item.name}({base}):", f"    def __init__({head}):", *indented(lines, 8)]
        lines = ["super().__init__()", *(line for member in item.members for line in self._attribute(member))]
        return [f"class {item.name}({self.base}):", f"    def __init__({head}):", *indented(lines, 8)]

    def _forward(self, item: Definition, lines: Iterable[str]) -> list[str]:
        return [f"    def {self.forward.format(inputs=', '.join(item.inputs))}:", *indented(lines, 8)]

    def _attribute(self, member: Member) -> Iterator[str]:
        if member.kind == "flag":
            yield f"self.{member.name} = {member.option}"
            return
        if member.make is not None and member.make.before is None:
            yield from comment(member.make.reason)
        absent = f" if {member.option} else None" if member.option else ""
        yield f"self.{member.name} = {self.made(member)}{absent}"

    def made(self, member: Member) -> str:
        """Return the construction of a member, which may be a sequence or a container written in place."""
        if member.kind == "sequence":
            return self.sequence(member.children)
        if member.kind == "container":
            return self.container(member)
        assert member.make is not None
        return construction(member.make)

    def entry(self, member: Member) -> str:
        """Return an entry of a sequence, or entries that stand several times, by their place."""
        return self.commented(member) if member.repeat == 1 else "*[{} for {}]".format(*self.repeated(member))

    def comprehension(self, member: Member) -> str:
        """Return the names and constructions of an entry that stands several times, as they stand in a dict's braces."""
        (stem, start), (made, loop) = split_number(member.name), self.repeated(member)
        assert start is not None
        if member.series is None:
            return f'f"{stem}{{i}}": {made} for i in range({start}, {start + member.repeat})'
        name, values = loop.split(" in ")
        return f'f"{stem}{{i}}": {made} for i, {name} in enumerate({values}, {start})'

    def repeated(self, member: Member) -> tuple[str, str]:
        """Return the construction of an entry that stands several times, and the loop over them: ``_ in range(3)``."""
        assert member.make is not None
        if member.series is None:
            return self.made(member), f"_ in range({member.repeat})"
        name, values = member.series
        given = tuple(replace(item, value=Code(name)) if item.name == name else item for item in member.make.arguments)
        steps = f"{values.start}, {values.stop}, {values.step}"
        return self.made(replace(member, make=replace(member.make, arguments=given))), f"{name} in range({steps})"

    def commented(self, member: Member) -> str:
        """Return an entry's construction for a place in a list, a comment above it if there is a reason."""
        return self.explained(member, self.made(member))

    def explained(self, member: Member, entry: str) -> str:
        """Return an entry with the comment above it that it needs."""
        reason = member.make.reason if member.make is not None and member.make.before is None else ""
        return "\n".join([*comment(reason, 52), entry])


class StepWriter(Writer):
    """Build a sequence step by step where a part is repeated a different number of times."""

    building: ClassVar[tuple[str, str]]
    """The statement that begins such a sequence, and the expression of the finished one."""

    @abstractmethod
    def kept(self, key: str, made: str) -> str:
        """Return the statement that puts what is made into the sequence, under the source of its name."""

    def body(self, members: Sequence[Member]) -> Iterable[str]:
        """Return the lines of a function that returns a sequence."""
        return self._built(members) if any(member.kind == "loop" for member in members) else super().body(members)

    def _built(self, members: Sequence[Member]) -> Iterator[str]:
        first, whole = self.building
        yield first
        for member in members:
            if member.kind != "loop":
                yield self.kept(f'"{member.name}"', self.made(member))
                continue
            start = int(member.name)
            stop = f"{member.repeat} + {start}" if isinstance(member.repeat, Code) else start + int(member.repeat)
            yield f"for i in range({start}, {stop}):"
            named = [(f'f"{split_number(child.name)[0]}{{i}}"', self.made(child)) for child in member.children]
            yield from indented(self.kept(key, made) for key, made in named)
            yield from indented(f"{inner} = {outer}" for inner, outer in member.carried)
        yield f"return {whole}"


def with_borders(members: Iterable[Member]) -> list[Member]:
    """Return the entries of a sequence, before each what must come before it."""
    entries = []
    for member in members:
        if member.make is not None and member.make.before is not None:
            suffix, make = member.make.before
            entries.append(Member(f"{member.name}_{suffix}", "layer", Make(make.callee, make.arguments, reason=member.make.reason)))
        entries.append(member)
    return entries


def names_of(members: Iterable[Member]) -> list[str]:
    """Return the names under which entries stand in a sequence."""
    return [name for member in members for name in _names(member)]


def _names(member: Member) -> list[str]:
    if member.repeat == 1:
        return [member.name]
    stem, start = split_number(member.name)
    assert start is not None
    return [f"{stem}{start + i}" for i in range(member.repeat)]


def numbered(members: Sequence[Member]) -> bool:
    """Tell whether entries are called by their place, so that they need no names."""
    names = names_of(members)
    return is_list(names) and names == sorted(names, key=int)


def by_place(members: Iterable[Member]) -> list[Member]:
    """Return the members of a list in order."""
    return sorted(members, key=lambda member: int(member.name))


def joined(entries: Sequence[str]) -> str:
    """Return entries as they stand between brackets; with comments, each on lines of its own."""
    return "\n" + ",\n".join(entries) + ",\n" if any("\n" in entry for entry in entries) else ", ".join(entries)


def statements(items: Iterable[Statement]) -> Iterator[str]:
    """Yield the lines of a forward."""
    for item in items:
        yield from (line for reason in item.reasons for line in comment(reason))
        start = "return " if item.target is None else f"{item.target} = "
        line = f"{start}{text(item.value)}{shape_comment(item.shape)}"
        if item.condition is None:
            yield line
        else:
            yield f"if self.{item.condition}:" if item.flag else f"if self.{item.condition} is not None:"
            yield f"    {line}"


def results(outline: Outline, shown: Callable[[Shape], Shape] = lambda shape: shape) -> list[str]:
    """Return the last line of the network's forward; `shown` says how the dialect has a sample's shape."""
    model, shapes = outline.graph.model, outline.graph.shapes
    written = [text(value) for _, value in outline.results]
    if model.outputs[0][0] is not None:
        entries = (f'"{key}": {value}' for (key, _), value in zip(outline.results, written, strict=True))
        return [f"return {{{', '.join(entries)}}}"]
    if len(written) > 1:
        return [f"return {', '.join(written)}"]
    return [f"return {written[0]}{shape_comment(shown(shapes[model.outputs[0][1]]))}"]


def indented(lines: Iterable[str], spaces: int = 4) -> list[str]:
    """Return lines further to the right."""
    return [f"{' ' * spaces}{line}" for line in lines]

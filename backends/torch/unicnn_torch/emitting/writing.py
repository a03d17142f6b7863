"""The outline of a network as PyTorch source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unicnn.porting.outline import Code, Member
from unicnn.porting.outline.building import is_list
from unicnn.porting.outline.classes import Writer, by_place, indented, joined, names_of, numbered, with_borders
from unicnn.porting.outline.loops import split_number


class TorchWriter(Writer):
    """Write nn.Module and nn.Sequential."""

    base = "nn.Module"
    forward = "forward(self, {inputs})"

    def sequence(self, members: Sequence[Member]) -> str:
        return f"nn.Sequential({self._entries(members)})"

    def _entries(self, members: Sequence[Member]) -> str:
        entries = with_borders(members)
        if numbered(entries):
            return joined([self._positional(member) for member in entries])
        if all(name.isidentifier() for name in names_of(entries)):
            return f"OrderedDict({joined([self._named(member) for member in entries])})"
        return f"OrderedDict({{{joined([self._keyed(member) for member in entries])}}})"

    def _positional(self, member: Member) -> str:
        return self.commented(member) if member.repeat == 1 else "*[{} for {}]".format(*self.repeated(member))

    def _named(self, member: Member) -> str:
        once = self.explained(member, f"{member.name}={self.made(member)}")
        return once if member.repeat == 1 else f"**{{{self._comprehension(member)}}}"

    def _keyed(self, member: Member) -> str:
        once = self.explained(member, f'"{member.name}": {self.made(member)}')
        return once if member.repeat == 1 else f"**{{{self._comprehension(member)}}}"

    def _comprehension(self, member: Member) -> str:
        stem, start = split_number(member.name)
        assert start is not None
        if member.series is not None:
            made, loop = self.repeated(member)
            name, values = loop.split(" in ")
            return f'f"{stem}{{i}}": {made} for i, {name} in enumerate({values}, {start})'
        return f'f"{stem}{{i}}": {self.made(member)} for i in range({start}, {start + member.repeat})'

    def inherited(self, name: str, members: Sequence[Member]) -> list[str]:
        return [f"class {name}(nn.Sequential):", "    def __init__(self):", f"        super().__init__({self._entries(members)})"]

    def built(self, members: Sequence[Member]) -> Iterator[str]:
        yield "layers = OrderedDict()"
        for member in members:
            if member.kind != "loop":
                yield f'layers["{member.name}"] = {self.made(member)}'
                continue
            yield f"for i in range({member.name}, {stop(member)}):"
            for child in member.children:
                yield f'    layers[f"{split_number(child.name)[0]}{{i}}"] = {self.made(child)}'
            yield from indented(f"{inner} = {outer}" for inner, outer in member.carried)
        yield "return nn.Sequential(layers)"

    def listed(self, members: Sequence[Member]) -> tuple[str, str]:
        if is_list([member.name for member in members]):
            return "nn.ModuleList", f"[{', '.join(map(self.made, by_place(members)))}]"
        entries = ", ".join(f'"{member.name}": {self.made(member)}' for member in members)
        return "nn.ModuleDict", f"{{{entries}}}"


def stop(member: Member) -> str:
    """Return the end of a loop's range."""
    start = int(member.name)
    return f"{member.repeat} + {start}" if isinstance(member.repeat, Code) else str(start + int(member.repeat))

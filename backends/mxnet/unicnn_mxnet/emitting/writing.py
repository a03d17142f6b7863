"""The outline of a network as Gluon source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unicnn.porting.outline import Code, Member
from unicnn.porting.outline.classes import Writer, indented, joined, numbered, with_borders
from unicnn.porting.outline.loops import split_number


class GluonWriter(Writer):
    """Write nn.HybridBlock; a sequence is made by the file's own `sequential`, which keeps names."""

    base = "nn.HybridBlock"
    forward = "hybrid_forward(self, F, {inputs})"

    def sequence(self, members: Sequence[Member]) -> str:
        return f"sequential({self._entries(members)})"

    def _entries(self, members: Sequence[Member]) -> str:
        entries = with_borders(members)
        if numbered(entries):
            return joined([self._positional(member) for member in entries])
        return joined([self._named(member) for member in entries])

    def _positional(self, member: Member) -> str:
        return self.commented(member) if member.repeat == 1 else "*[{} for {}]".format(*self.repeated(member))

    def _named(self, member: Member) -> str:
        if member.repeat == 1:
            plain = member.name.isidentifier()
            return self.explained(member, f"{member.name}={self.made(member)}" if plain else f'**{{"{member.name}": {self.made(member)}}}')
        stem, start = split_number(member.name)
        assert start is not None
        if member.series is not None:
            made, loop = self.repeated(member)
            name, values = loop.split(" in ")
            return f'**{{f"{stem}{{i}}": {made} for i, {name} in enumerate({values}, {start})}}'
        return f'**{{f"{stem}{{i}}": {self.made(member)} for i in range({start}, {start + member.repeat})}}'

    def inherited(self, name: str, members: Sequence[Member]) -> list[str]:
        head = [f"class {name}(nn.HybridSequential):", "    def __init__(self):", "        super().__init__()"]
        entries = with_borders(members)
        if numbered(entries):
            return [*head, f"        self.add({self._entries(members)})"]
        return [*head, *(f'        self.register_child({self.made(member)}, "{member.name}")' for member in entries)]

    def built(self, members: Sequence[Member]) -> Iterator[str]:
        yield "net = nn.HybridSequential()"
        for member in members:
            if member.kind != "loop":
                yield f'net.register_child({self.made(member)}, "{member.name}")'
                continue
            yield f"for i in range({member.name}, {_stop(member)}):"
            for child in member.children:
                yield f'    net.register_child({self.made(child)}, f"{split_number(child.name)[0]}{{i}}")'
            yield from indented(f"{inner} = {outer}" for inner, outer in member.carried)
        yield "return net"

    def listed(self, members: Sequence[Member]) -> tuple[str, str]:
        entries = ", ".join(f'"{member.name}": {self.made(member)}' for member in members)
        return "Blocks", f"{{{entries}}}"


def _stop(member: Member) -> str:
    start = int(member.name)
    return f"{member.repeat} + {start}" if isinstance(member.repeat, Code) else str(start + int(member.repeat))

"""The outline of a network as Gluon source."""

from __future__ import annotations

from collections.abc import Sequence

from unicnn.porting.outline import Member
from unicnn.porting.outline.classes import StepWriter, joined, numbered, with_borders


class GluonWriter(StepWriter):
    """Write nn.HybridBlock; a sequence is made by the file's own `sequential`, which keeps names."""

    base = "nn.HybridBlock"
    forward = "hybrid_forward(self, F, {inputs})"
    building = ("net = nn.HybridSequential()", "net")

    def sequence(self, members: Sequence[Member]) -> str:
        return f"sequential({self._entries(members)})"

    def _entries(self, members: Sequence[Member]) -> str:
        entries = with_borders(members)
        if numbered(entries):
            return joined([self.entry(member) for member in entries])
        return joined([self._named(member) for member in entries])

    def _named(self, member: Member) -> str:
        if member.repeat == 1:
            plain = member.name.isidentifier()
            return self.explained(member, f"{member.name}={self.made(member)}" if plain else f'**{{"{member.name}": {self.made(member)}}}')
        return f"**{{{self.comprehension(member)}}}"

    def inherited(self, name: str, members: Sequence[Member]) -> list[str]:
        head = [f"class {name}(nn.HybridSequential):", "    def __init__(self):", "        super().__init__()"]
        entries = with_borders(members)
        if numbered(entries):
            return [*head, f"        self.add({self._entries(members)})"]
        return [*head, *(f'        self.register_child({self.made(member)}, "{member.name}")' for member in entries)]

    def kept(self, key: str, made: str) -> str:
        return f"net.register_child({made}, {key})"

    def listed(self, members: Sequence[Member]) -> tuple[str, str]:
        entries = ", ".join(f'"{member.name}": {self.made(member)}' for member in members)
        return "Blocks", f"{{{entries}}}"

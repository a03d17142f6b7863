"""The outline of a network as PyTorch source."""

from __future__ import annotations

from collections.abc import Sequence

from unicnn.porting.outline import Member
from unicnn.porting.outline.building import is_list
from unicnn.porting.outline.classes import StepWriter, by_place, joined, names_of, numbered, with_borders


class TorchWriter(StepWriter):
    """Write nn.Module and nn.Sequential."""

    base = "nn.Module"
    forward = "forward(self, {inputs})"
    building = ("layers = OrderedDict()", "nn.Sequential(layers)")

    def sequence(self, members: Sequence[Member]) -> str:
        return f"nn.Sequential({self._entries(members)})"

    def _entries(self, members: Sequence[Member]) -> str:
        entries = with_borders(members)
        if numbered(entries):
            return joined([self.entry(member) for member in entries])
        if all(name.isidentifier() for name in names_of(entries)):
            return f"OrderedDict({joined([self._named(member) for member in entries])})"
        return f"OrderedDict({{{joined([self._keyed(member) for member in entries])}}})"

    def _named(self, member: Member) -> str:
        once = self.explained(member, f"{member.name}={self.made(member)}")
        return once if member.repeat == 1 else f"**{{{self.comprehension(member)}}}"

    def _keyed(self, member: Member) -> str:
        once = self.explained(member, f'"{member.name}": {self.made(member)}')
        return once if member.repeat == 1 else f"**{{{self.comprehension(member)}}}"

    def inherited(self, name: str, members: Sequence[Member]) -> list[str]:
        return [f"class {name}(nn.Sequential):", "    def __init__(self):", f"        super().__init__({self._entries(members)})"]

    def kept(self, key: str, made: str) -> str:
        return f"layers[{key}] = {made}"

    def listed(self, members: Sequence[Member]) -> tuple[str, str]:
        if is_list([member.name for member in members]):
            return "nn.ModuleList", f"[{', '.join(map(self.made, by_place(members)))}]"
        entries = ", ".join(f'"{member.name}": {self.made(member)}' for member in members)
        return "nn.ModuleDict", f"{{{entries}}}"

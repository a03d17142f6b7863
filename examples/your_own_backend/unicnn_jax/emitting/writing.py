"""The outline of a network as Flax NNX source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from unicnn.porting.outline import Definition, Make, Member, Outline, Statement
from unicnn.porting.outline.building import is_list
from unicnn.porting.outline.classes import Writer, by_place, indented, joined, results, statements
from unicnn.porting.outline.layouts import native
from unicnn.porting.outline.text import arguments, construction, parameters
from unicnn_jax.emitting.spelling import RNGS


class NnxWriter(Writer):
    """Write nnx.Module and nnx.Sequential; what draws numbers is given `rngs`."""

    base = "nnx.Module"
    forward = "__call__(self, {inputs})"

    def __init__(self) -> None:
        self.seeded: set[str] = set()
        """The definitions that take `rngs`."""

    def definition(self, item: Definition) -> str:
        seeded = any(self._draws(member) for member in item.members)
        if seeded:
            self.seeded.add(item.name)
        given = ", ".join(filter(None, [parameters(item.parameters), "*, rngs" if seeded else ""]))
        if item.sequence:
            return f"def {item.name}({given}):\n    return {self.sequence(item.members)}"
        head = ", ".join(filter(None, ["self", given]))
        return self._class(item, head, [], statements(_native(item.statements)))

    def network(self, outline: Outline) -> str:
        """Return the source of the network's own class, which can be made without arguments."""
        root = outline.root
        seeds = ["rngs = rngs or nnx.Rngs(0)"] if any(self._draws(member) for member in root.members) else []
        head = "self, *, rngs=None" if seeds else "self"
        if root.sequence:
            lines = self.inherited(root.name, root.members)
            return "\n".join([lines[0], f"    def __init__({head}):", *indented(seeds, 8), *lines[2:]])
        return self._class(root, head, seeds, [*statements(_native(root.statements)), *results(outline, native)])

    def _class(self, item: Definition, head: str, first: list[str], forward: Iterable[str]) -> str:
        base, members = self.base, item.members
        lines = [*first]
        if item.listed:
            base, held = self.listed([member for member in members if member.kind != "flag"])
            lines.append(f"super().__init__({held})")
            members = tuple(member for member in members if member.kind == "flag")
        lines += [line for member in members for line in self._attribute(member)]
        init = [f"    def __init__({head}):", *indented(lines, 8), ""] if lines else []
        return "\n".join([f"class {item.name}({base}):", *init, *self._forward(item, forward)])

    def _draws(self, member: Member) -> bool:
        """Tell whether a member, or anything in it, is made with `rngs`."""
        if member.make is None:
            return any(self._draws(child) for child in member.children)
        return member.make.callee in self.seeded or RNGS in member.make.arguments

    def made(self, member: Member) -> str:
        make = member.make
        if make is None:
            return super().made(member)
        if member.kind == "part" and make.callee in self.seeded:
            return construction(replace(make, arguments=(*make.arguments, RNGS)))
        if member.kind == "layer" and RNGS not in make.arguments:
            return _function(make)
        return construction(make)

    def sequence(self, members: Sequence[Member]) -> str:
        return f"nnx.Sequential({self._entries(members)})"

    def _entries(self, members: Sequence[Member]) -> str:
        return joined([self.entry(member) for member in members])

    def inherited(self, name: str, members: Sequence[Member]) -> list[str]:
        return [f"class {name}(nnx.Sequential):", "    def __init__(self):", f"        super().__init__({self._entries(members)})"]

    def listed(self, members: Sequence[Member]) -> tuple[str, str]:
        if is_list([member.name for member in members]):
            return "nnx.List", f"[{', '.join(map(self.made, by_place(members)))}]"
        entries = ", ".join(f'"{member.name}": {self.made(member)}' for member in members)
        return "nnx.Dict", f"{{{entries}}}"


def _function(make: Make) -> str:
    """Return a function as a value: itself, or with the arguments that it is to be called with."""
    given = arguments(replace(make, arguments=tuple(replace(item, keyword=True) for item in make.arguments)))
    return f"partial({', '.join([make.callee, *given])})" if given else make.callee


def _native(items: Iterable[Statement]) -> list[Statement]:
    return [item if item.shape is None else replace(item, shape=native(item.shape)) for item in items]

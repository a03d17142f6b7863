"""What instances of one class differ in becomes arguments of its constructor, with names that a person would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from unicnn.ops import Add, Conv2d
from unicnn.porting.outline.form import REQUIRED, Argument, Code, Make, Parameter
from unicnn.porting.outline.likeness import Group
from unicnn.porting.outline.loops import Loop, carried
from unicnn.porting.outline.text import value
from unicnn.porting.outline.text import value as written
from unicnn.porting.outline.tree import Unit
from unicnn.porting.outline.words import safe, unused

Vector = tuple[Any, ...]


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


@dataclass(frozen=True)
class Slot:
    """Be one argument of one unit, over all instances; `values` has ABSENT where an instance lacks the unit."""

    unit: str
    argument: Argument
    values: Vector

    @property
    def constant(self) -> bool:
        """Tell whether all instances agree."""
        return len({written(item) for item in self.values if item is not ABSENT}) <= 1


def _common(makes: Sequence[Make]) -> Make:
    """Return the construction for all: a default that is not everywhere the same is none, unless everybody leaves the argument out."""

    def common(arguments: tuple[Argument, ...]) -> Argument:
        first = arguments[0]
        if not any(argument.written for argument in arguments):
            return replace(first, value=first.default)
        given = next(argument for argument in arguments if argument.written)
        alike = all(argument.default == given.default for argument in arguments)
        return given if alike else replace(given, default=REQUIRED, keyword=True)

    return replace(makes[0], arguments=tuple(map(common, zip(*(make.arguments for make in makes), strict=True))))


@dataclass
class _Open:
    """Be a parameter that is being made: values of instances that do not need it may still be filled."""

    name: str
    kind: str
    values: Vector
    default: Any

    def takes(self, slot: Slot) -> bool:
        """Tell whether a slot may have this parameter for its value."""
        same = all(a is ABSENT or b is ABSENT or written(a) == written(b) for a, b in zip(self.values, slot.values, strict=True))
        return same and self.kind == (slot.argument.kind or slot.argument.name)

    def fill(self, slot: Slot) -> None:
        """Take over a slot's values where there was none."""
        self.values = tuple(b if a is ABSENT else a for a, b in zip(self.values, slot.values, strict=True))

    def multiple(self, slot: Slot) -> str | None:
        """Return a slot of channels as a multiple or a fraction of this parameter."""
        pairs = [pair for pair in zip(slot.values, self.values, strict=True) if pair[0] is not ABSENT]
        if self.kind != "channels" or slot.argument.kind != "channels" or any(base is ABSENT for _, base in pairs):
            return None
        for factor in range(2, 17):
            if all(mine == factor * base for mine, base in pairs):
                return f"{factor} * {self.name}"
            if all(factor * mine == base for mine, base in pairs):
                return f"{self.name} // {factor}"
        return None


class Parameters:
    """Find the parameters of a group, given what each instance's units are made with."""

    def __init__(self, group: Group, makes: Sequence[dict[str, Make]], reserved: frozenset[str], loop: Loop | None = None) -> None:
        self.group, self.loop = group, loop
        self.reserved = reserved | {make.callee for held in makes for make in held.values()}
        later = set() if loop is None else set(loop.later(group.template.units))
        self.makes = [{name: make for name, make in held.items() if name not in later} for held in makes]
        makes = self.makes
        full = max(makes, key=len)
        entries = dict.fromkeys([*full, *(name for held in makes for name in held)])
        self.full = {name: _common([held[name] for held in makes if name in held]) for name in entries}
        self.slots = [slot for name in entries for slot in self._slots(name)]
        self.open: list[_Open] = []
        self.written: dict[tuple[str, str], Any] = {}
        for slot in self.slots:
            self.written[slot.unit, slot.argument.name] = self._value(slot)
        self.options = {} if loop is not None else self._options()
        self.count: Code | None = None if loop is None else self._value(self._counted(loop))

    def _slots(self, name: str) -> list[Slot]:
        found = []
        for i, argument in enumerate(self.full[name].arguments):
            if argument.value == argument.default:  # nobody writes it, whatever it stands for
                continue
            values = tuple(makes[name].arguments[i].value if name in makes else ABSENT for makes in self.makes)
            found.append(Slot(name, argument, values))
        return found

    def _counted(self, loop: Loop) -> Slot:
        """Return how often each instance goes round the loop."""
        period, size = len(loop.stems), len(self.group.template.units)
        counts = tuple(loop.count - (size - len(instance.units)) // period for instance in self.group.instances)
        return Slot("", Argument(f"{loop.stems[0].rstrip('_')}s", 0), counts)

    def _carries(self, slot: Slot) -> bool:
        """Tell whether a slot is what a loop's first layer takes, which changes after the first round."""
        return self.loop is not None and slot.argument.name.startswith("in_") and slot.unit == f"{self.loop.stems[0]}{self.loop.number}"

    def _value(self, slot: Slot) -> Any:
        if slot.constant and ABSENT not in slot.values and not self._carries(slot):
            return slot.values[0]
        for parameter in self.open:
            if parameter.takes(slot):
                parameter.fill(slot)
                return Code(parameter.name)
        for parameter in self.open:
            if not slot.constant and (multiple := parameter.multiple(slot)) is not None:
                return Code(multiple)
        if slot.constant and not self._carries(slot):
            return next(item for item in slot.values if item is not ABSENT)
        default = slot.argument.default
        if default is not REQUIRED and not any(item is not ABSENT and item == default for item in slot.values):
            default = REQUIRED
        self.open.append(_Open(self._name(slot), slot.argument.kind or slot.argument.name, slot.values, default))
        return Code(self.open[-1].name)

    def _name(self, slot: Slot) -> str:
        plain = slot.argument.name
        if slot.argument.kind == "channels":
            same = [other.argument.name for other in self.slots if other.argument.kind == "channels" and other.values == slot.values]
            telling = [name for name in same if name.startswith(("in_", "out_"))] or same
            here = {other.argument.name for other in self.slots if other.unit == slot.unit and other.values == slot.values}
            plain = "channels" if {"in_channels", "out_channels"} <= here else telling[0]
            if plain in ("out_channels", "channels") and self._hidden(slot):
                plain = "hidden_channels"
            plain = "channels" if plain in {parameter.name for parameter in self.open} and "channels" in same else plain
        taken = {parameter.name for parameter in self.open}
        if plain in taken:
            plain = f"{slot.unit.replace('.', '_').replace('-', '_')}_{plain.removeprefix('in_').removeprefix('out_')}"
        return unused(safe(plain if plain.isidentifier() else f"_{plain}", self.reserved), taken)

    def _hidden(self, slot: Slot) -> bool:
        """Tell whether channels lie between others: neither does the last layer give them, nor are those of it a multiple of them."""
        given = [
            other for other in self.slots if other.argument.kind == "channels" and other.argument.name.startswith(("out_", "channels"))
        ]
        last = [other for other in given if not other.constant and ABSENT not in other.values][-1:]
        return bool(last) and last[0].values != slot.values and _Open("", "channels", slot.values, REQUIRED).multiple(last[0]) is None

    def _options(self) -> dict[str, tuple[str, tuple[bool, ...]]]:
        """Return for each unit that may be absent the parameter that says so, and its values."""
        names: dict[tuple[bool, ...], str] = {}
        for unit in self.group.template.units:
            flags = self.group.optional.get(unit.name)
            if flags is not None and flags not in names:
                taken = {parameter.name for parameter in self.open} | set(names.values())
                names[flags] = unused(safe(self._option(unit), self.reserved), taken)
        return {name: (names[flags], flags) for name, flags in self.group.optional.items()}

    def _option(self, unit: Unit) -> str:
        tail = unit.name.rpartition(".")[2].replace("-", "_")
        if unit.node is not None and isinstance(unit.node.op, Conv2d):
            return "project" if unit.node.op.kernel_size == (1, 1) else f"use_{tail}"
        if unit.node is not None and isinstance(unit.node.op, Add) and "residual" not in self.reserved:
            return "residual"
        return tail if unit.scope is not None and tail not in self.reserved else f"use_{tail}"

    def carried(self, body: Sequence[Unit]) -> tuple[tuple[str, str], ...]:
        """Return the assignments after each round of a loop over `body`: what the next round takes is what this one gives."""
        found = []
        for unit in body:
            names = carried(self.full[unit.name])
            if names is None:
                continue
            inner, outer = (value(self.written.get((unit.name, name))) for name in names)
            if inner != outer:
                found.append((inner, outer))
        return tuple(found)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Return the parameters, those without a default first, and options last."""
        ordered = sorted(self.open, key=lambda item: item.default is not REQUIRED)
        flags = dict.fromkeys(name for name, _ in self.options.values())
        return (*(Parameter(item.name, item.default) for item in ordered), *(Parameter(name, False) for name in flags))

    def arguments(self, index: int) -> tuple[Argument, ...]:
        """Return the arguments of an instance."""
        ordered = sorted(self.open, key=lambda item: item.default is not REQUIRED)
        flags = {name: values[index] for name, values in self.options.values()}
        given = [Argument(item.name, self._filled(item, index), item.default, item.kind, self._named(item)) for item in ordered]
        return (*given, *(Argument(name, flag, False, "option:" + name, True) for name, flag in flags.items()))

    def _named(self, parameter: _Open) -> bool:
        """Tell whether an argument is written by name."""
        return parameter.default is not REQUIRED or (self.count is not None and parameter.name == self.count.text)

    def _filled(self, parameter: _Open, index: int) -> Any:
        found = parameter.values[index]
        if found is not ABSENT:
            return found
        return next(item for item in parameter.values if item is not ABSENT) if parameter.default is REQUIRED else parameter.default

    def make(self, name: str) -> Make:
        """Return how the template makes an entry, with parameters for what differs."""
        full = self.full[name]
        given = (replace(argument, value=self.written.get((name, argument.name), argument.value)) for argument in full.arguments)
        return replace(full, arguments=tuple(given))

"""Sequences in which the same layers stand several times under consecutive numbers: conv1, relu1, conv2, relu2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unicnn.porting.outline.form import Argument, Make, Spelling
from unicnn.porting.outline.tree import Scope, Unit


@dataclass(frozen=True)
class Loop:
    """Say that the units from place `start` on are `count` times the same body, whose names are `stems` and a number from `number` on."""

    start: int
    stems: tuple[str, ...]
    number: int
    count: int

    @property
    def stop(self) -> int:
        """Return the place after the last unit."""
        return self.start + len(self.stems) * self.count

    def later(self, units: Sequence[Unit]) -> list[str]:
        """Return the names of the units after the first time."""
        return [unit.name for unit in units[self.start + len(self.stems) : self.stop]]


def split_number(name: str) -> tuple[str, int | None]:
    """Return a name without the number at its end, and the number: ("block", 2) of "block2"."""
    stem = name.rstrip("0123456789")
    digits = name[len(stem) :]
    return (stem, int(digits)) if digits and str(int(digits)) == digits else (name, None)


def loop_of(scope: Scope, spelling: Spelling, start: int, period: int) -> Loop | None:
    """Return the loop of `period` layers that begins at a place of a sequence; it may go round only once."""
    units = scope.units
    body = units[start : start + period]
    if len(body) < period:
        return None
    parts = [split_number(unit.name) for unit in body]
    number = parts[0][1]
    if number is None or any(part[1] != number or not part[0] for part in parts):
        return None
    if any(unit.node is None for unit in body) or len({stem for stem, _ in parts}) < period:
        return None
    count = 1
    while _again(units[start + count * period :], parts, number + count):
        count += 1
    loop = Loop(start, tuple(stem for stem, _ in parts), number, count)
    return loop if _regular(scope, loop, spelling) else None


def _again(units: Sequence[Unit], parts: Sequence[tuple[str, int | None]], number: int) -> bool:
    return [unit.name for unit in units[: len(parts)]] == [f"{stem}{number}" for stem, _ in parts]


def _regular(scope: Scope, loop: Loop, spelling: Spelling) -> bool:
    """Tell whether each round makes the same layers, except that the first may take another number of channels."""
    period = len(loop.stems)
    for offset in range(period):
        nodes = [unit.node for unit in scope.units[loop.start + offset : loop.stop : period]]
        makes = [spelling.layer(node) for node in nodes if node is not None]
        calls = [spelling.call(node) for node in nodes if node is not None]
        if len(makes) < loop.count or any(make.before or make.callee != makes[0].callee for make in makes) or len(set(calls)) > 1:
            return False
        if not all(_same(given, makes) for given in zip(*(make.arguments for make in makes), strict=True)):
            return False
    return True


def _same(given: tuple[Argument, ...], makes: Sequence[Make]) -> bool:
    values = [argument.value for argument in given]
    if given[0].name.startswith("in_"):
        outs = {argument.value for make in makes for argument in make.arguments if argument.name == _out(make)}
        return len(outs) == 1 and set(values[1:]) <= outs
    return all(value == values[0] for value in values)


def _out(make: Make) -> str:
    """Return the name of the argument that counts the channels a layer gives."""
    names = [argument.name for argument in make.arguments if argument.kind == "channels"]
    return next((name for name in names if name.startswith("out_")), next((name for name in names if not name.startswith("in_")), ""))


def carried(make: Make) -> tuple[str, str] | None:
    """Return the names of the arguments for the channels that a layer takes and gives, if it has both."""
    names = [argument.name for argument in make.arguments if argument.kind == "channels"]
    inner = next((name for name in names if name.startswith("in_")), None)
    return None if inner is None else (inner, _out(make))


def shared_loop(full: Scope, small: Scope, spelling: Spelling) -> Loop | None:
    """Return the loop of `full` if `small` is the same sequence, but goes round it less often."""
    missing = [unit.name for unit in full.units if unit.name not in {other.name for other in small.units}]
    for start in range(len(full.units)):
        for period in range(1, (len(full.units) - start) // 2 + 1):
            loop = loop_of(full, spelling, start, period)
            again = loop_of(small, spelling, start, period)
            if loop is not None and again is not None and missing == _rounds(full, loop, again.count) and loop.stems == again.stems:
                return loop
    return None


def _rounds(full: Scope, loop: Loop, after: int) -> list[str]:
    """Return the names of the units in the rounds after a number of them."""
    return [unit.name for unit in full.units[loop.start + len(loop.stems) * after : loop.stop]]

"""Runs: entries of a sequence that are the same, or that differ in one argument that grows evenly."""

from __future__ import annotations

from dataclasses import replace

from unicnn.porting.outline.form import Member
from unicnn.porting.outline.loops import split_number
from unicnn.porting.outline.text import construction
from unicnn.porting.outline.text import value as written


def repeated(members: list[Member]) -> list[Member]:
    """Join entries of a sequence that are the same under consecutive numbers."""
    result: list[Member] = []
    for member in members:
        last = result[-1] if result else None
        if last is not None and _continues(last, member):
            result[-1] = replace(last, repeat=last.repeat + 1)
        else:
            result.append(member)
    return [item for member in result for item in (_unrolled(member) if member.repeat == 2 else [member])]


def in_series(members: list[Member]) -> list[Member]:
    """Join at least four entries in a row that differ in nothing but one argument, which grows evenly."""
    result: list[Member] = []
    place = 0
    while place < len(members):
        count = next((n for n in range(len(members) - place, 3, -1) if _series(members[place : place + n])), 1)
        found = _series(members[place : place + count]) if count > 1 else None
        result.append(members[place] if found is None else replace(members[place], series=found, repeat=count))
        place += count
    return result


def _series(members: list[Member]) -> tuple[str, range] | None:
    makes = [member.make for member in members if member.make is not None and member.kind == "part" and member.repeat == 1]
    names = [split_number(member.name) for member in members]
    follow = all(name == (names[0][0], (names[0][1] or 0) + i) for i, name in enumerate(names)) and names[0][1] is not None
    if not follow or len(makes) < len(members) or len({make.callee for make in makes}) > 1:
        return None
    columns = list(zip(*(make.arguments for make in makes), strict=True))
    varying = [column for column in columns if len({written(argument.value) for argument in column}) > 1]
    if len(varying) != 1 or not all(type(argument.value) is int for argument in varying[0]):
        return None
    first, second, *_ = values = [argument.value for argument in varying[0]]
    grown = range(first, first + (second - first) * len(values), second - first)
    return (varying[0][0].name, grown) if list(grown) == values else None


def _unrolled(member: Member) -> list[Member]:
    stem, number = split_number(member.name)
    return [replace(member, name=f"{stem}{(number or 0) + i}", repeat=1) for i in range(member.repeat)]


def _continues(last: Member, member: Member) -> bool:
    if last.make is None or member.make is None or last.kind != "part" or member.kind != "part":
        return False
    stem, number = split_number(last.name)
    same = construction(last.make) == construction(member.make) and last.option == member.option
    return same and number is not None and member.name == f"{stem}{number + last.repeat}"

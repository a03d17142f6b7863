"""Lines of a function that builds a network: each applies one layer, or one function, to variables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from unicnn.ops.base import Shape
from unicnn.porting.outline.form import Argument
from unicnn.porting.outline.text import comment, shape_comment, value

WIDTH = 88
MOST = 6
"""How many lines a loop's body may have."""


@dataclass(frozen=True)
class Line:
    """Be ``target = callee(arguments)`` applied to `inputs`; a `part` is a function of the file, which takes them as arguments.

    `name` is relative to the function, and "" if the framework may make one up; without a callee the line only gives its input
    another name. `listed` wants the inputs as a list. `condition` is the argument that says whether the line is run.
    """

    target: str
    callee: str
    arguments: tuple[Argument, ...] = ()
    name: str = ""
    inputs: tuple[str, ...] = ()
    listed: bool = False
    part: bool = False
    shape: Shape | None = None
    reason: str = ""
    condition: str | None = None


@dataclass(frozen=True)
class Loop:
    """Be lines that are run for each i from `start` on, `count` times, which may be an expression; the names in them contain "{i}".

    After each round the variables `carried` are assigned: (what is assigned to, what is assigned).
    """

    lines: tuple[Line, ...]
    start: int
    count: str
    carried: tuple[tuple[str, str], ...] = ()

    @property
    def target(self) -> str:
        """Return the variable that the last line assigns."""
        return self.lines[-1].target


Lines: TypeAlias = "Sequence[Line | Loop]"
Spell: TypeAlias = Callable[[Line], str]
"""What stands on a line to the right of the equals sign."""


def positional(arguments: Iterable[Argument]) -> tuple[list[str], list[str]]:
    """Return the arguments that stand first and those that are written by name."""
    first: list[str] = []
    named: list[str] = []
    skipped = False
    for argument in arguments:
        if not argument.written:
            skipped = True
        elif skipped or argument.keyword:
            named.append(f"{argument.name}={value(argument.value)}")
        else:
            first.append(value(argument.value))
    return first, named


def quoted(name: str, scope: str = "") -> str:
    """Return a name in quotes; what is in braces, and the scope, is filled in at run time."""
    full = f"{scope}{name}"
    return f"f{value(full)}" if "{" in full else value(full)


def braced(name: str) -> str:
    """Return a name with "{i}" for the number at its end."""
    return re.sub(r"\d+$", "{i}", name)


def looped(lines: Lines) -> list[Line | Loop]:
    """Return lines of which those that repeat themselves under consecutive numbers are loops."""
    return list(_looped(_news(lines)))


def written(lines: Lines, spell: Spell, *, result: str = "") -> list[str]:
    """Return lines as source: what repeats itself under consecutive names becomes a loop. `result` is returned in the end."""
    text: list[str] = []
    for item in looped(lines):
        text += _loop(item, spell) if isinstance(item, Loop) else _single(item, spell)
    text = merged_conditions(text)
    return _returned(text, result) if result else text


def reasoned(line: Line) -> list[str]:
    """Return the comment that stands above a line."""
    return comment(line.reason, WIDTH - 8)


def fitted(line: str) -> str:
    """Return an indented line without its comment if that is all that makes it too long."""
    code, mark, _ = line.partition("  # ")
    return code if mark and len(code) <= WIDTH < len(line) else line


def _news(lines: Lines) -> list[Line | Loop]:
    """Return the lines without the shapes that the line before has told already."""
    result: list[Line | Loop] = []
    told: Shape | None = None
    for line in lines:
        if isinstance(line, Line) and line.shape is not None:
            result.append(replace(line, shape=None if line.shape == told else line.shape))
            told = line.shape
        else:
            result.append(line)
    return result


def _single(line: Line, spell: Spell) -> list[str]:
    if not line.callee and line.inputs == (line.target,):
        return []
    start = f"{line.target} = " if line.target else ""
    body = [*reasoned(line), f"{start}{spell(line)}{shape_comment(line.shape)}"]
    return body if line.condition is None else [f"if {line.condition}:", *(f"    {part}" for part in body)]


def _loop(loop: Loop, spell: Spell) -> list[str]:
    stop = str(loop.start + int(loop.count)) if loop.count.isdigit() else f"{loop.count} + {loop.start}" if loop.start else loop.count
    body = [text for line in loop.lines for text in _single(line, spell)]
    body += [f"{inner} = {outer}" for inner, outer in loop.carried]
    return [f"for i in range({f'{loop.start}, ' if loop.start else ''}{stop}):", *(f"    {text}" for text in body)]


def _returned(text: list[str], result: str) -> list[str]:
    """Return `result`, by the last line itself if that is where it comes from."""
    head, _, rest = text[-1].partition(" = ") if text else ("", "", "")
    return [*text[:-1], f"return {rest}"] if head == result else [*text, f"return {result}"]


def merged_conditions(text: list[str]) -> list[str]:
    """Return source with neighbouring ``if`` statements of one condition joined."""
    result: list[str] = []
    open_condition = ""
    for line in text:
        if line.startswith("if "):
            if line == open_condition:
                continue
            open_condition = line
        elif not line.startswith("    "):
            open_condition = ""
        result.append(line)
    return result


def _looped(lines: Lines) -> Iterator[Line | Loop]:
    i = 0
    while i < len(lines):
        line = lines[i]
        if isinstance(line, Loop):
            yield line
            i += 1
            continue
        size, turns = max(((size, _turns(lines[i:], size)) for size in range(1, MOST + 1)), key=lambda found: found[0] * (found[1] - 1))
        if turns >= 3 or (turns == 2 and size >= 3):
            number = _number(line)
            assert number is not None
            turn = (item for item in lines[i : i + size] if isinstance(item, Line))
            yield Loop(tuple(replace(item, name=braced(item.name), shape=None) for item in turn), number, str(turns))
            i += size * turns
        else:
            yield line
            i += 1


def _turns(given: Lines, size: int) -> int:
    """Return how often the first `size` lines repeat themselves under consecutive numbers."""
    lines: list[Line] = []
    for line in given:
        if isinstance(line, Loop):
            break
        lines.append(line)
    first = lines[:size]
    number = _number(lines[0])
    if len(first) < size or number is None or any((line.name and _number(line) != number) or line.condition for line in first):
        return 1
    turns = 1
    while all(_follows(a, b, turns) for a, b in zip(first, lines[turns * size :], strict=False)) and len(lines) >= (turns + 1) * size:
        turns += 1
    return turns


def _follows(first: Line, later: Line, distance: int) -> bool:
    number, other = _number(first), _number(later)
    if braced(first.name) != braced(later.name) or (number is not None and other != number + distance):
        return False
    plain = [replace(line, name="", shape=None, reason="") for line in (first, later)]
    return plain[0] == plain[1] and later.reason in ("", first.reason)


def _number(line: Line) -> int | None:
    found = re.search(r"(?<!\d)([1-9]\d*|0)$", line.name)
    return int(found.group(1)) if found else None

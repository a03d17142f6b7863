"""Lines of a function that builds a network: each applies one layer, or one function, to variables."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from unicnn.ops.base import Shape
from unicnn.porting.outline.form import Argument, Code
from unicnn.porting.outline.text import comment, shape_comment, value

WIDTH = 88
MOST = 6
"""How many lines a loop's body may have."""
EVEN = 4
"""How often lines must repeat themselves for a loop in which a number grows."""


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
    place = 0
    while place < len(lines):
        ahead = _before_loop(lines[place:])
        found = max((_turns(ahead, size) for size in range(1, MOST + 1) if ahead), key=lambda found: found.gain, default=None)
        if found is None or found.gain == 0:
            yield lines[place]
            place += 1
        else:
            yield found.loop()
            place += len(found.body) * found.count


def _before_loop(lines: Lines) -> list[Line]:
    """Return the lines up to the first that is a loop already."""
    result = []
    for line in lines:
        if isinstance(line, Loop):
            break
        result.append(line)
    return result


@dataclass(frozen=True)
class _Turns:
    """Be lines that stand `count` times in a row under consecutive numbers; `growth` says how much their arguments grow each time."""

    body: tuple[Line, ...]
    count: int
    growth: tuple[tuple[int, ...], ...]

    @property
    def gain(self) -> int:
        """Return how many lines a loop saves, if it is worth one at all."""
        fewest = EVEN if any(map(any, self.growth)) else 3 if len(self.body) < 3 else 2
        return len(self.body) * (self.count - 1) if self.count >= fewest else 0

    def loop(self) -> Loop:
        """Return the loop, in which what grows is a sum with i."""
        start = _number(self.body[0])
        assert start is not None
        lines = (
            replace(line, name=braced(line.name), arguments=_each(line.arguments, growth, start), shape=None)
            for line, growth in zip(self.body, self.growth, strict=True)
        )
        return Loop(tuple(lines), start, str(self.count))


def _each(arguments: tuple[Argument, ...], growth: tuple[int, ...], start: int) -> tuple[Argument, ...]:
    return tuple(
        replace(item, value=_linear(item.value - step * start, step)) if step else item
        for item, step in zip(arguments, growth, strict=True)
    )


def _linear(base: int, step: int) -> Code:
    term = "i" if abs(step) == 1 else f"{abs(step)} * i"
    if step < 0:
        return Code(f"{base} - {term}")
    return Code(f"{base} + {term}" if base else term)


def _turns(lines: Sequence[Line], size: int) -> _Turns:
    """Return how often the first `size` lines repeat themselves under consecutive numbers."""
    body, second = tuple(lines[:size]), lines[size : 2 * size]
    none = tuple((0,) * len(line.arguments) for line in body)
    if len(second) < size or _number(body[0]) is None or any(_breaks(line, body[0]) for line in body):
        return _Turns(body, 1, none)
    growth = tuple(_growth(a, b) for a, b in zip(body, second, strict=True))
    return max((_Turns(body, _count(lines, body, steps), steps) for steps in (none, growth)), key=lambda found: found.gain)


def _breaks(line: Line, first: Line) -> bool:
    """Tell whether a line cannot stand in a loop that begins with `first`."""
    return line.condition is not None or (line.name != "" and _number(line) != _number(first))


def _count(lines: Sequence[Line], body: Sequence[Line], growth: Sequence[tuple[int, ...]]) -> int:
    size, count = len(body), 1
    while len(lines) >= (count + 1) * size and all(
        _same(_moved(line, steps, count), later) and later.reason in ("", line.reason)
        for line, steps, later in zip(body, growth, lines[count * size : (count + 1) * size], strict=True)
    ):
        count += 1
    return count


def _growth(first: Line, second: Line) -> tuple[int, ...]:
    """Return by how much each argument of a line is larger the second time, where both are whole numbers."""
    pairs = itertools.zip_longest(first.arguments, second.arguments[: len(first.arguments)])
    return tuple(b.value - a.value if b is not None and type(a.value) is type(b.value) is int else 0 for a, b in pairs)


def _moved(line: Line, growth: tuple[int, ...], turns: int) -> Line:
    """Return what a line must be some turns later."""
    number = _number(line)
    name = line.name if number is None else f"{line.name[: -len(str(number))]}{number + turns}"
    given = (replace(item, value=item.value + turns * step) if step else item for item, step in zip(line.arguments, growth, strict=True))
    return replace(line, name=name, arguments=tuple(given))


def _same(line: Line, other: Line) -> bool:
    return replace(line, shape=None, reason="") == replace(other, shape=None, reason="")


def _number(line: Line) -> int | None:
    found = re.search(r"(?<!\d)([1-9]\d*|0)$", line.name)
    return int(found.group(1)) if found else None

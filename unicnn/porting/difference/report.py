"""The texts of a diff: tables side by side, a list of differences with their effect, and the verdict."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from unicnn import terminal
from unicnn.ops.fields import by
from unicnn.porting.difference.result import (
    INFERENCE,
    INITIAL,
    NO_EFFECT,
    NOTHING,
    REPORTING,
    TRAINING,
    Difference,
    Effect,
    NetworkDiff,
    Row,
)
from unicnn.porting.difference.verdict import size, title

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_COLOURS = {NO_EFFECT: "green", REPORTING: "cyan", INITIAL: "yellow", TRAINING: "yellow", INFERENCE: "red"}


def as_text(result: Any, width: int = 110, *, every: bool = False) -> str:
    """Return a diff as plain text."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=width, color_system=None)
    show(result, console, every=every)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def show(result: Any, console: Console, *, every: bool = False) -> None:
    """Print a diff."""
    if isinstance(result, NetworkDiff):
        parts = _network(result, console.width, every=every)
    else:
        from unicnn.porting.difference.recipe_report import parts as recipe_parts

        parts = recipe_parts(result, console.width, every=every)
    for part in parts:
        console.print(part, highlight=False)


def _network(result: NetworkDiff, width: int, *, every: bool) -> Iterator[RenderableType]:
    from rich.markup import escape

    a, b = escape(result.a), escape(result.b)
    yield f"[bold]{a}[/], {result.parameters[0]:,} parameters, and [bold]{b}[/], {result.parameters[1]:,} parameters"
    yield _table(result, every=every)
    yield from listed(result.differences, width)
    for told in filter(None, (result.weights, result.note)):
        yield f"[yellow]note:[/] {escape(told)}"
    yield verdict(result)


def verdict(result: Any) -> RenderableType:
    """Return the verdict, coloured."""
    from rich.markup import escape

    return f"[bold {'green' if result.same else 'red'}]{escape(result.verdict)}[/]"


def _table(result: NetworkDiff, *, every: bool) -> RenderableType:
    from rich.markup import escape

    titles = (result.a, result.b) if result.a != result.b else (f"{result.a} (first)", f"{result.b} (second)")
    table = terminal.table("", "layer", escape(titles[0]), escape(titles[1]), "output", "apart", right=1)
    for rows in _chunks(result.rows, every=every):
        if len(rows) > 1:
            table.add_row("", f"[dim]{_elided(rows)}[/]", "", "", "", _apart(rows[-1].apart))
        else:
            table.add_row(*_cells(rows[0]))
    return table


def _chunks(rows: tuple[Row, ...], *, every: bool) -> Iterator[list[Row]]:
    """Yield rows that are shown, one by one, and runs of rows that are not; the neighbours of what differs are shown."""
    near = {other for place, row in enumerate(rows) if not row.plain for other in (place - 1, place, place + 1)}
    shown = [every or place in near for place in range(len(rows))]
    for visible, group in groupby(zip(shown, rows, strict=True), key=lambda item: item[0]):
        members = [row for _, row in group]
        if visible or len(members) == 1:
            yield from ([row] for row in members)
        else:
            yield members


def _elided(rows: list[Row]) -> str:
    told = [f"{sum(row.resized for row in rows)} of other sizes" if any(row.resized for row in rows) else ""]
    renamed = sum(row.a is not None and row.b is not None and row.a.name != row.b.name for row in rows)
    told.append(f"{renamed} with another name" if renamed else "")
    return f"… {len(rows)} equal layers{''.join(f', {text}' for text in told if text)} …"


def _cells(row: Row) -> tuple[str, ...]:
    from rich.markup import escape

    a, b = row.a, row.b
    marks = ", ".join(str(number + 1) for number in row.differences)
    if a is None or b is None:
        node = a or b
        assert node is not None
        there = f"{escape(str(node.op))}{_held(node.size)}"
        colour, sign = ("red", "-") if a else ("green", "+")
        ops = (f"[{colour}]{there}[/]", "[dim]—[/]") if a else ("[dim]—[/]", f"[{colour}]{there}[/]")
        return marks, f"[{colour}]{sign} {escape(node.name)}[/]", *ops, by(node.shape), ""
    name = escape(a.name) if a.name == b.name else f"{escape(a.name)} [dim]|[/] {escape(b.name)}"
    shape = by(a.shape) if a.shape == b.shape else f"[yellow]{by(a.shape)} | {by(b.shape)}[/]"
    held = ("", "") if a.size == b.size else (_held(a.size), _held(b.size))
    mine, theirs = (f"{escape(str(node.op))}{text}" for node, text in zip((a, b), held, strict=True))
    if mine == theirs:
        return marks, name, f"[dim]{mine}[/]", "[dim]same[/]", shape, _apart(row.apart)
    colour = "yellow" if row.differences else "dim"
    return marks, name, f"[{colour}]{mine}[/]", f"[{colour}]{theirs}[/]", shape, _apart(row.apart)


def _held(count: int) -> str:
    return f" ({count:,} numbers)" if count else ""


def _apart(value: float | None) -> str:
    if value is None:
        return ""
    return "0" if value == 0 else f"[red]{size(value)}[/]" if value > NOTHING else f"[dim]{value:.0e}[/]"


def listed(differences: Iterable[Difference], width: int) -> Iterator[RenderableType]:
    """Yield each difference: what it is, what it does alone, and why it may be there."""
    from rich.markup import escape

    for number, item in enumerate(differences, 1):
        values, begin = _values(item), f"{number}. {title(item)}"
        short = len(begin + values + item.severity) + 2 <= width
        shown = f"{values}:" if short else ":"
        yield f"[bold]{escape(begin)}[/]{escape(shown)} [{_COLOURS[item.severity]}]{item.severity}[/]"
        yield from () if short else _wrapped(values.lstrip(": "), width)
        yield from _wrapped(" ".join(filter(None, (effect(item.effect, item.a, item.severity), item.cause))), width)
    yield ""


def _wrapped(text: str, width: int) -> Iterator[str]:
    from rich.markup import escape

    return (f"   {escape(line)}" for line in textwrap.wrap(text, max(20, width - 3)))


def _values(item: Difference) -> str:
    if item.kind in ("missing", "added"):
        return f" ({item.a_value or item.b_value})"
    if item.kind == "order":
        return f", {item.a_value} in the first network"
    a, b = (
        value if value == normal or not normal else f"{value} = {normal}"
        for value, normal in ((item.a_value, item.a_normal), (item.b_value, item.b_normal))
    )
    return f": {a} | {b}"


def effect(found: Effect, layer: str | None, severity: str) -> str:
    """Return in words what a change does alone."""
    if found.note and not found.measured:
        return found.note
    if found.weights is not None:
        return _apart_after(found, severity)
    if found.output is None:
        return found.note
    if found.nothing:
        return "Alone it changes nothing: neither outputs nor gradients." if found.training is not None else "Alone it changes no output."
    parts = []
    if found.local is not None:
        parts.append(f"{layer} by {size(found.local)}")
    parts.append(f"the output by {size(found.output)}" if found.output > NOTHING else "no output in inference")
    if found.output <= NOTHING and found.training is not None:
        parts = [*parts[1:], f"a gradient or a running statistic in training by {size(found.training)}"]
    told = f"Alone it changes {_joined(parts)}."
    if found.argmax is not None and found.output > NOTHING:
        share = f"another one for {found.argmax:.0%} of the samples" if found.argmax else "the same one for every sample"
        told += f" The largest score is {share}."
    return told


def _apart_after(found: Effect, severity: str) -> str:
    assert found.weights is not None
    if found.weights <= NOTHING:
        told = "Alone it moves no weight." if severity == NO_EFFECT else "Alone it moved no weight in the few steps that were tried."
    else:
        begin = f"step {found.step}" if found.step and found.step > 1 else "the first step"
        told = f"Alone it takes the weights apart from {begin} on, to {size(found.weights)} of how far they go."
    return f"{told} {found.note}".strip()


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"

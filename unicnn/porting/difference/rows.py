"""Two networks as a table, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from unicnn import terminal
from unicnn.ops.fields import by
from unicnn.porting.difference.result import LONG, NOTHING, NetworkDiff, Row
from unicnn.porting.difference.verdict import size

if TYPE_CHECKING:
    from rich.console import RenderableType


def side_by_side(result: NetworkDiff, *, every: bool) -> RenderableType:
    """Return the table of the rows around what differs, or, with `every`, of all."""
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
    shown = [every or (place in near and not _inside(rows, place)) for place in range(len(rows))]
    keys = [(visible, _side(row)) for visible, row in zip(shown, rows, strict=True)]
    for key, group in groupby(zip(keys, rows, strict=True), key=lambda item: item[0]):
        members = [row for _, row in group]
        if key[0] or len(members) == 1:
            yield from ([row] for row in members)
        else:
            yield members


def _side(row: Row) -> str:
    return "both" if row.a and row.b else "first" if row.a else "second"


def _inside(rows: tuple[Row, ...], place: int) -> bool:
    """Tell whether a row lies within a long run of layers that only one network has."""
    side, first, last = _side(rows[place]), place, place
    if side == "both":
        return False
    while first and _side(rows[first - 1]) == side:
        first -= 1
    while last + 1 < len(rows) and _side(rows[last + 1]) == side:
        last += 1
    return last - first >= LONG and first < place < last


def _elided(rows: list[Row]) -> str:
    if _side(rows[0]) != "both":
        return f"{'-' if rows[0].a else '+'} … {len(rows)} more …"
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

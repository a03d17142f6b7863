"""The text of a diff of recipes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from unicnn import terminal
from unicnn.porting.difference.report import listed, verdict
from unicnn.porting.difference.result import RecipeDiff

if TYPE_CHECKING:
    from rich.console import RenderableType


def parts(result: RecipeDiff, width: int, *, every: bool) -> Iterator[RenderableType]:
    """Yield what a diff of recipes shows, in order."""
    from rich.markup import escape

    yield f"recipe [bold]{escape(result.a)}[/], {result.updates[0]:,} updates, and [bold]{escape(result.b)}[/], {result.updates[1]:,} updates"
    yield _choices(result, every=every)
    if result.rates:
        yield _rates(result)
    yield from listed(result.differences, width)
    if result.note:
        yield f"[yellow]note:[/] {escape(result.note)}"
    yield verdict(result)


def _titles(result: RecipeDiff) -> tuple[str, str]:
    from rich.markup import escape

    names = escape(result.a), escape(result.b)
    return names if result.a != result.b else (f"{names[0]} (first)", f"{names[1]} (second)")


def _choices(result: RecipeDiff, *, every: bool) -> RenderableType:
    from rich.markup import escape

    table = terminal.table("choice", *_titles(result))
    for name, (a, b) in result.shown.items():
        if a != b:
            table.add_row(name, *(f"[yellow]{escape(value)}[/]" if value else "[dim]—[/]" for value in (a, b)))
        elif every:
            table.add_row(name, f"[dim]{escape(a)}[/]", "[dim]same[/]")
    if not every:
        table.add_row(f"[dim]… {result.equal} equal choices …[/]", "", "")
    return table


def _rates(result: RecipeDiff) -> RenderableType:
    table = terminal.table("update", "epoch", *(f"rate, {title}" for title in _titles(result)), right=4)
    for update, epoch, a, b in result.rates:
        shown = [f"{value:.6g}" for value in (a, b)]
        colour = "red" if abs(a - b) > 1e-12 * max(a, b) else "dim"
        table.add_row(f"{update:,}", f"{epoch:,}", *(f"[{colour}]{value}[/]" for value in shown))
    return table

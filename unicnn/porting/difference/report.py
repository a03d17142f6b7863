"""The texts of a diff: tables side by side, a list of differences with their effect, and the verdict."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

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
)
from unicnn.porting.difference.rows import side_by_side
from unicnn.porting.difference.verdict import called, size, title

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
    yield side_by_side(result, every=every)
    yield from listed(result.differences, width)
    for told in filter(None, (result.weights, result.note)):
        yield f"[yellow]note:[/] {escape(told)}"
    yield verdict(result)


def verdict(result: Any) -> RenderableType:
    """Return the verdict, coloured."""
    from rich.markup import escape

    return f"[bold {'green' if result.same else 'red'}]{escape(result.verdict)}[/]"


def listed(differences: Iterable[Difference], width: int) -> Iterator[RenderableType]:
    """Yield each difference: what it is, what it does alone, and why it may be there."""
    for number, item in enumerate(differences, 1):
        yield from _one(number, item, width)
    yield ""


def _one(number: int, item: Difference, width: int) -> Iterator[RenderableType]:
    from rich.markup import escape

    values, begin = _values(item), f"{number}. {title(item)}"
    short = len(begin + values + item.severity) + 2 <= width
    shown = f"{values}:" if short else ":"
    yield f"[bold]{escape(begin)}[/]{escape(shown)} [{_COLOURS[item.severity]}]{item.severity}[/]"
    yield from () if short else _wrapped(values.lstrip(":, "), width)
    yield from _wrapped(_layers(item), width) if item.layers else ()
    yield from _wrapped(" ".join(filter(None, ("" if item.undone else effect(item.effect, item.a, item.severity), item.cause))), width)


def _layers(item: Difference) -> str:
    names = [called(a, b) for a, b in item.layers]
    return f"{', '.join(names)}." if len(names) <= 4 else f"{names[0]}, {names[1]}, … {names[-1]}."


def _wrapped(text: str, width: int) -> Iterator[str]:
    from rich.markup import escape

    return (f"   {escape(line)}" for line in textwrap.wrap(text, max(20, width - 3)))


def _values(item: Difference) -> str:
    if item.kind in ("missing", "added"):
        return "" if item.layers and not item.op else f" ({item.a_value or item.b_value})"
    if item.kind == "order":
        return f", {item.a_value} in the first network"
    a, b = (
        value if value == normal or not normal else f"{value} = {normal}"
        for value, normal in ((item.a_value, item.a_normal), (item.b_value, item.b_normal))
    )
    return f": {a} | {b}"


def effect(found: Effect, layer: str | None, severity: str) -> str:
    """Return in words what a change does alone."""
    if found.weights is not None:
        return _apart_after(found, severity)
    if found.output is None:
        return found.note
    if found.nothing:
        what = "neither outputs nor gradients" if found.training is not None else "no output"
        return f"Alone it changes nothing, {what}{'.' if severity == NO_EFFECT else ', on these samples.'}"
    parts = [f"{called(layer)} by {size(found.local)}"] if found.local is not None and found.local > NOTHING else []
    parts.append(f"the output by {size(found.output)}" if found.output > NOTHING else "no output in inference")
    if found.output <= NOTHING and found.training is not None and found.training > NOTHING:
        parts.append(f"a gradient or a running statistic in training by {size(found.training)}")
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

"""``unicnn conformance``: the kit on the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unicnn import terminal
from unicnn.errors import InputError

if TYPE_CHECKING:
    from unicnn.conformance.kit import AnyCase, Verdict


def conformance(
    backend: Annotated[str, typer.Option(metavar="B", help="The backend to judge.")],
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    level: Annotated[
        str | None, typer.Option(metavar="L,…", help="Only these levels: exact, bounded, sharp, identical, special, relations.")
    ] = None,
    case: Annotated[str, typer.Option(metavar="PATTERN", help="Only cases whose id matches, such as 'conv2d/*'.")] = "*",
    forward: Annotated[bool, typer.Option("--forward", help="Check outputs only, step by step: a quick look.")] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="How many processes; one for each core on the CPU by default.")] = None,
    record: Annotated[Path | None, typer.Option(metavar="FILE", help="Write what the backend computes to a safetensors file.")] = None,
    against: Annotated[Path | None, typer.Option(metavar="FILE", help="Compare with results recorded elsewhere or earlier.")] = None,
    json_to: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write JSON to FILE, or to standard output if it is '-'.")
    ] = None,
) -> None:
    """Judge a backend by every case of the kit. Exits 0 if it conforms, 1 if not, 2 on bad input."""
    from unicnn import plugins
    from unicnn.conformance.record import Record, told
    from unicnn.conformance.running import Order, run
    from unicnn.conformance.scorecard import Scorecard, lines
    from unicnn.conformance.target import Target
    from unicnn.program import check_device

    plugins.descriptor(backend)
    check_device(plugins.backend(backend), device)
    chosen, before = _chosen(level, case), None if against is None else Record.load(against)
    order = Order(backend, device, forward, keep=record is not None or against is not None)
    with _Bar(len(chosen), Target(backend, device).title) as bar:
        verdicts = run(chosen, order, jobs or (min(4, os.cpu_count() or 1) if device == "cpu" else 1), bar.tell)
    card = Scorecard(Target(backend, device).title, tuple(verdicts))
    after = Record.of(card.title, verdicts)
    if record is not None:
        after.save(record)
    if json_to is not None:
        terminal.write(json_to, json.dumps(card.json(), indent=1))
    if json_to != "-":
        typer.echo("\n".join(lines(card)))
    if before is not None:
        typer.echo("\n".join(told(before, after)), err=json_to == "-")
    raise typer.Exit(1 if card.failures else 0)


def _chosen(level: str | None, pattern: str) -> list[AnyCase]:
    import fnmatch

    from unicnn.conformance.cases import CASES
    from unicnn.conformance.scorecard import LEVELS
    from unicnn.errors import UnknownNameError, closest

    levels = LEVELS if level is None else tuple(item.strip() for item in level.split(",") if item.strip())
    for name in levels:
        if name not in LEVELS:
            raise UnknownNameError(f"There is no level called {name!r}.{closest(name, LEVELS)}")
    found = [item for item in CASES if item.level in levels and fnmatch.fnmatchcase(item.id, pattern)]
    if not found:
        raise InputError(f"No case of the level {', '.join(levels)} matches {pattern!r}. Ids look like {CASES[0].id}; quote the pattern.")
    return found


class _Bar:
    """Show on a terminal's standard error how far the run is, and what has failed."""

    def __init__(self, total: int, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[failed]}"),
        )
        self.progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.task = self.progress.add_task(title, total=total, failed="")
        self.failed = 0

    def __enter__(self) -> _Bar:
        self.progress.start()
        return self

    def tell(self, verdict: Verdict) -> None:
        """Count a verdict."""
        self.failed += verdict.failed
        self.progress.update(self.task, advance=1, failed=f"[red]{self.failed} failed" if self.failed else "")

    def __exit__(self, *_: Any) -> None:
        self.progress.stop()

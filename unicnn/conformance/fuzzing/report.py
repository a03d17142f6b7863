"""What a campaign found, for a terminal: how much was run, which backend fails in which op, and where the reproductions are."""

from __future__ import annotations

import sys

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from unicnn.conformance.fuzzing.judging import ALL
from unicnn.conformance.fuzzing.ledger import Ledger


def show(ledger: Ledger, console: Console | None = None) -> None:
    """Print a ledger."""
    console = console or Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    console.print(
        f"[bold]{ledger.networks:,}[/] networks run on {', '.join(ledger.backends)}: {ledger.judged:,} outputs and gradients of layers judged, "
        f"{ledger.beyond:,} suspects set aside whose numbers the bounds do not speak of, {ledger.refused:,} runs refused, "
        f"{ledger.known:,} known differences."
    )
    if not ledger.findings:
        console.print("[green]No failures.[/]")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("op")
    for backend in (*ledger.backends, ALL):
        table.add_column(backend, justify="right")
    for op, counts in sorted(ledger.by_op().items()):
        table.add_row(op, *(str(counts[backend] or "-") for backend in (*ledger.backends, ALL)))
    console.print(table)
    for finding in ledger.findings.values():
        how = "" if finding.stands_alone else ", with unicnn"
        console.print(
            f"[red]{escape(str(finding.fault))}[/], in {finding.count} network{'s' * (finding.count > 1)}: {escape(finding.summary)}"
        )
        console.print(f"  {escape(str(finding.where))}{how}", soft_wrap=True)

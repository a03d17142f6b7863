"""How far a campaign is, on standard error."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from unicnn.conformance.fuzzing.campaign import Options
from unicnn.conformance.fuzzing.ledger import Ledger


class Progress:
    """Show the networks done, the failures and the rate while a campaign runs."""

    def __init__(self, options: Options) -> None:
        self.bar = Bar(
            TextColumn("fuzzing"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("networks, {task.fields[failures]} failures, {task.fields[rate]:.1f} per second"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self.task = self.bar.add_task("fuzzing", total=options.n, failures=0, rate=0.0)

    def __enter__(self) -> Callable[[Ledger], None]:
        self.bar.start()
        return self.tell

    def tell(self, ledger: Ledger) -> None:
        """Show how far a ledger is."""
        elapsed = self.bar.tasks[0].elapsed or 1.0
        self.bar.update(self.task, completed=ledger.networks, failures=ledger.failures, rate=ledger.networks / elapsed)

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

"""How far a training is, live on a terminal's standard error, and nothing where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unicnn.training.run import Run

REDRAWN = 0.1
"""Seconds between two updates: a step may take a millisecond, and must not wait for the terminal."""


class Bar:
    """Show a run's epoch, batch, loss and metrics so far in the epoch, images a second and time left, while the block lasts."""

    def __init__(self, run: Run) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"), BarColumn(bar_width=20), TaskProgressColumn(), TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(), TextColumn("left"),
        )  # fmt: skip
        # What is printed meanwhile to standard output belongs there, not above the bar on standard error.
        self.progress = Progress(*columns, console=console, transient=True, redirect_stdout=False)
        self.shown = console.is_interactive or console.is_jupyter
        self.run, self.before, self.drawn = run, run.on_step, 0.0
        self.task = self.progress.add_task("starting", total=run.total, completed=run.steps, told="")

    def __enter__(self) -> Bar:
        if self.shown:
            self.run.on_step = self._told
            self.progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self.shown:
            self.run.on_step = self.before
            self.progress.stop()

    def _told(self, run: Run) -> None:
        self.before(run)
        each = run.batches.per_epoch
        if time.monotonic() - self.drawn < REDRAWN and not run.at_end:
            return
        self.drawn = time.monotonic()
        epoch, batch = divmod(run.steps - 1, each)
        where = f"epoch {epoch + 1}/{-(-run.total // each)}  " + ("testing" if run.at_end and run.test else f"batch {batch + 1}/{each}")
        self.progress.update(self.task, completed=run.steps, description=where, told=self._figures(run))

    @staticmethod
    def _figures(run: Run) -> str:
        loss, metrics = run.history.steps.means(run.recipe.averaging or "samples", run.begun)
        rates = [f"{name} {value:.1%}" for name, value in metrics.items()]
        return "  ".join([f"loss {loss:.4f}", *rates, f"{run.images_per_second:,.0f} images/s"])

    @contextmanager
    def away(self) -> Iterator[None]:
        """Take the bar off the terminal while the block prints."""
        if self.shown:
            self.progress.stop()
        yield
        if self.shown:
            self.progress.start()

"""What commands share: a console, a table, a line that says what is being done, and where JSON goes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from unicnn.errors import InputError


def console() -> Any:
    """Return a rich console on standard output."""
    from rich.console import Console

    # A pipe has no width of its own, and a table must not be cut for want of one.
    return Console(width=None if sys.stdout.isatty() else 120, highlight=False, soft_wrap=False)


def table(*columns: str, right: int = 0) -> Any:
    """Return a rich table with these columns, the last `right` of them aligned to the right."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        made.add_column(column, justify="right" if place >= len(columns) - right else "left")
    return made


class status:  # noqa: N801 - used like a function
    """Show what is being done on a terminal's standard error, and nothing where there is no terminal."""

    def __init__(self, title: str) -> None:
        from rich.console import Console

        self.title, self.console = title, Console(stderr=True)
        self.shown = self.console.status(title) if sys.stderr.isatty() else None

    def __enter__(self) -> Any:
        if self.shown is not None:
            self.shown.start()
        return self.tell

    def tell(self, what: str) -> None:
        """Show `what` beside the title."""
        if self.shown is not None:
            self.shown.update(f"{self.title}: {what}")

    def __exit__(self, *_: object) -> None:
        if self.shown is not None:
            self.shown.stop()


def write(target: str, text: str) -> None:
    """Write text to a file, or to standard output if `target` is "-"; raise InputError if it cannot be written."""
    if target == "-":
        typer.echo(text)
        return
    try:
        Path(target).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror}). Choose another file.") from None

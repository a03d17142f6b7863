"""The command: measure, print the table, and keep it if asked to."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import machine, report
from benchmarks.measure import measure
from benchmarks.rows import rows

Only = Annotated[str, typer.Option(metavar="PATTERN", help="Measure only the rows in whose text this is; * stands for anything.")]
Seconds = Annotated[float, typer.Option(help="How long to measure each row.")]
ToJson = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all times to FILE.")]
ToMarkdown = Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="Write the table to FILE.")]

PAGE = 144


def main(only: Only = "", seconds: Seconds = 8.0, json_to: ToJson = None, markdown_to: ToMarkdown = None) -> None:
    """Measure unicnn against the same networks written by hand.

    The exit code is 0 whatever comes out: numbers depend on the machine, and are for people to judge.
    """
    console = terminal()
    load = machine.load()
    records = []
    for row in rows():
        if fnmatch(f"{row.case} {row.measured} {row.against}".lower(), f"*{only.lower()}*"):
            print(f"{row.case}: {row.measured} …", file=sys.stderr, flush=True)  # not a spinner, which would take processor time
            records.append(measure(row, seconds))
    here = machine.describe(load)
    console.print(report.table(records))
    for remark in report.remarks(records, here):
        console.print(f"- {remark}", markup=False, highlight=False)
    if json_to is not None:
        document = {"machine": asdict(here), "records": [asdict(record) for record in records]}
        json_to.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if markdown_to is not None:
        markdown_to.write_text(report.markdown(records, here), encoding="utf-8")


def terminal() -> Console:
    """Return the terminal, or a wide page where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=PAGE)


if __name__ == "__main__":
    typer.run(main)

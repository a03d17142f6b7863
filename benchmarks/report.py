"""The table, on the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from rich.markup import escape
from rich.table import Table

from benchmarks.record import Estimate, Machine, Record

# Each heading, and whether numbers stand below it.
COLUMNS = {
    "case": False,
    "measured": False,
    "ms": True,
    "against": False,
    "its ms": True,
    "ratio [95 %]": True,
    "CPU ratio": True,
    "target": True,
    "verdict": False,
}
COLOURS = {"met": "green", "missed": "red", "not": "yellow"}

NOTES = (
    "Each row has a fresh process, or two where the sides use different libraries. First it is checked that both compute the same.",
    "The sides take turns of about 50 ms, between which all threads come to rest. ms: the median call of a turn, and of these the median. "
    "The interval: pairs of turns drawn anew. CPU ratio: the processor time of all threads.",
    "Inference: the framework's own tensors in and out, on both sides.",
    "Loss + gradients: a tensor in; the loss as a number and the gradients of all parameters and of the input as NumPy arrays out, on both "
    "sides. unicnn also takes the labels as NumPy, checks them, and returns canonical layout.",
    "Commands: processor time, and in the ratio's place how much of it is beyond that of `python -c pass`.",
)


def cells(record: Record) -> tuple[str, ...]:
    """Return a row of the table as plain text."""
    if record.problem is not None:
        return (record.case, record.measured, "", record.against, "", "", "", "", record.verdict())
    cpu = record.cpu()
    return (
        record.case,
        record.measured,
        f"{1000 * median(record.ours):.3g}",
        record.against,
        f"{1000 * median(record.theirs):.3g}",
        _with_interval(record.estimate(), record.unit),
        "" if cpu is None else f"{cpu.value:.2f}",
        "" if record.target is None else _amount(record.target, record.unit),
        record.verdict(),
    )


def _with_interval(found: Estimate, unit: str) -> str:
    return f"{_amount(found.value, unit)} [{_amount(found.low, unit)}, {_amount(found.high, unit)}]"


def _amount(value: float, unit: str) -> str:
    return f"{value:.2f}" if unit == "ratio" else f"{1000 * value:+.0f} ms"


def table(records: Iterable[Record]) -> Table:
    """Return the table for the terminal."""
    result = Table()
    for heading, number in COLUMNS.items():
        result.add_column(escape(heading), justify="right" if number else "left")
    for record in records:
        *plain, verdict = map(escape, cells(record))
        colour = COLOURS.get(verdict.replace(",", " ").split()[0], "default")
        result.add_row(*plain, f"[{colour}]{verdict}[/]")
    return result


def remarks(records: Sequence[Record], machine: Machine) -> Iterator[str]:
    """Yield what has to be known to read the table."""
    yield from NOTES
    for record in records:
        if record.alone is not None:
            yield f"{record.case}, {record.measured}: {record.alone:.2f} if each side is measured while the other does not exist."
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    yield f"{machine.processor}, {machine.cores} cores, {machine.date}. {versions}."
    yield f"Load average {machine.load_before:.2f} before and {machine.load_after:.2f} after." + (
        " The machine was busy with something else: do not trust these numbers." if machine.busy else ""
    )


def markdown(records: Sequence[Record], machine: Machine) -> str:
    """Return the table and the remarks as Markdown."""
    lines = [
        _line(COLUMNS),
        _line("---:" if number else "---" for number in COLUMNS.values()),
        *(_line(cells(record)) for record in records),
    ]
    notes = [f"- {remark}" for remark in remarks(records, machine)]
    return "\n".join(["# How fast", "", "`python -m benchmarks --markdown benchmarks/RESULTS.md` wrote this.", "", *lines, "", *notes, ""])


def _line(texts: Iterable[str]) -> str:
    return f"| {' | '.join(text.replace('|', '&#124;') for text in texts)} |"

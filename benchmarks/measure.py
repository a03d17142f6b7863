"""From a row to its record."""

from __future__ import annotations

import importlib.util
from statistics import median

from benchmarks import commands
from benchmarks.duel import DifferentError, alone, duel, peaks
from benchmarks.record import Record
from benchmarks.rows import Command, Row
from unicnn import plugins


def measure(row: Row | Command, seconds: float) -> Record:
    """Return what was measured in about this time, or why nothing was."""
    record = Record(row.case, row.measured, row.against, row.target)
    try:
        return _command(record, row, seconds) if isinstance(row, Command) else _row(record, row, seconds)
    except (DifferentError, OSError, RuntimeError) as error:
        return record.but(problem=str(error))


def _command(record: Record, row: Command, seconds: float) -> Record:
    ours, theirs = commands.compared(commands.unicnn(*row.arguments), commands.PASS, seconds=seconds)
    return record.but(unit="seconds", ours=ours, theirs=theirs)


def _row(record: Record, row: Row, seconds: float) -> Record:
    if missing := absent(row):
        return record.but(problem=missing)
    if row.memory:
        sizes = peaks(row.task, (row.ours, row.theirs), row.environment, times=3)
        return record.but(unit="bytes", ours=sizes[0], theirs=sizes[1])
    ours, theirs = duel(row.task, (row.ours, row.theirs), row.environment, apart=row.apart, seconds=seconds)
    record = record.but(ours=ours.wall, theirs=theirs.wall, ours_cpu=ours.cpu, theirs_cpu=theirs.cpu)
    if not row.apart:
        return record
    ours, theirs = (alone(row.task, name, row.environment, seconds=seconds / 4) for name in (row.ours, row.theirs))
    return record.but(alone=median(ours.wall) / median(theirs.wall))


def absent(row: Row) -> str | None:
    """Return why a row cannot be measured here, or None."""
    found = {item.name: item for item in plugins.discover()}
    for name in (row.ours, row.theirs):
        framework, backend, *_ = (*name.split("-"), "")
        if framework == "unicnn" and (backend not in found or found[backend].problem is not None):
            return f"the backend {backend} is not installed" if backend not in found else found[backend].problem
        if importlib.util.find_spec(framework) is None:
            return f"{framework} is not installed"
    return None

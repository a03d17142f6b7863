"""The table, on the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from rich import box
from rich.markup import escape
from rich.table import Table

from benchmarks.estimate import Estimate
from benchmarks.record import Machine, Record

# Each heading, and whether numbers stand below it.
COLUMNS = {
    "case": False,
    "ours": False,
    "ms": True,
    "theirs": False,
    "their ms": True,
    "ratio": True,
    "CPU": True,
    "target": True,
    "verdict": False,
}

NOTES = (
    "Each row has a fresh process, two where the sides use different libraries; first it is checked that both compute the same.",
    "The sides take turns of about 50 ms, between which all threads come to rest. ms: the median of the turns' median calls. ratio: with "
    "its 95 % interval, from drawing pairs of turns anew; a verdict with a question mark has the target inside. CPU: the ratio of the "
    "processor time of all threads.",
    "Inference: the framework's own tensors in and out, on both sides; NumPy's arrays for NumPy.",
    "Gradients: a tensor in; the loss as a number and the gradients of all parameters and of the input as NumPy arrays out, on both sides. "
    "unicnn takes the labels as NumPy, checks them, and returns gradients in canonical layout.",
    "Training step: a tensor in; forward, backward and an update by plain SGD; the loss as a number out. By hand: `torch.optim.SGD`, "
    "`assign_sub` inside the tf.function, `gluon.Trainer`. unicnn takes the labels as NumPy, checks them, and returns the scores, too.",
    "Identical: the same bytes on every backend, against native numerics of the same backend; weights are rounded to their grids once, before.",
    "Memory: by how much a process grows at most in its first ten training steps, beyond the framework, the data and the weights.",
    "Keras takes NumPy in predict_on_batch and train_on_batch; its rows are for information.",
    "Commands: processor time; the ratio's place holds how much of it is beyond that of `python -c pass`.",
)


def cells(record: Record) -> tuple[str, ...]:
    """Return a row of the table as plain text."""
    if record.problem is not None:
        return (record.case, record.measured, "", record.against, "", "", "", "", record.verdict())
    cpu = record.cpu()
    return (
        record.case,
        record.measured,
        _amount_of(record.ours, record.unit),
        record.against,
        _amount_of(record.theirs, record.unit),
        _with_interval(record.estimate(), record.unit),
        "" if cpu is None else f"{cpu.value:.2f}",
        "" if record.target is None else _amount(record.target, record.unit),
        record.verdict(),
    )


def _amount_of(values: Sequence[float], unit: str) -> str:
    return f"{median(values) / 2**20:.0f} MiB" if unit == "bytes" else _milliseconds(values)


def _milliseconds(times: Sequence[float]) -> str:
    value = 1000 * median(times)
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def _with_interval(found: Estimate, unit: str) -> str:
    return f"{_amount(found.value, unit)} [{found.low:.2f}, {found.high:.2f}]"


def _amount(value: float, unit: str) -> str:
    return f"{value:+.2f} s" if unit == "seconds" else f"{value:.2f}"


def table(records: Iterable[Record]) -> Table:
    """Return the table for the terminal."""
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading, number in COLUMNS.items():
        result.add_column(escape(heading), justify="right" if number else "left", no_wrap=heading != "verdict", min_width=len(heading))
    for record in records:
        *plain, verdict = map(escape, cells(record))
        result.add_row(*plain, f"[{colour(verdict)}]{verdict}[/]")
    return result


def colour(verdict: str) -> str:
    """Return the colour of a verdict."""
    return {"met": "green", "missed": "red", "": "default"}.get(verdict, "yellow")


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

"""How fast the conformance kit is, and how fast each backend is on its settings: ``python -m benchmarks.conformance``.

The first table counts exact and bounded cases a second, outputs only, from the first verdict to the last, in one process
and in as many as there are cores: a framework that uses all cores for itself gains nothing from a second. The second, of the settings that match a pattern, gives each backend's median time of a forward pass as a ratio to NumPy's, taken in
turn.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import machine
from unicnn import plugins
from unicnn.conformance.case import Setting, draw
from unicnn.conformance.cases import CASES, SETTINGS
from unicnn.conformance.kit import Verdict
from unicnn.conformance.running import Order, run
from unicnn.conformance.target import Target
from unicnn.ops.loss import Loss

REFERENCE = "numpy"


def rate(backend: str, jobs: int) -> tuple[int, float, int]:
    """Return how many cases were run, how many of them a second, and how many failed."""
    times: list[float] = []
    failed = 0

    def tell(verdict: Verdict) -> None:
        nonlocal failed
        times.append(time.perf_counter())
        failed += verdict.failed

    run([case for case in CASES if case.level in ("exact", "bounded")], Order(backend, forward_only=True), jobs, tell)
    return len(times), (len(times) - 1) / (times[-1] - times[0]), failed


def ratios(setting: Setting, targets: list[Target], rounds: int = 15) -> Iterator[tuple[str, float]]:
    """Yield each backend's median time of a forward pass over NumPy's, taken in turn, tensors in and out."""
    data = draw(setting, "normal", "float32")
    programs = [target.program(setting.model(), "native", data.weights) for target in targets]
    inputs = [tuple(map(program.runtime.tensor, data.inputs)) for program in programs]
    times: list[list[float]] = [[] for _ in programs]
    for _ in range(rounds):
        for place, (program, x) in enumerate(zip(programs, inputs, strict=True)):
            start = time.perf_counter()
            program(x, mode=setting.mode)
            program.runtime.synchronize()
            times[place].append(time.perf_counter() - start)
    medians = [statistics.median(taken[3:]) for taken in times]
    for target, median in zip(targets, medians, strict=True):
        yield target.backend, median / medians[0]


def main(
    settings: Annotated[str, typer.Option(metavar="PATTERN", help="The settings of the second table.")] = "conv2d/many-*",
    markdown_to: Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="Write the tables to FILE.")] = None,
) -> None:
    """Measure. The exit code is 0 whatever comes out."""
    load, jobs = machine.load(), os.cpu_count() or 1
    names = [REFERENCE, *(name for name in plugins.usable() if name != REFERENCE)]
    lines = [
        f"| backend | exact and bounded cases | a second, 1 process | {jobs} processes | failed |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name in names:
        (count, alone, failed), (_, together, more) = rate(name, 1), rate(name, jobs)
        lines.append(f"| {Target(name).title} | {count:,} | {alone:,.0f} | {together:,.0f} | {failed + more} |")
        typer.echo(lines[-1])
    targets = [Target(name) for name in names]
    lines += ["", f"| setting, forward, time over {REFERENCE}'s | {' | '.join(names)} |", f"| --- |{' ---: |' * len(names)}"]
    for setting in SETTINGS:
        if fnmatchcase(setting.path, settings) and not isinstance(setting.op, Loss):
            cells = " | ".join(f"{ratio:.2f}" for _, ratio in ratios(setting, targets))
            lines.append(f"| `{setting.path}` | {cells} |")
            typer.echo(lines[-1])
    here = ", ".join(f"{key} {value}" for key, value in asdict(machine.describe(load)).items())
    if markdown_to is not None:
        markdown_to.write_text("\n".join(["# Speed of the conformance kit", "", f"{here}.", "", *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)

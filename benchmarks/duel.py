"""Two contestants measured in turn.

Two of one framework share a process, and with it the framework's threads; those of different frameworks have one each, and
whoever is not running sleeps. Turns are blocks of calls in the order A, B, B, A, …, so that neither what a machine does
besides nor a clock that slows down favours one of them. Between turns all threads come to rest.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.task import Array, Task

ROOT = Path(__file__).parents[1]
TURN_SECONDS = 0.05
"""How long a turn takes, if one call does not take longer."""
WARM_SECONDS = 0.01
"""How long a contestant runs before each turn; the first calls after a rest are slower."""
FEWEST_TURNS = 6
TOLERANCE = 1e-4
"""How far the two sides may be apart, relative to the largest value of each array."""


class DifferentError(Exception):
    """Say that two sides do not compute the same."""


@dataclass
class Times:
    """Hold seconds per call: of each turn the median, and the processor time of all threads."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


class Host:
    """Be a process in which contestants run."""

    def __init__(self, task: Task, names: Sequence[str], environment: Mapping[str, str]) -> None:
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.host", json.dumps(asdict(task)), *names],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, cwd=ROOT, env={**os.environ, **environment},
        )  # fmt: skip

    def ask(self, **request: Any) -> Any:
        """Return the answer to a request; raise RuntimeError with the end of the log if there is none."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(request), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            raise RuntimeError((self.log.read().strip().splitlines() or ["it ended without a word"])[-1])
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        self.process.communicate()
        self.log.close()


@dataclass
class Side:
    """Be a contestant in its host."""

    host: Host
    name: str
    times: Times = field(default_factory=Times)

    def arrays(self) -> dict[str, Array]:
        """Return what the contestant computes, by name."""
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder, "results.npz"))
            self.host.ask(do="results", who=self.name, file=path)
            with np.load(path) as arrays:
                return dict(arrays)

    def turn(self) -> None:
        """Run one turn and remember its times."""
        long = bool(self.times.wall) and self.times.wall[-1] > WARM_SECONDS
        answer = self.host.ask(do="time", who=self.name, idle=0 if long else WARM_SECONDS, seconds=TURN_SECONDS)
        self.times.wall.append(median(answer["wall"]))
        self.times.cpu.append(answer["cpu"])


@contextlib.contextmanager
def hosted(task: Task, names: Sequence[str], environment: Mapping[str, str], *, apart: bool) -> Iterator[list[Side]]:
    """Hold contestants in one process, or each in its own."""
    hosts = [Host(task, [name], environment) for name in names] if apart else [Host(task, names, environment)] * len(names)
    try:
        yield [Side(host, name) for host, name in zip(hosts, names, strict=True)]
    finally:
        for host in set(hosts):
            host.close()


def duel(task: Task, names: tuple[str, str], environment: Mapping[str, str], *, apart: bool, seconds: float) -> tuple[Times, Times]:
    """Check that two contestants compute the same, and return their times."""
    with hosted(task, names, environment, apart=apart) as (a, b):
        check_equal(a.arrays(), b.arrays())
        alternate(a.turn, b.turn, seconds)
        return a.times, b.times


def alone(task: Task, name: str, environment: Mapping[str, str], *, seconds: float) -> Times:
    """Return the times of a contestant while the other does not even exist."""
    with hosted(task, [name], environment, apart=True) as (side,):
        side.arrays()
        repeat(side.turn, seconds)
        return side.times


def alternate(a: Callable[[], None], b: Callable[[], None], seconds: float) -> None:
    """Run `a` and `b` as often as the time allows, each of them first every other time."""
    order = [a, b]

    def both() -> None:
        for one in order:
            one()
        order.reverse()

    repeat(both, seconds)


def repeat(action: Callable[[], None], seconds: float) -> None:
    """Run `action` as often as the time allows, and at least a few times."""
    deadline = time.monotonic() + seconds
    count = 0
    while count < FEWEST_TURNS or time.monotonic() < deadline:
        action()
        count += 1


def peaks(task: Task, names: tuple[str, str], environment: Mapping[str, str], *, times: int) -> tuple[list[float], list[float]]:
    """Return by how many bytes a fresh process of each contestant grows at most, several times in turn."""
    grown: tuple[list[float], list[float]] = [], []
    for _ in range(times):
        for name, found in zip(names, grown, strict=True):
            with hosted(task, [name], environment, apart=True) as (side,):
                found.append(side.host.ask(do="memory", who=name)["bytes"])
    return grown


def check_equal(ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> None:
    """Raise DifferentError unless both hold the same arrays up to rounding, and none that says nothing."""
    if set(ours) != set(theirs):
        raise DifferentError(f"the two sides compute different things: {', '.join(sorted(set(ours) ^ set(theirs)))}")
    for name, expected in theirs.items():
        found = ours[name]
        if found.shape != expected.shape:
            raise DifferentError(f"{name} has the shapes {found.shape} and {expected.shape}")
        if expected.size > 1 and np.ptp(expected) == 0:
            raise DifferentError(f"{name} is constant, and shows nothing")
        error = np.abs(found - expected).max() / np.abs(expected).max()
        if not error <= TOLERANCE:
            raise DifferentError(f"{name} differs by {error:.1g} of its largest value")

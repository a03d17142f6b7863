"""The processor time of the command line."""

from __future__ import annotations

import resource
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from benchmarks.duel import alternate

PASS = (sys.executable, "-c", "pass")


def unicnn(*arguments: str) -> tuple[str, ...]:
    """Return a command of unicnn as the shell finds it."""
    return (str(Path(sysconfig.get_path("scripts"), "unicnn")), *arguments)


def cost(command: Sequence[str]) -> float:
    """Return the seconds of processor time, the user's and the system's, that a command takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def compared(command: Sequence[str], baseline: Sequence[str], *, seconds: float) -> tuple[list[float], list[float]]:
    """Return the processor seconds of a command and of another one, run in turn."""
    ours: list[float] = []
    theirs: list[float] = []
    cost(command)
    alternate(lambda: ours.append(cost(command)), lambda: theirs.append(cost(baseline)), seconds)
    return ours, theirs

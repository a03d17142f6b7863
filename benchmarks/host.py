"""The process in which contestants run. It reads requests, one JSON line each, and answers each with one line.

{"do": "results", "who": name, "file": path} calls a contestant a few times and writes its arrays to a file;
{"do": "time", "who": name, "idle": s, "seconds": t} calls it for s seconds, and then for t seconds with the clock running;
{"do": "memory", "who": name} calls it a few times and tells how much memory that took at most, in bytes, beyond what the process held before.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from benchmarks.contestants import contestant
from benchmarks.task import Array, Contestant, Task, data

WARM_UP = 3
MEMORY_CALLS = 10
QUIET_SECONDS = 0.004
PATIENCE_SECONDS = 0.5


def results(one: Contestant) -> dict[str, Array]:
    """Warm up, and return what the last call computed."""
    for _ in range(WARM_UP):
        result = one.call()
    return {name: np.asarray(array) for name, array in one.arrays(result).items()}


def timed(call: Callable[[], Any], idle: float, seconds: float) -> dict[str, Any]:
    """Return the seconds of each call in a turn, and the processor seconds of all threads per call."""
    calls(call, idle)
    cpu = time.process_time()
    wall = calls(call, seconds)
    cpu = (time.process_time() - cpu) / len(wall)
    settle()
    return {"wall": wall, "cpu": cpu}


def memory(call: Callable[[], Any]) -> int:
    """Return by how many bytes the process grows at most while it makes its first calls, memory of the framework's own included."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak is what is held now
    before = held("VmRSS")
    for _ in range(MEMORY_CALLS):
        call()
    return held("VmHWM") - before


def held(what: str) -> int:
    """Return a size that Linux states of this process, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(what))


def calls(call: Callable[[], Any], seconds: float) -> list[float]:
    """Call for this long, at least once if at all, and return how long each call took."""
    wall = []
    end = time.perf_counter() + seconds
    start = end - seconds
    while start < end:
        call()
        stop = time.perf_counter()
        wall.append(stop - start)
        start = time.perf_counter()
    return wall


def settle() -> None:
    """Wait until this process is idle: threads of OpenBLAS and OpenMP spin for a while after the work is done."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        before = time.process_time()
        time.sleep(QUIET_SECONDS)
        if time.process_time() - before < QUIET_SECONDS / 10:
            return


def serve(contestants: dict[str, Contestant], requests: TextIO, answers: TextIO) -> None:
    """Answer requests until there are no more."""
    for line in requests:
        request = json.loads(line)
        one = contestants[request["who"]]
        answer = {}
        if request["do"] == "results":
            np.savez(request["file"], **results(one))
        elif request["do"] == "memory":
            answer = {"bytes": memory(one.call)}
        else:
            answer = timed(one.call, request["idle"], request["seconds"])
        print(json.dumps(answer), file=answers, flush=True)


def main(task: Task, names: list[str]) -> None:
    """Serve the contestants of these names; what the frameworks print goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    given = data(task)
    serve({name: contestant(name, task, given) for name in names}, sys.stdin, answers)


if __name__ == "__main__":
    main(Task(**json.loads(sys.argv[1])), sys.argv[2:])

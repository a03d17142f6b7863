"""The process in which contestants run. It reads requests, one JSON line each, and answers each with one line.

{"do": "results", "who": name, "file": path} calls a contestant a few times and writes its arrays to a file;
{"do": "time", "who": name, "idle": n, "calls": m} calls it n times, and then m times with the clock running.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

import numpy as np

from benchmarks.contestants import contestant
from benchmarks.task import Contestant, Task, data

WARM_UP = 3
QUIET_SECONDS = 0.004
PATIENCE_SECONDS = 0.5


def results(one: Contestant, file: str) -> dict[str, Any]:
    """Warm up, and write what the last call computed."""
    for _ in range(WARM_UP):
        result = one.call()
    np.savez(file, **{name: np.asarray(array) for name, array in one.arrays(result).items()})
    return {}


def timed(call: Callable[[], Any], idle: int, calls: int) -> dict[str, Any]:
    """Return the seconds of each call, and the processor seconds of all threads per call."""
    for _ in range(idle):
        call()
    wall = []
    cpu = time.process_time()
    for _ in range(calls):
        start = time.perf_counter()
        call()
        wall.append(time.perf_counter() - start)
    cpu = (time.process_time() - cpu) / calls
    settle()
    return {"wall": wall, "cpu": cpu}


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
        answer = results(one, request["file"]) if request["do"] == "results" else timed(one.call, request["idle"], request["calls"])
        print(json.dumps(answer), file=answers, flush=True)


def main(task: Task, names: list[str]) -> None:
    """Serve the contestants of these names; what the frameworks print goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    given = data(task)
    serve({name: contestant(name, task, given) for name in names}, sys.stdin, answers)


if __name__ == "__main__":
    main(Task(**json.loads(sys.argv[1])), sys.argv[2:])

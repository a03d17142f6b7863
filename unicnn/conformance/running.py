"""Running many cases in processes of their own: a framework that ends its process costs one case, not the run."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import Any

from unicnn.conformance import differences
from unicnn.conformance.kit import FAILED, KNOWN, AnyCase, Verdict, check
from unicnn.conformance.target import Target

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
CHUNK = 40
"""How many cases a process is given at a time: neighbours share a setting, and so a program."""


@dataclass(frozen=True)
class Order:
    """Say how cases are to be run."""

    backend: str
    device: str = "cpu"
    forward_only: bool = False
    """Whether only outputs are checked, and computed step by step: a quick look."""
    keep: bool = False
    """Whether verdicts bring the arrays that were computed."""


def run(cases: Sequence[AnyCase], order: Order, jobs: int = 2, tell: Callable[[Verdict], None] = lambda verdict: None) -> list[Verdict]:
    """Run cases on a target in `jobs` processes, and return the verdicts in the order of the cases; `tell` hears each as it comes."""
    found: dict[int, Verdict] = {}
    todo = deque(list(range(first, min(first + CHUNK, len(cases)))) for first in range(0, len(cases), CHUNK))
    with _single_threads(jobs > 1):
        workers = [_Worker(cases, order) for _ in range(min(jobs, len(todo)))]
        try:
            while len(found) < len(cases):
                for worker in workers:
                    if not worker.pending and todo:
                        worker.give(todo.popleft())
                for place, verdict in _heard([worker for worker in workers if worker.pending]):
                    found[place] = verdict
                    tell(verdict)
        finally:
            for worker in workers:
                worker.stop()
    return [found[place] for place in range(len(cases))]


def _heard(workers: list[_Worker]) -> Iterator[tuple[int, Verdict]]:
    """Yield what the workers have to say, having waited until one has; a dead one is replaced."""
    ready = wait([worker.pipe for worker in workers])
    for worker in workers:
        if worker.pipe in ready:
            yield worker.hear()


class _Worker:
    """Be a process that runs cases, and what it has still to do."""

    def __init__(self, cases: Sequence[AnyCase], order: Order) -> None:
        self.cases, self.order = cases, order
        self.pending: deque[int] = deque()
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, self.order), daemon=True)
        self.process.start()
        theirs.close()

    def give(self, places: list[int]) -> None:
        """Ask for the verdicts of these cases."""
        self.pending.extend(places)
        self.pipe.send([self.cases[place] for place in places])

    def hear(self) -> tuple[int, Verdict]:
        """Return the next verdict; if the process has died, that of the case it died of."""
        try:
            verdict = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            return self._bury()
        if isinstance(verdict, BaseException):
            raise verdict
        return self.pending.popleft(), verdict

    def _bury(self) -> tuple[int, Verdict]:
        self.process.join()
        place = self.pending.popleft()
        case, left = self.cases[place], list(self.pending)
        known = differences.find(Target(self.order.backend, self.order.device), case.id)
        detail = f"the framework ended the process (exit code {self.process.exitcode})"
        self._start()
        self.pending.clear()
        if left:
            self.give(left)
        return place, Verdict(case.id, case.level, case.op, FAILED if known is None else KNOWN, detail)

    def stop(self) -> None:
        """End the process."""
        self.pipe.close()
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()


def _work(pipe: Connection, order: Order) -> None:
    """Run what comes through the pipe until it closes."""
    target = Target(order.backend, order.device, compiled=not order.forward_only)
    while True:
        try:
            cases = pipe.recv()
        except (EOFError, OSError, KeyboardInterrupt):
            return
        for case in cases:
            try:
                verdict: Any = check(case, target, forward_only=order.forward_only)
                verdict = verdict if order.keep else replace(verdict, arrays={})
            except Exception as error:
                verdict = error
            try:
                pipe.send(verdict)
            except (OSError, KeyboardInterrupt):
                return


@contextmanager
def _single_threads(wanted: bool) -> Iterator[None]:
    """Give the processes started inside one thread each, for several that use all cores slow each other down."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update({name: "1" for name in THREADS if wanted and name not in os.environ})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)

"""Processes that save checkpoints and are ended at it: run as a program, it prints as JSON what was found afterwards.

It imports what it needs once and forks for each writer, so that one is at work within milliseconds.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import resource
import shutil
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from unicnn.errors import CheckpointError
from unicnn.training import checkpoint as sound
from unicnn.training.checkpoint import Checkpoint

from . import naive
from .calls import Calls


@dataclass(frozen=True)
class Way:
    """Hold one way of saving and loading, and the module whose calls of the system it makes."""

    module: ModuleType
    save: Callable[[Checkpoint, Path], object]
    load: Callable[[Path], Checkpoint]


WAYS = {
    "sound": Way(sound, sound.save, lambda folder: sound.load(folder)[0]),
    "naive": Way(naive, naive.save_in_place, naive.load_in_place),
}


def state(step: int, who: int = 0, size: int = 20_000) -> Checkpoint:
    """Return the state after a step: each number tells the step and who has saved it."""
    return Checkpoint(
        step,
        {
            "weight/conv.weight": np.arange(size, dtype=np.float32) + np.float32(step + 100_000 * who),
            "optimizer/conv.weight/velocity": np.full((3, 5), step + who / 8),
            "history/losses": np.arange(step, dtype=np.float64),
            "updates": np.array(step),
        },
        {"seed": 3, "who": who, "size": size},
    )


def problem(found: Checkpoint) -> str:
    """Return what is wrong with a checkpoint that `state` should have made, or nothing."""
    made = state(found.step, found.document["who"], found.document["size"])
    if found.document != made.document or set(found.arrays) != set(made.arrays):
        return f"step {found.step} has other names or another document"
    wrong = [name for name, array in made.arrays.items() if not same(array, found.arrays[name])]
    return f"step {found.step} has other numbers in {wrong}" if wrong else ""


def same(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> bool:
    return (first.dtype, first.shape, first.tobytes()) == (second.dtype, second.shape, second.tobytes())


# A writer tells what it does through a pipe: b"s" and the step before it saves, b"r" once save has returned.
_RECORD = struct.Struct("<cq")


def forked(work: Callable[[int], None]) -> tuple[int, int]:
    """Run work(pipe) in a process of its own, and return its number and the pipe's other end."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    try:
        work(writing)
    except BaseException:
        traceback.print_exc()
        os._exit(3)
    os._exit(0)


def told(pipe: int) -> list[tuple[str, int]]:
    """Return what a writer that has ended had told."""
    with os.fdopen(pipe, "rb") as file:
        return recorded(file.read())


def recorded(content: bytes) -> list[tuple[str, int]]:
    return [(kind.decode(), step) for kind, step in _RECORD.iter_unpack(content)]


def saving(way: Way, pipe: int, checkpoint: Checkpoint, folder: Path) -> None:
    os.write(pipe, _RECORD.pack(b"s", checkpoint.step))
    way.save(checkpoint, folder)
    os.write(pipe, _RECORD.pack(b"r", checkpoint.step))


def found(way: Way, folder: Path, least: int | None) -> dict[str, Any]:
    """Return what is loaded: its step, its writer, and what is wrong with it; `least` is the last step that must not be lost."""
    try:
        loaded = way.load(folder)
        wrong = problem(loaded)
    except Exception as error:
        return {"loaded": None, "problem": f"{type(error).__name__}: {error}" if least is not None else ""}
    if least is not None and loaded.step < least:
        wrong = wrong or f"step {least} was saved, and step {loaded.step} is loaded"
    return {"loaded": loaded.step, "who": loaded.document["who"], "problem": wrong}


def at_random(way: Way, folder: Path, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Kill a writer that saves ever new checkpoints in one folder, `count` times.

    Each saves up to two, and is killed after a part, by chance, of the time that a save takes: on a slow disk as on a fast one.
    """
    chance, first, least, typical = random.Random(seed), 1, None, 0.005

    def endless(pipe: int) -> None:
        step = first
        while True:
            saving(way, pipe, state(step, size=100_000), folder)
            step += 1

    for _ in range(count):
        process, pipe = forked(endless)
        head = os.read(pipe, _RECORD.size)
        for _ in range(2 * chance.randrange(3)):
            started = time.monotonic()
            head += os.read(pipe, _RECORD.size)
            if head[-_RECORD.size :].startswith(b"r"):
                typical = (typical + min(time.monotonic() - started, 0.1)) / 2
        time.sleep(chance.uniform(0, typical))
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        records = [*recorded(head), *told(pipe)]
        least = max([step for kind, step in records if kind == "r"], default=least)
        outcome = found(way, folder, least)
        yield {"killed": os.WIFSIGNALED(status), "inside": records[-1][0] == "s", "saves": len(records) // 2, **outcome}
        first = max(records[-1][1], outcome["loaded"] or 0) + 1


def at_each_call(way: Way, folder: Path, earlier: int, torn: bool, step: int) -> Iterator[dict[str, Any]]:
    """Kill a writer at the k-th of its calls of the system, for all k; torn, at the k-th write, of which half is written."""
    before = folder / "before"
    before.mkdir(parents=True)
    for each in range(1, earlier + 1):
        way.save(state(each), before)
    k = 0
    while True:
        k += 1
        here = folder / str(k)
        shutil.copytree(before, here)
        reading, writing = os.pipe()

        met = itertools.count(1)

        def ended(_count: int, name: str, arguments: tuple[Any, ...], k: int = k, writing: int = writing, met: Iterator[int] = met) -> None:
            if (name == "write" or not torn) and next(met) == k:
                if torn:
                    file, data = arguments
                    file.write(data[: len(data) // 2])
                    file.flush()
                os.write(writing, name.encode())
                os.kill(os.getpid(), signal.SIGKILL)

        def once(pipe: int, ended: Any = ended, here: Path = here) -> None:
            with Calls(ended).between(way.module):
                saving(way, pipe, state(step, who=1), here)

        process, pipe = forked(once)
        _, status = os.waitpid(process, 0)
        os.close(writing)
        name = os.read(reading, 100).decode()
        os.close(reading)
        returned = ("r", step) in told(pipe)
        least = max(earlier, step) if returned else earlier or None
        outcome = {"at": f"{k} {name}", "killed": os.WIFSIGNALED(status), **found(way, here, least)}
        if way.module is sound:  # the next save removes what this one has left behind
            way.save(state(step + 1), here)
            outcome |= {"then": found(way, here, step + 1), "files": sorted(os.listdir(here))}
        yield outcome
        shutil.rmtree(here)
        if not os.WIFSIGNALED(status):
            return


def together(folder: Path, writers: int, steps: int) -> dict[str, Any]:
    """Let several processes save the same steps, each twice, and read meanwhile."""

    def twice(who: int) -> Callable[[int], None]:
        def work(pipe: int) -> None:
            for step in range(1, steps + 1):
                saving(WAYS["sound"], pipe, state(step, who), folder)
                saving(WAYS["sound"], pipe, state(step, who + 4), folder)

        return work

    sound.save(state(0), folder)
    at_work = [forked(twice(who)) for who in range(1, writers + 1)]
    read: list[dict[str, Any]] = []
    codes: list[int] = []
    while len(codes) < writers:
        read.append(found(WAYS["sound"], folder, max([each["loaded"] or 0 for each in read[-1:]], default=0)))
        for process, _ in at_work:
            if process not in codes and os.waitpid(process, os.WNOHANG)[0]:
                codes.append(process)
    returned = [len([kind for kind, _ in told(pipe) if kind == "r"]) for _, pipe in at_work]
    return {"returned": returned, "read": read, "end": found(WAYS["sound"], folder, steps), "files": sorted(os.listdir(folder))}


def limited(folder: Path, limits: list[int]) -> Iterator[dict[str, Any]]:
    """Save with each of some limits on a file's size."""
    # The .json is to be the larger file, so that some limits let the arrays pass and not the .json.
    large = Checkpoint(7, {"w": np.arange(5_000, dtype=np.float32)}, {"text": "x" * 60_000})
    for limit in limits:
        here = folder / str(limit)
        sound.save(state(1), here)
        before = sorted(os.listdir(here))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            sound.save(large, here)
            error = ""
        except CheckpointError as refused:
            error = str(refused)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        after = sorted(os.listdir(here))
        yield {"limit": limit, "error": error, "unchanged": before == after, "loaded": sound.load(here)[0].step, "files": after}


def full(folder: Path) -> Iterator[dict[str, Any]]:
    """Save ever larger checkpoints on a disk that is soon full."""
    for step in range(1, 40):
        try:
            sound.save(state(step, size=2_000 * step), folder)
            error = ""
        except CheckpointError as refused:
            error = str(refused)
        yield {"step": step, "error": error, "files": sorted(os.listdir(folder)), **found(WAYS["sound"], folder, 1)}


def unprivileged(folder: Path) -> dict[str, Any]:
    """Save into a folder in which this process may not write."""
    folder.mkdir()
    folder.chmod(0o555)
    os.chdir(folder)
    if os.geteuid() == 0:
        os.setuid(65534)
    try:
        sound.save(state(1), Path("."))
    except CheckpointError as refused:
        return {"error": str(refused)}
    return {"error": ""}


def main(kind: str, folder: Path, *arguments: str) -> Any:
    if kind == "at-random":
        return list(at_random(WAYS[arguments[0]], folder, int(arguments[1]), int(arguments[2])))
    if kind == "at-each-call":
        return list(at_each_call(WAYS[arguments[0]], folder, int(arguments[1]), arguments[2] == "torn", int(arguments[3])))
    if kind == "together":
        return together(folder, int(arguments[0]), int(arguments[1]))
    if kind == "limited":
        return list(limited(folder, [int(each) for each in arguments]))
    return list(full(folder)) if kind == "full" else unprivileged(folder)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])))

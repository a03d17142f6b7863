"""Removing older checkpoints, arrays that no .json names, and the temporary files of dead writers."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from unicnn.errors import CheckpointError
from unicnn.training.checkpoint.names import DOCUMENT, INSTANCE, PLACE, TEMPORARY, TENSORS, document_name, find
from unicnn.training.checkpoint.reading import read, stated_in

ABANDONED = 3600.0  # seconds


def tidy(folder: Path, step: int, keep: int) -> None:
    """Remove checkpoints older than the newest `keep` undamaged ones, arrays that no .json names, and what dead writers left.

    Other processes may save here at the same time. Their arrays have a name before their .json has; therefore the arrays are
    listed first, then the temporary files, then the .json files are read: arrays that are listed and that a .json is still to
    name show by its temporary file, and such a step is left alone.
    """
    tensors = find(folder, TENSORS)
    busy = _remove_leftovers(folder)
    steps = sorted(each for each in {*tensors, *find(folder, DOCUMENT)} if each <= step)
    sound = [each for each in steps if _is_sound(folder, each)]
    oldest = sound[-keep] if len(sound) >= keep else 0
    for each in steps:  # the oldest first: who finds one gone finds no older one
        if each not in busy:
            _remove(folder, each, tensors.get(each, []), whole=each < oldest)


def _remove(folder: Path, step: int, tensors: list[str], *, whole: bool) -> None:
    """Remove a checkpoint, the .json first, or only those arrays of its step that it does not name."""
    path = folder / document_name(step)
    named = None
    if whole:
        _unlink(path)
    elif os.path.exists(path):
        try:
            named = stated_in(path, read(path)).tensors
        except CheckpointError:
            return  # damaged, and somebody may want to repair it
    for name in tensors:
        if name != named:
            _unlink(folder / name)


def _unlink(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _is_sound(folder: Path, step: int) -> bool:
    """Return whether a checkpoint seems undamaged; its arrays are too large to be read at each save."""
    path = folder / document_name(step)
    try:
        stated = stated_in(path, read(path))
        return os.stat(folder / stated.tensors).st_size == stated.size
    except (CheckpointError, OSError):
        return False


def _remove_leftovers(folder: Path) -> set[int]:
    """Remove the temporary files of dead writers, and return the steps that living ones are about to save."""
    busy: set[int] = set()
    for name in os.listdir(folder):
        if match := TEMPORARY.fullmatch(name):
            if _is_dead(folder / name, *match.groups()[1:]):
                _unlink(folder / name)
            else:
                busy.add(int(match[1]))
    return busy


def _is_dead(path: Path, place: str, process: str, instance: str) -> bool:
    if place == PLACE and int(process) == os.getpid():
        return instance != INSTANCE
    if place == PLACE and os.name != "nt":  # where asking whether a process is alive ends it
        return not _is_alive(int(process))
    try:
        return time.time() - os.stat(path).st_mtime > ABANDONED
    except FileNotFoundError:
        return False  # it has its name by now


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True

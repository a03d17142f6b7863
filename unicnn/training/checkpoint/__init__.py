"""The state of a training run on disk: whatever ends a save in the middle, the checkpoints before it can still be read.

A checkpoint is two files in one folder::

    checkpoint-00000123-5f0c2a9e.safetensors   the arrays
    checkpoint-00000123.json                   step, document, and the name, size and SHA-256 of the other file

Both are written under temporary names and flushed to the disk; then the arrays get their name, and last the .json gets its
own, which is the moment at which the checkpoint exists. The eight hexadecimal digits are random: no two saves give their
arrays the same name, so that saving a step again, or two processes that save into one folder, never overwrite or remove
arrays that some .json still names. The .json ends with the SHA-256 of what stands above it, and is read only if it is, byte
for byte, what this package would write.

A temporary file's name ends in its writer, as in ``.3b1c94d0-4711-a81f03c7.tmp``: the machine, the process and the instance.
It is removed by a later save once that writer is dead; what another machine has left, once it has not changed for an hour.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unicnn.errors import CheckpointError
from unicnn.training.checkpoint.checking import checked_arrays, checked_document, checked_step
from unicnn.training.checkpoint.files import Array
from unicnn.training.checkpoint.names import DOCUMENT, document_name, find
from unicnn.training.checkpoint.reading import read_pair
from unicnn.training.checkpoint.removing import tidy
from unicnn.training.checkpoint.writing import write_pair

_HINTS = {
    errno.ENOSPC: "Free some space, or choose a folder on another disk.",
    errno.EDQUOT: "Free some of your quota, or choose a folder on another disk.",
    errno.EFBIG: "Raise the limit of a file's size (ulimit -f), or choose a folder on another disk.",
    errno.EACCES: "Choose a folder that you may write to.",
    errno.EPERM: "Choose a folder that you may write to.",
    errno.EROFS: "Choose a folder that can be written to.",
    errno.EEXIST: "Choose a folder, not a file.",
    errno.ENOTDIR: "Choose a folder, not a file.",
}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Hold the state of a training run after `step` updates.

    `arrays` are such as "weight/conv1.weight" or "optimizer/conv1.weight/velocity"; `document` is whatever JSON can say:
    the model, the recipe, the seed.
    """

    step: int
    arrays: Mapping[str, Array]
    document: Mapping[str, Any]


def save(checkpoint: Checkpoint, folder: str | Path, *, keep: int = 2) -> Path:
    """Write `checkpoint` into `folder`, remove those older than the newest `keep`, and return the path of its .json.

    When this returns, the disk has it. What is newer than `checkpoint` is never removed, for who goes back to an earlier step
    must not lose the later ones; a checkpoint of the same step is replaced. A CheckpointError says why nothing was written.
    """
    folder = Path(folder)
    if type(keep) is not int or keep < 1:
        raise CheckpointError(f"{folder}: keep is {keep!r}, but must be the number of checkpoints to keep, at least 1.")
    step = checked_step(checkpoint.step, folder)
    arrays = checked_arrays(checkpoint.arrays, f"{folder}: step {step}")
    document = checked_document(checkpoint.document, f"{folder}: step {step}: document")
    try:
        path = write_pair(folder, step, arrays, document)
    except OSError as error:
        hint = _HINTS.get(error.errno or 0, "Check the disk, or choose another folder.")
        raise CheckpointError(
            f"{folder}: the checkpoint of step {step} cannot be written ({error.strerror or error}). {hint} "
            "The earlier checkpoints are as they were."
        ) from None
    # What cannot be removed now (on Windows, a file that somebody reads) is tried again by the next save.
    with contextlib.suppress(OSError):
        tidy(folder, step, keep)
    return path


def load(path: str | Path) -> tuple[Checkpoint, tuple[str, ...]]:
    """Return the newest checkpoint of a folder that can be used, or that of one .json, and why newer ones were refused.

    The newest is the one with the highest step. The reasons are one paragraph for each that was passed over, newest first.
    Raises CheckpointError if there is none, or none that is undamaged.
    """
    path = Path(path)
    if path.suffix == ".json" and not os.path.isdir(path):
        return _load_one(path), ()
    while True:
        steps = saved(path)
        refused: list[str] = []
        for step in reversed(steps):
            try:
                return _load_one(path / document_name(step)), tuple(refused)
            except CheckpointError as error:
                refused.append(str(error))
            if saved(path) != steps:
                break  # somebody saves here meanwhile, and has removed what was to be read: there are newer ones
        else:
            if saved(path) == steps:
                raise CheckpointError(_none_usable(path, refused))


def saved(folder: str | Path) -> tuple[int, ...]:
    """Return the steps of which there is a checkpoint, lowest first; whether they are undamaged only `load` finds out."""
    try:
        return tuple(sorted(find(Path(folder), DOCUMENT)))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise CheckpointError(
            f"{folder}: its checkpoints cannot be listed ({error.strerror or error}). Give the folder that a training has saved into."
        ) from None


def _none_usable(folder: Path, refused: list[str]) -> str:
    if not refused:
        return f"{folder}: there is no checkpoint. Give the folder that a training has saved into, or start anew without one."
    count = "its only checkpoint cannot" if len(refused) == 1 else f"none of its {len(refused)} checkpoints can"
    return f"{folder}: {count} be used. {' '.join(refused)} Restore one from a copy, or start anew in another folder."


def _load_one(path: Path) -> Checkpoint:
    stated, arrays = read_pair(path)
    return Checkpoint(stated.step, arrays, stated.document)


__all__ = ["Checkpoint", "load", "save", "saved"]

"""Writing the two files of a checkpoint, and what is done if that fails."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from unicnn.training.checkpoint.files import FORMAT, VERSION, Array, serialised, text_of
from unicnn.training.checkpoint.names import document_name, temporary_of


def write_pair(folder: Path, step: int, arrays: list[tuple[str, Array]], document: Any) -> Path:
    """Write both files under temporary names, then give them their own, the .json last."""
    _make(folder)
    tensors, path = folder / f"checkpoint-{step:08d}-{os.urandom(4).hex()}.safetensors", folder / document_name(step)
    temporary_tensors, temporary = temporary_of(tensors), temporary_of(tensors.with_suffix(".json"))
    try:
        size, digest = _write(temporary_tensors, serialised(arrays))
        stated = {"file": tensors.name, "bytes": size, "sha256": digest}
        text = text_of({"format": FORMAT, "version": VERSION, "step": step, "document": document, "tensors": stated})
        _write(temporary, [text])
        os.replace(temporary_tensors, tensors)
        # After a power cut the disk may have the later of two renames without the earlier one.
        _sync(folder)
        os.replace(temporary, path)
        _sync(folder)
    except BaseException:
        _undo(temporary_tensors, tensors, temporary)
        raise
    return path


def _undo(temporary_tensors: Path, tensors: Path, temporary: Path) -> None:
    """Remove what a failed save has written.

    While the .json still has its temporary name, nothing names its arrays; afterwards they belong to a checkpoint. A network
    file system may report that a rename has failed although it took place.
    """
    for path in [temporary_tensors, *([tensors] if os.path.exists(temporary) else []), temporary]:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _make(folder: Path) -> None:
    """Create a folder and those above it that are not there, and have the disk keep them."""
    missing = [each for each in (folder, *folder.parents) if not os.path.exists(each)]
    os.makedirs(folder, exist_ok=True)
    for each in missing:
        _sync(each.parent)


def _write(path: Path, chunks: Iterable[bytes]) -> tuple[int, str]:
    """Write a new file, have the disk keep it, and return its size in bytes and its SHA-256."""
    size, digest = 0, hashlib.sha256()
    with open(path, "xb") as file:
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        file.flush()
        os.fsync(file.fileno())
    return size, digest.hexdigest()


def _sync(folder: Path) -> None:
    """Have the disk keep the names in a folder."""
    if os.name == "nt":
        return  # a folder cannot be opened there
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems know no such request, and keep names at once.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)

"""The state of a training run on disk: whatever ends a save in the middle, the checkpoints before it can still be read.

A checkpoint is two files in one folder::

    checkpoint-00000123-5f0c2a9e.safetensors   the arrays
    checkpoint-00000123.json                   step, document, and the name, size and SHA-256 of the other file

Both are written under temporary names and flushed to the disk; then the arrays get their name, and last the .json gets its
own, which is the moment at which the checkpoint exists. The eight hexadecimal digits are random: no two saves give their
arrays the same name, so that saving a step again, or two processes that save into one folder, never overwrite or remove
arrays that some .json still names. The .json ends with the SHA-256 of what stands above it, and is read only if it is, byte
for byte, what this module would write.

A temporary file's name ends in its writer, as in ``.3b1c94d0-4711-a81f03c7.tmp``: the machine, the process and the instance.
It is removed by a later save once that writer is dead; what another machine has left, once it has not changed for an hour.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import platform
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unicnn.errors import CheckpointError

Array = np.ndarray[Any, Any]

FORMAT = "unicnn checkpoint"
VERSION = 1

# By what NumPy calls a little-endian dtype: there is no safetensors name for another order, or for what is not here.
_DTYPES = {
    "|b1": "BOOL", "|i1": "I8", "|u1": "U8", "<i2": "I16", "<u2": "U16", "<i4": "I32", "<u4": "U32", "<i8": "I64", "<u8": "U64",
    "<f2": "F16", "<f4": "F32", "<f8": "F64",
}  # fmt: skip
_CHUNK = 1 << 22
_ABANDONED = 3600.0  # seconds

_STEP = "checkpoint-([0-9]{8}|[1-9][0-9]{8,})"
_DOCUMENT = re.compile(rf"{_STEP}\.json")
_TENSORS = re.compile(rf"{_STEP}-[0-9a-f]{{8}}\.safetensors")
_TEMPORARY = re.compile(rf"{_STEP}.*\.([0-9a-f]{{8}})-([0-9]{{1,10}})-([0-9a-f]{{8}})\.tmp")

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
    step = _checked_step(checkpoint.step, folder)
    arrays = _checked_arrays(checkpoint.arrays, f"{folder}: step {step}")
    document = _checked_document(checkpoint.document, f"{folder}: step {step}: document")
    try:
        path = _write_pair(folder, step, arrays, document)
    except OSError as error:
        hint = _HINTS.get(error.errno or 0, "Check the disk, or choose another folder.")
        raise CheckpointError(
            f"{folder}: the checkpoint of step {step} cannot be written ({error.strerror or error}). {hint} "
            "The earlier checkpoints are as they were."
        ) from None
    # What cannot be removed now (on Windows, a file that somebody reads) is tried again by the next save.
    with contextlib.suppress(OSError):
        _tidy(folder, step, keep)
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
                return _load_one(path / _document_name(step)), tuple(refused)
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
        return tuple(sorted(_find(Path(folder), _DOCUMENT)))
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


# Before anything is written


def _checked_step(step: int, folder: Path) -> int:
    if isinstance(step, bool) or not isinstance(step, (int, np.integer)) or step < 0:
        raise CheckpointError(f"{folder}: the step of a checkpoint is {step!r}, but must be the number of updates, at least 0.")
    return int(step)


def _checked_arrays(arrays: Mapping[str, Array], where: str) -> list[tuple[str, Array]]:
    """Return the arrays in the order in which they are written, the widest numbers first, so that each is aligned."""
    for name, array in arrays.items():
        if not isinstance(name, str) or name == "__metadata__" or not _is_unicode(name):
            raise CheckpointError(f"{where}: an array is called {name!r}, which safetensors cannot keep. Give it another name.")
        if not isinstance(array, np.ndarray) or array.dtype.str not in _DTYPES:
            kind = f"of dtype {array.dtype}" if isinstance(array, np.ndarray) else f"of type {type(array).__name__}"
            known = ", ".join(np.dtype(key).name for key in _DTYPES)
            raise CheckpointError(f"{where}: {name!r} is {kind}, which safetensors cannot keep. Make it an array of one of {known}.")
    return sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0]))


def _is_unicode(name: str) -> bool:
    """Return whether a name can be encoded, which one with half a surrogate pair cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _checked_document(document: Mapping[str, Any], where: str) -> Any:
    if not isinstance(document, Mapping):
        raise CheckpointError(f"{where} is of type {type(document).__name__}, but must be a table, such as {{'seed': 0}}.")
    return _plain(document, where, ())


def _plain(value: Any, where: str, above: tuple[int, ...]) -> Any:
    """Return `value` made of what JSON has; `above` are the ids of what it lies in."""
    if isinstance(value, (str, type(None))) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, int) and value.bit_length() < 1024:  # Python may refuse to write or read many more digits
        return value
    if id(value) in above or len(above) > 100:
        raise CheckpointError(f"{where} lies in itself, or too deeply in others, to be kept as JSON. Keep less of it.")
    above = (*above, id(value))
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(item, f"{where}.{key}", above) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{index}]", above) for index, item in enumerate(value)]
    kind = "a table with keys that are not strings" if isinstance(value, Mapping) else f"of type {type(value).__name__}"
    raise CheckpointError(
        f"{where} is {value if isinstance(value, float) else kind}, which JSON cannot keep. Use strings, finite numbers of less than 300 digits, true, false, null, and "
        "lists and tables of them; numbers that need not be finite belong among the arrays."
    )


# Writing


def _write_pair(folder: Path, step: int, arrays: list[tuple[str, Array]], document: Any) -> Path:
    """Write both files under temporary names, then give them their own, the .json last."""
    _make(folder)
    tensors, path = folder / f"checkpoint-{step:08d}-{os.urandom(4).hex()}.safetensors", folder / _document_name(step)
    temporary_tensors, temporary = _temporary(tensors), _temporary(tensors.with_suffix(".json"))
    try:
        size, digest = _write(temporary_tensors, _serialised(arrays))
        stated = {"file": tensors.name, "bytes": size, "sha256": digest}
        text = _text({"format": FORMAT, "version": VERSION, "step": step, "document": document, "tensors": stated})
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


def _serialised(arrays: list[tuple[str, Array]]) -> Iterator[bytes]:
    """Yield a safetensors file in pieces.

    The library's own writer says neither which error of the system it met nor what it wrote. Each piece is a copy, so that
    what is hashed is what is written, even if somebody changes the array meanwhile.
    """
    header, end = {}, 0
    for name, array in arrays:
        header[name] = {"dtype": _DTYPES[array.dtype.str], "shape": array.shape, "data_offsets": (end, end + array.nbytes)}
        end += array.nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for _, array in arrays:
        flat = np.asarray(array, order="C").reshape(-1).view(np.uint8)
        for start in range(0, flat.size, _CHUNK):
            yield flat[start : start + _CHUNK].tobytes()


def _text(content: dict[str, Any]) -> bytes:
    """Return the content of a .json; its last line is the SHA-256 of the text without that line."""
    digest = hashlib.sha256(_dumps(content)).hexdigest()
    return _dumps({**content, "sha256": digest})


def _dumps(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


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


# Removing


def _tidy(folder: Path, step: int, keep: int) -> None:
    """Remove checkpoints older than the newest `keep` undamaged ones, arrays that no .json names, and what dead writers left.

    Other processes may save here at the same time. Their arrays have a name before their .json has; therefore the arrays are
    listed first, then the temporary files, then the .json files are read: arrays that are listed and that a .json is still to
    name show by its temporary file, and such a step is left alone.
    """
    tensors = _find(folder, _TENSORS)
    busy = _remove_leftovers(folder)
    steps = sorted(each for each in {*tensors, *_find(folder, _DOCUMENT)} if each <= step)
    sound = [each for each in steps if _is_sound(folder, each)]
    oldest = sound[-keep] if len(sound) >= keep else 0
    for each in steps:  # the oldest first: who finds one gone finds no older one
        if each not in busy:
            _remove(folder, each, tensors.get(each, []), whole=each < oldest)


def _remove(folder: Path, step: int, tensors: list[str], *, whole: bool) -> None:
    """Remove a checkpoint, the .json first, or only those arrays of its step that it does not name."""
    path = folder / _document_name(step)
    named = None
    if whole:
        _unlink(path)
    elif os.path.exists(path):
        try:
            named = _stated(path, _read(path)).tensors
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
    path = folder / _document_name(step)
    try:
        stated = _stated(path, _read(path))
        return os.stat(folder / stated.tensors).st_size == stated.size
    except (CheckpointError, OSError):
        return False


def _find(folder: Path, pattern: re.Pattern[str]) -> dict[int, list[str]]:
    """Return the names in a folder that match `pattern`, by step."""
    found: dict[int, list[str]] = {}
    for name in os.listdir(folder):
        if match := pattern.fullmatch(name):
            found.setdefault(int(match[1]), []).append(name)
    return found


def _document_name(step: int) -> str:
    return f"checkpoint-{step:08d}.json"


def _place() -> str:
    """Return eight digits for the realm in which a process has one number: a machine, or a container on it."""
    try:
        realm = os.readlink("/proc/self/ns/pid")
    except OSError:
        realm = ""
    return hashlib.sha256(f"{platform.node()} {realm}".encode()).hexdigest()[:8]


# A number of a process is given again, in a container that starts anew often the same one. After a fork the number differs.
_PLACE, _INSTANCE = _place(), os.urandom(4).hex()


def _temporary(path: Path) -> Path:
    return path.with_name(f"{path.name}.{_PLACE}-{os.getpid()}-{_INSTANCE}.tmp")


def _remove_leftovers(folder: Path) -> set[int]:
    """Remove the temporary files of dead writers, and return the steps that living ones are about to save."""
    busy: set[int] = set()
    for name in os.listdir(folder):
        if match := _TEMPORARY.fullmatch(name):
            if _is_dead(folder / name, *match.groups()[1:]):
                _unlink(folder / name)
            else:
                busy.add(int(match[1]))
    return busy


def _is_dead(path: Path, place: str, process: str, instance: str) -> bool:
    if place == _PLACE and int(process) == os.getpid():
        return instance != _INSTANCE
    if place == _PLACE and os.name != "nt":  # where asking whether a process is alive ends it
        return not _is_alive(int(process))
    try:
        return time.time() - os.stat(path).st_mtime > _ABANDONED
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


# Reading


@dataclass(frozen=True)
class _Stated:
    """Hold what a .json says, its own SHA-256 found right."""

    step: int
    document: dict[str, Any]
    tensors: str
    size: int
    digest: str


def _load_one(path: Path) -> Checkpoint:
    while True:
        text = _read(path)
        try:
            stated = _stated(path, text)
            return Checkpoint(stated.step, _arrays(path, stated), stated.document)
        except CheckpointError:
            # Somebody who saves the same step again replaces the .json, and then removes the arrays it named.
            if _read(path) == text:
                raise


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise CheckpointError(f"{path.name}: cannot be read ({error.strerror or error}). Check the path {path}.") from None


def _stated(path: Path, text: bytes) -> _Stated:
    """Return what a .json says, or raise CheckpointError if it is damaged or not a checkpoint."""
    content = _parsed(path.name, text)
    match = _DOCUMENT.fullmatch(path.name)
    if match is None or content.get("step") != int(match[1]) or type(content["step"]) is not int:
        raise CheckpointError(
            f"{path.name}: is not called as the checkpoint of its step {content.get('step')!r:.40} is, checkpoint-<eight digits>.json. "
            "Give it back the name it was saved under."
        )
    document, tensors = content.get("document"), content.get("tensors")
    if isinstance(document, dict) and isinstance(tensors, dict) and set(tensors) == {"file", "bytes", "sha256"}:
        name, size, digest = tensors["file"], tensors["bytes"], tensors["sha256"]
        named = _TENSORS.fullmatch(name) if isinstance(name, str) else None
        if named and named[1] == match[1] and type(size) is int and isinstance(digest, str):
            return _Stated(content["step"], document, name, size, digest)
    raise CheckpointError(
        f"{path.name}: does not state a document and the file, bytes and sha256 of its own tensors; it is not a checkpoint."
    )


def _parsed(name: str, text: bytes) -> dict[str, Any]:
    """Return the table in a .json that is, byte for byte, what `save` writes."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{name}: is not complete JSON ({str(error) or 'nested too deeply'}); it is truncated or damaged.") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{name}: does not state the format {FORMAT!r}; it is damaged, or not a checkpoint.")
    version = content.get("version")
    if type(version) is int and version > VERSION:
        raise CheckpointError(
            f"{name}: has version {version} of the format, and this unicnn reads version {VERSION}. Install the unicnn that wrote it, or a newer one."
        )
    try:
        written = _text({key: value for key, value in content.items() if key != "sha256"})
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{name}: holds what no checkpoint does ({error}); it is damaged.") from None
    if written != text:
        raise CheckpointError(
            f"{name}: its SHA-256 is not the one that its last line states; it has been damaged or changed since it was written."
        )
    if version != VERSION:
        raise CheckpointError(f"{name}: has version {version!r:.40} of the format, which there never was; it is damaged.")
    return content


def _arrays(path: Path, stated: _Stated) -> dict[str, Array]:
    """Return the arrays that a .json names, or raise CheckpointError if they are not those that were saved."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    tensors = path.with_name(stated.tensors)
    try:
        size, digest = os.stat(tensors).st_size, ""
        if size == stated.size:
            digest = _digest(tensors)
        # The library would check the header against the size of the file, but not the numbers.
        arrays = load_file(tensors) if digest == stated.digest else {}
    except OSError as error:
        raise CheckpointError(f"{tensors.name}: cannot be read ({error.strerror or error}), and {path.name} needs it.") from None
    except (SafetensorError, LookupError, TypeError, ValueError) as error:  # the latter of a dtype that NumPy has not
        raise CheckpointError(
            f"{tensors.name}: is not a safetensors file of arrays that NumPy knows ({error}); it is not a checkpoint."
        ) from None
    if size != stated.size:
        raise CheckpointError(f"{tensors.name}: has {size} bytes, and {path.name} states {stated.size}; it is truncated or damaged.")
    if digest != stated.digest:
        raise CheckpointError(
            f"{tensors.name}: its SHA-256 is not the one that {path.name} states; it has been damaged or changed since it was written."
        )
    return dict(arrays)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()

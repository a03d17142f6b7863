"""Reading a checkpoint: damage is noticed, and said in one paragraph."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unicnn.errors import CheckpointError
from unicnn.training.checkpoint.files import CHUNK, DTYPES, FORMAT, VERSION, Array, text_of
from unicnn.training.checkpoint.names import DOCUMENT, TENSORS


@dataclass(frozen=True)
class Stated:
    """Hold what a .json says, its own SHA-256 found right."""

    step: int
    document: dict[str, Any]
    tensors: str
    size: int
    digest: str


def read_pair(path: Path) -> tuple[Stated, dict[str, Array]]:
    """Return what a .json says and the arrays that it names, or raise CheckpointError if either is damaged."""
    while True:
        text = read(path)
        try:
            stated = stated_in(path, text)
            return stated, _arrays(path, stated)
        except CheckpointError:
            # Somebody who saves the same step again replaces the .json, and then removes the arrays it named.
            if read(path) == text:
                raise


def read(path: Path) -> bytes:
    """Return the content of a .json."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise CheckpointError(f"{path.name}: cannot be read ({error.strerror or error}). Check the path {path}.") from None


def stated_in(path: Path, text: bytes) -> Stated:
    """Return what a .json says, or raise CheckpointError if it is damaged or not a checkpoint."""
    content = _parsed(path.name, text)
    match = DOCUMENT.fullmatch(path.name)
    if match is None or content.get("step") != int(match[1]) or type(content["step"]) is not int:
        raise CheckpointError(
            f"{path.name}: is not called as the checkpoint of its step {content.get('step')!r:.40} is, checkpoint-<eight digits>.json. "
            "Give it back the name it was saved under."
        )
    document, tensors = content.get("document"), content.get("tensors")
    if isinstance(document, dict) and isinstance(tensors, dict) and set(tensors) == {"file", "bytes", "sha256"}:
        name, size, digest = tensors["file"], tensors["bytes"], tensors["sha256"]
        named = TENSORS.fullmatch(name) if isinstance(name, str) else None
        if named and named[1] == match[1] and type(size) is int and isinstance(digest, str):
            return Stated(content["step"], document, name, size, digest)
    raise CheckpointError(
        f"{path.name}: does not state a document and the file, bytes and sha256 of its own tensors; it is not a checkpoint."
    )


def _parsed(name: str, text: bytes) -> dict[str, Any]:
    """Return the table in a .json that is, byte for byte, what is written."""
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
        written = text_of({key: value for key, value in content.items() if key != "sha256"})
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{name}: holds what no checkpoint does ({error}); it is damaged.") from None
    if written != text:
        raise CheckpointError(
            f"{name}: its SHA-256 is not the one that its last line states; it has been damaged or changed since it was written."
        )
    if version != VERSION:
        raise CheckpointError(f"{name}: has version {version!r:.40} of the format, which there never was; it is damaged.")
    return content


def _arrays(path: Path, stated: Stated) -> dict[str, Array]:
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
        for name, array in arrays.items():
            if array.dtype.str not in DTYPES:  # TensorFlow teaches NumPy bfloat16, which no checkpoint holds
                raise TypeError(f"{name!r} is of {array.dtype}")
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
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()

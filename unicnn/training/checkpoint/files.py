"""How the two files of a checkpoint are made of what it holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

FORMAT = "unicnn checkpoint"
VERSION = 1

# By what NumPy calls a little-endian dtype: there is no safetensors name for another order, or for what is not here.
DTYPES = {
    "|b1": "BOOL", "|i1": "I8", "|u1": "U8", "<i2": "I16", "<u2": "U16", "<i4": "I32", "<u4": "U32", "<i8": "I64", "<u8": "U64",
    "<f2": "F16", "<f4": "F32", "<f8": "F64",
}  # fmt: skip
CHUNK = 1 << 22


def serialised(arrays: list[tuple[str, Array]]) -> Iterator[bytes]:
    """Yield a safetensors file in pieces.

    The library's own writer says neither which error of the system it met nor what it wrote. Each piece is a copy, so that
    what is hashed is what is written, even if somebody changes the array meanwhile.
    """
    header, end = {}, 0
    for name, array in arrays:
        header[name] = {"dtype": DTYPES[array.dtype.str], "shape": array.shape, "data_offsets": (end, end + array.nbytes)}
        end += array.nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for _, array in arrays:
        flat = np.asarray(array, order="C").reshape(-1).view(np.uint8)
        for start in range(0, flat.size, CHUNK):
            yield flat[start : start + CHUNK].tobytes()


def text_of(content: dict[str, Any]) -> bytes:
    """Return the content of a .json; its last line is the SHA-256 of the text without that line."""
    digest = hashlib.sha256(_dumps(content)).hexdigest()
    return _dumps({**content, "sha256": digest})


def _dumps(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()

"""Read idx files, the format of MNIST and Fashion-MNIST, plain or gzipped.

A file is two zero bytes, a type byte, the number of dimensions, each dimension as a big-endian
32-bit number, then the values. Source: http://yann.lecun.com/exdb/mnist/ (end of the page).
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from io import BufferedIOBase
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unicnn.errors import DataError

Bytes = npt.NDArray[np.uint8]

# The whole of Fashion-MNIST is 47 MB; a file that claims far more is not one of its kind.
LARGEST_PAYLOAD = 1 << 28

_UINT8 = 0x08
_TYPES = {
    0x08: "uint8",
    0x09: "int8",
    0x0B: "int16",
    0x0C: "int32",
    0x0D: "float32",
    0x0E: "float64",
}
_GZIP_MAGIC = b"\x1f\x8b"
# Deflate spends at least two bits on at most 258 bytes. Source: https://zlib.net/zlib_tech.html
_GZIP_BEST_RATIO = 1032
_CHUNK = 1 << 20
_AGAIN = "download it again or pass another folder."


def read_images(path: Path) -> Bytes:
    """Read an idx file of grey images.

    Returns a read-only uint8 array (N, rows, columns). Raises DataError for any other file.
    """
    return _read(path, dimensions=3)


def read_labels(path: Path, *, classes: int = 10) -> Bytes:
    """Read an idx file of class numbers.

    Returns a read-only uint8 array (N,) with values in 0..classes-1. Raises DataError otherwise.
    """
    labels = _read(path, dimensions=1)
    wrong = np.flatnonzero(labels >= classes)
    if wrong.size:
        first = int(wrong[0])
        raise DataError(
            f"{path}: label {first} is {labels[first]}, but the labels of {classes} classes lie in "
            f"0..{classes - 1}. The file is damaged or of another data set; {_AGAIN}"
        )
    return labels


def read_pair(images: Path, labels: Path, *, classes: int = 10) -> tuple[Bytes, Bytes]:
    """Read images and their labels, and check that there is one label per image.

    Returns uint8 arrays (N, rows, columns) and (N,). Raises DataError, see the two readers.
    """
    pixels, numbers = read_images(images), read_labels(labels, classes=classes)
    if len(pixels) != len(numbers):
        raise DataError(
            f"{images}: the file holds {len(pixels)} images but {labels.name} holds "
            f"{len(numbers)} labels. The two files do not belong together; {_AGAIN}"
        )
    return pixels, numbers


def _read(path: Path, dimensions: int) -> Bytes:
    try:
        size = _size_on_disk(path)
        with path.open("rb") as file:
            # The content decides, not the name: browsers unpack a download and keep its ".gz".
            if file.peek(2)[:2] == _GZIP_MAGIC:
                with gzip.GzipFile(fileobj=file) as unzipped:
                    most = size * _GZIP_BEST_RATIO
                    return _parse(unzipped, path, dimensions, most, "can hold at most")
            most = max(size - 4 - 4 * dimensions, 0)
            return _parse(file, path, dimensions, most, "holds")
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path}: the gzip data cannot be unpacked ({error}). The file is truncated or damaged; {_AGAIN}") from error
    except OSError as error:
        raise DataError(_unreadable(path, error.strerror or str(error))) from error


def _size_on_disk(path: Path) -> int:
    """Return the size in bytes, and refuse what is not a plain file: a pipe would wait for ever."""
    if not path.exists():
        raise DataError(_unreadable(path, "there is no such file"))
    if not path.is_file():
        raise DataError(_unreadable(path, "it is not a plain file"))
    return path.stat().st_size


def _unreadable(path: Path, reason: str) -> str:
    return f"{path}: the file cannot be read ({reason}). Check the path and its permissions."


def _parse(stream: BufferedIOBase, path: Path, dimensions: int, most: int, holds: str) -> Bytes:
    """Read header and values; most is the payload that a file of this size can hold."""
    shape = _read_shape(stream, path, dimensions)
    claimed = math.prod(shape)
    if claimed > most:
        raise _mismatch(path, shape, f"{holds} {most}", "is truncated")
    if claimed > LARGEST_PAYLOAD:
        held = f"may hold at most {LARGEST_PAYLOAD} here"
        raise _mismatch(path, shape, held, "is no MNIST-like data set")
    # One byte more than claimed tells a longer file (or a gzip bomb) without unpacking the rest.
    payload = _read_at_most(stream, claimed + 1)
    if len(payload) < claimed:
        raise _mismatch(path, shape, f"holds {len(payload)}", "is truncated")
    if len(payload) > claimed:
        raise _mismatch(path, shape, "holds more", "is damaged or of another kind")
    values = np.frombuffer(payload, np.uint8).reshape(shape)
    values.setflags(write=False)
    return values


def _read_shape(stream: BufferedIOBase, path: Path, dimensions: int) -> tuple[int, ...]:
    header = stream.read(4)
    if len(header) < 4 or header[:2] != b"\0\0" or header[2] not in _TYPES:
        raise DataError(
            f"{path}: the file starts with {header.hex(' ') or 'nothing'}, but an idx file with "
            "00 00, a type byte and the number of dimensions. It is empty or of another format; "
            f"{_AGAIN}"
        )
    if header[2] != _UINT8:
        raise DataError(
            f"{path}: the file holds {_TYPES[header[2]]} values (type byte 0x{header[2]:02x}), "
            f"but images and labels are uint8 (0x{_UINT8:02x}). Save the values as uint8 or pass "
            "another folder."
        )
    if header[3] != dimensions:
        raise DataError(
            f"{path}: the file has {header[3]} dimensions, but images have 3 and labels 1, and "
            f"{dimensions} are needed here. Images and labels may be swapped; pass another folder "
            "or rename the files."
        )
    sizes = stream.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise DataError(f"{path}: the file ends inside its header. The file is truncated; {_AGAIN}")
    return struct.unpack(f">{dimensions}I", sizes)


def _read_at_most(stream: BufferedIOBase, limit: int) -> bytearray:
    """Read up to limit bytes in pieces, so that memory grows with the file, not with its claim."""
    read = bytearray()
    while len(read) < limit:
        piece = stream.read(min(_CHUNK, limit - len(read)))
        if not piece:
            break
        read += piece
    return read


def _mismatch(path: Path, shape: tuple[int, ...], held: str, conclusion: str) -> DataError:
    claim = "x".join(map(str, shape))
    return DataError(f"{path}: the header claims {claim} bytes but the file {held}. The file {conclusion}; {_AGAIN}")

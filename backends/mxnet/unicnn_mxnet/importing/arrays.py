"""Reading MXNet's binary file of arrays: a list of headers and raw numbers, which is measured before it is believed."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

from unicnn.errors import PortError
from unicnn_mxnet.compat import mx

_LIST = 0x112
_VERSIONS = {0xF993FAC8: 1, 0xF993FAC9: 2, 0xF993FACA: 3}
_TYPES = {0: np.float32, 1: np.float64, 2: np.float16, 3: np.uint8, 4: np.int32, 5: np.int8, 6: np.int64, 7: np.bool_}


def of(values: np.ndarray[Any, Any], dtype: Any) -> Any:
    """Return NumPy's array as one of MXNet's; mx.nd.array would copy twice, and warn of SciPy."""
    array = mx.nd.empty(values.shape or (1,), dtype=dtype)
    array._sync_copyfrom(np.asarray(values, array.dtype).reshape(array.shape))
    return array


def values_of(array: Any) -> np.ndarray[Any, Any]:
    """Return the values of an array as a copy, when MXNet has come to rest.

    In inference MXNet moves weights into an order of oneDNN's own, in its own time: what NumPy shared would be garbage then, and
    so is now and then what asnumpy reads while weights are on the move, if it does not crash.
    """
    mx.nd.waitall()
    return array.asnumpy()  # type: ignore[no-any-return]


class _Bytes:
    """Be a file's bytes, read from the front."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, form: str) -> tuple[Any, ...]:
        """Return the numbers at the front."""
        size = struct.calcsize(form)
        return struct.unpack(form, self.part(size))

    def part(self, size: int) -> bytes:
        """Return that many bytes, or raise EOFError."""
        if size < 0 or self.at + size > len(self.data):
            raise EOFError
        self.at += size
        return self.data[self.at - size : self.at]


def arrays_in(path: Path) -> dict[str, Any]:
    """Return the arrays in a file by name, as MXNet's."""
    try:
        file = _Bytes(path.read_bytes())
    except OSError as error:
        raise PortError(f"{path} cannot be read: {error.strerror}. Give the file of arrays that belongs to the graph.") from None
    try:
        magic, _, count = file.take("<QQQ")
        if magic != _LIST:
            raise ValueError("it does not begin as one")
        arrays = [_array(file) for _ in range(_bounded(file, count))]
        names = [file.part(_bounded(file, file.take("<Q")[0])).decode() for _ in range(_bounded(file, file.take("<Q")[0]))]
        if len(names) != len(arrays) or file.at != len(file.data):
            raise ValueError(f"{len(names)} names for {len(arrays)} arrays, and {len(file.data) - file.at} bytes too many")
    except (EOFError, ValueError, struct.error, UnicodeDecodeError) as error:
        why = "it ends too early" if isinstance(error, EOFError) else str(error)
        raise PortError(
            f"{path.name} is not a file of arrays of MXNet, or it is damaged: {why}. Write it anew with net.export(name)."
        ) from None
    return dict(zip(names, arrays, strict=True))


def _bounded(file: _Bytes, count: int) -> int:
    """Return a count that may be true: whatever is counted takes at least a byte."""
    if count > len(file.data):
        raise EOFError
    return int(count)


def _array(file: _Bytes) -> Any:
    (magic,) = file.take("<I")
    version = _VERSIONS.get(magic, 0)
    if version >= 2 and file.take("<i")[0] != 0:
        raise ValueError("an array in it is sparse")
    axes = magic if not version else file.take("<i")[0]
    if not 0 <= axes <= 32:
        raise ValueError(f"an array in it has {axes} axes")
    shape = file.take(f"<{axes}{'q' if version else 'I'}")
    file.take("<ii")  # the device that it was on
    (kind,) = file.take("<i")
    if kind not in _TYPES or any(size < 0 for size in shape):
        raise ValueError(f"an array in it is of type {kind} and shape {shape}")
    dtype = np.dtype(_TYPES[kind])
    values = np.frombuffer(file.part(math.prod(shape) * dtype.itemsize), dtype).reshape(shape)
    return of(values, dtype)

"""What is checked of a checkpoint before anything is written: that it could be read again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from unicnn.errors import CheckpointError
from unicnn.training.checkpoint.files import DTYPES, Array


def checked_step(step: int, folder: Path) -> int:
    """Return the step as an int of Python's."""
    if isinstance(step, bool) or not isinstance(step, (int, np.integer)) or step < 0:
        raise CheckpointError(f"{folder}: the step of a checkpoint is {step!r}, but must be the number of updates, at least 0.")
    return int(step)


def checked_arrays(arrays: Mapping[str, Array], where: str) -> list[tuple[str, Array]]:
    """Return the arrays in the order in which they are written, the widest numbers first, so that each is aligned."""
    for name, array in arrays.items():
        if not isinstance(name, str) or name == "__metadata__" or not _is_unicode(name):
            raise CheckpointError(f"{where}: an array is called {name!r}, which safetensors cannot keep. Give it another name.")
        if not isinstance(array, np.ndarray) or array.dtype.str not in DTYPES:
            kind = f"of dtype {array.dtype}" if isinstance(array, np.ndarray) else f"of type {type(array).__name__}"
            known = ", ".join(np.dtype(key).name for key in DTYPES)
            raise CheckpointError(f"{where}: {name!r} is {kind}, which safetensors cannot keep. Make it an array of one of {known}.")
    return sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0]))


def _is_unicode(name: str) -> bool:
    """Return whether a name can be encoded, which one with half a surrogate pair cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def checked_document(document: Mapping[str, Any], where: str) -> Any:
    """Return the document made of what JSON has."""
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

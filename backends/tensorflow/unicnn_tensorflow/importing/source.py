"""Which line of the user's made a call: the innermost one that is neither the framework's nor ours."""

from __future__ import annotations

import linecache
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from unicnn.porting.tape import Where

BOUNDARY = "traced_by_unicnn"
"""The name of the function that runs the user's code; whoever called it has nothing to do with the network."""

_HERE = os.path.dirname(os.path.abspath(__file__))
_STANDARD = os.path.dirname(os.path.abspath(os.__file__))
_FRAMEWORKS = tuple(os.path.dirname(os.path.abspath(str(module.__file__))) + os.sep for module in (keras, tf))


def where(operation: tf.Operation) -> Where | None:
    """Return the user's line that made an operation; None if the network was put together before it was traced."""
    for frame in reversed(tuple(operation.traceback or ())):
        if frame.name == BOUNDARY:
            return None
        if not _foreign(frame.filename):
            return Where(frame.filename, frame.lineno, frame.line or linecache.getline(frame.filename, frame.lineno).strip())
    return None


def made_by_framework(operation: tf.Operation, machinery: Iterable[str]) -> bool:
    """Tell whether it was the framework that called the `machinery` (parts of its paths) that made an operation, and not the user."""
    parts = tuple(machinery)
    for frame in reversed(tuple(operation.traceback or ())):
        path = Path(frame.filename).as_posix()
        if not any(part in path for part in parts):
            return frame.filename.startswith(_FRAMEWORKS)
    return False


def _foreign(filename: Any) -> bool:
    """Tell whether a file is the framework's, ours or Python's own."""
    path = os.path.abspath(filename)
    standard = path.startswith(_STANDARD) and "site-packages" not in path
    return path.startswith((*_FRAMEWORKS, _HERE)) or standard or filename.startswith("<frozen")

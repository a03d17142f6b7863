"""The line of a user's source that made a call."""

from __future__ import annotations

import os
import re
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch

from unicnn.porting.tape import Where

_FRAMEWORK = tuple(f"{folder}{os.sep}" for folder in (Path(torch.__file__).parent, Path(__file__).parents[1]))
_LIBRARY = f"{sysconfig.get_paths()['stdlib']}{os.sep}"


def where(trace: str | None) -> Where | None:
    """Return the innermost line of a printed stack that is the user's."""
    return _innermost(_frames(trace or ""))


def user_line(error: BaseException) -> Where | None:
    """Return the innermost line of the user's that an error passed."""
    return _innermost((frame.filename, frame.lineno or 0, frame.line or "") for frame in traceback.extract_tb(error.__traceback__))


def _innermost(frames: Iterable[tuple[str, int, str]]) -> Where | None:
    found = None
    for file, line, text in frames:
        library = file.startswith(_LIBRARY) and "site-packages" not in file
        if not file.startswith((*_FRAMEWORK, "<")) and not library:
            found = Where(file, line, text)
    return found


def _frames(trace: str) -> Iterator[tuple[str, int, str]]:
    for match in re.finditer(r'File "(.+?)", line (\d+), in .*\n(?:    (.*))?', trace):
        yield match[1], int(match[2]), match[3] or ""

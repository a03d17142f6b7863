"""Which line of whose source made a call."""

from __future__ import annotations

import linecache
import sys
from types import FrameType

from unicnn.porting.tape import Where

_OURS = "unicnn_mxnet.importing"


def here() -> Where | None:
    """Return the innermost line of the user's source among the calls in progress; None if only MXNet's own code is at work."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module == "unicnn_mxnet.importing.calling":  # beyond it lies whoever wants the network read
            return None
        if not (module == "mxnet" or module.startswith(("mxnet.", _OURS))):
            file, line = frame.f_code.co_filename, frame.f_lineno
            return Where(file, line, linecache.getline(file, line, frame.f_globals).strip())
        frame = frame.f_back
    return None

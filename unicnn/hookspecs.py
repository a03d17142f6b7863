"""The hooks of the entry-point group `unicnn`: how a plugin makes itself known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from unicnn.backend import BackendInfo
    from unicnn.porting.dialect import DialectInfo

GROUP = "unicnn"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def unicnn_backend() -> BackendInfo:  # type: ignore[empty-body]
    """Return the descriptor of a backend; import nothing heavy to make it."""


@hookspec
def unicnn_dialect() -> DialectInfo:  # type: ignore[empty-body]
    """Return the descriptor of a dialect, a framework's way of writing networks down; import nothing heavy to make it."""

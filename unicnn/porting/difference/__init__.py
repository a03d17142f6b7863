"""Two networks or two recipes side by side: what differs, and what the difference does to the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unicnn.porting.difference.asking import diff
    from unicnn.porting.difference.result import Difference, Effect, NetworkDiff, RecipeDiff

__all__ = ["Difference", "Effect", "NetworkDiff", "RecipeDiff", "diff"]


def __getattr__(name: str) -> Any:
    # The command line imports this package before it knows which command will run.
    if name == "diff":
        from unicnn.porting.difference import asking

        return asking.diff
    if name in __all__:
        from unicnn.porting.difference import result

        return getattr(result, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The conformance kit: cases as data, and the checks that a backend must pass on them.

``from unicnn.conformance import BackendConformance`` and a class of two lines make a backend's tests; ``unicnn conformance`` runs the same
cases without a checkout. Importing this package imports nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unicnn.conformance.suite import BackendConformance

__all__ = ["BackendConformance"]


def __getattr__(name: str) -> Any:
    if name == "BackendConformance":
        from unicnn.conformance.suite import BackendConformance

        return BackendConformance
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

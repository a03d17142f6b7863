"""Known differences: where a framework, run natively, departs from what unicnn decided, and why.

Each backend keeps its own in known_differences.toml: tables `[[difference]]` with `case` (a path, or a pattern with *),
`kind`, `reason`, `link` and `versions`. They are strict: a case that is listed and passes is as wrong as one that is
not listed and fails, unless `varies = true` says that it depends on the processor; and a pattern that no case matches is
stale.
"""

from __future__ import annotations

import fnmatch
import importlib.resources
import sys
from dataclasses import dataclass

from unicnn import plugins

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "known_differences.toml"


@dataclass(frozen=True)
class Difference:
    """Declare that a backend departs from a decision, and why."""

    case: str
    kind: str
    reason: str
    link: str
    versions: str
    varies: bool = False

    def covers(self, path: str) -> bool:
        """Tell whether the case called `path` is meant."""
        return fnmatch.fnmatchcase(path, self.case)


def known(backend: str) -> tuple[Difference, ...]:
    """Return the known differences of a backend, usable here or not; none if it keeps no file."""
    info = next((item.info for item in plugins.discover() if item.name == backend), None)
    if info is None:
        return ()
    file = importlib.resources.files(info.package).joinpath(FILE)
    if not file.is_file():
        return ()
    return tuple(Difference(**table) for table in tomllib.loads(file.read_text(encoding="utf-8")).get("difference", []))


def find(backend: str, path: str) -> Difference | None:
    """Return the difference that covers the case called `path`, or None."""
    return next((item for item in known(backend) if item.covers(path)), None)

"""Known differences: where a framework, run natively, departs from what unicnn decided, and why.

Each backend keeps its own in known_differences.toml: tables `[[difference]]` with `case` (a case's id, or a pattern with *), `kind`, `reason`,
`link`, `versions` and `devices` (lists of patterns: what was seen on which). They are strict: a case that is listed and passes is as wrong as one
that is not listed and fails, unless `varies = true` says that it depends on the processor, or the version or device is not one of those listed.
A pattern that no case matches is stale.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import importlib.resources
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from unicnn import plugins
from unicnn.errors import DescriptionError

if TYPE_CHECKING:
    from unicnn.conformance.target import Target

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "known_differences.toml"
KINDS = ("special value", "sign of zero", "subnormal", "accuracy", "crash", "wrong result")


@dataclass(frozen=True)
class Difference:
    """Declare that a backend departs from a decision, and why; `reproduction` names a folder of the documentation that shows it."""

    case: str
    kind: str
    reason: str
    link: str
    versions: tuple[str, ...]
    devices: tuple[str, ...] = ("cpu",)
    varies: bool = False
    reproduction: str = ""
    strict: bool = True

    def covers(self, case: str) -> bool:
        """Tell whether the case of this id is meant."""
        return fnmatch.fnmatchcase(case, self.case)


@lru_cache(maxsize=16)
def known(backend: str) -> tuple[Difference, ...]:
    """Return the known differences of a backend, usable here or not; none if it keeps no file. Raise DescriptionError if it cannot be read."""
    info = plugins.info(backend)
    if info is None:
        return ()
    file = importlib.resources.files(info.package).joinpath(FILE)
    if not file.is_file():
        return ()
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8")).get("difference", [])
        return tuple(_difference(table) for table in tables)
    except (tomllib.TOMLDecodeError, TypeError, ValueError) as error:
        raise DescriptionError(
            f"{info.package}/{FILE} cannot be read: {error}. Each [[difference]] needs case, kind, reason, link and versions."
        ) from None


def _difference(table: dict[str, Any]) -> Difference:
    listed: dict[str, Any] = {key: tuple(table[key]) for key in ("versions", "devices") if key in table}
    found = Difference(**(table | listed))
    if found.kind not in KINDS:
        raise ValueError(f"{found.case}: the kind {found.kind!r} is none of {', '.join(KINDS)}")
    if isinstance(table["versions"], str) or not found.versions:
        raise ValueError(f"{found.case}: versions must be a list of patterns, such as ['1.9.*']")
    return found


def find(target: Target, case: str) -> Difference | None:
    """Return the difference that covers a case on a target, strict if it was seen on this version and device, or None."""
    found = next((item for item in known(target.backend) if item.covers(case)), None)
    if found is None:
        return None
    seen = _any(found.versions, target.version) and _any(found.devices, target.device)
    return dataclasses.replace(found, strict=seen and not found.varies)


def _any(patterns: Iterable[str], value: str) -> bool:
    return any(fnmatch.fnmatchcase(value, pattern) for pattern in patterns)


def stale(backend: str, cases: Iterable[str]) -> list[str]:
    """Return the patterns of a backend's known differences that cover none of these cases."""
    names = list(cases)
    return [item.case for item in known(backend) if not any(map(item.covers, names))]

"""Recorded results: what a backend computed of every bounded case, to be compared with another version, environment or machine.

Exact and identical cases need no record: there is one right answer, and its digest is part of the kit.
"""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from unicnn.conformance.kit import Verdict
from unicnn.errors import DataError

if TYPE_CHECKING:
    from unicnn.conformance.plugin import Collector

Array: TypeAlias = np.ndarray[Any, Any]
SEPARATOR = "|"


@dataclass(frozen=True)
class Record:
    """Hold arrays by case and name, and where they were computed."""

    title: str
    where: str
    arrays: Mapping[str, Array]

    @classmethod
    def of(cls, title: str, verdicts: Iterable[Verdict]) -> Record:
        """Return the record of what was computed of bounded cases."""
        kept = {
            f"{item.case}{SEPARATOR}{name}": np.ascontiguousarray(array)
            for item in verdicts
            if item.level == "bounded"
            for name, array in item.arrays.items()
        }
        return cls(title, f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}", kept)

    def save(self, path: Path) -> None:
        """Write the record to a safetensors file."""
        from safetensors.numpy import save_file

        meta = {"unicnn": json.dumps({"title": self.title, "where": self.where})}
        try:
            save_file(dict(self.arrays), path, metadata=meta)
        except OSError as error:
            raise DataError(f"{path}: the record cannot be written ({error.strerror or error}). Choose another file.") from None

    @classmethod
    def load(cls, path: Path) -> Record:
        """Read a record, or raise DataError."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="np") as file:
                meta = json.loads(file.metadata()["unicnn"])
                return cls(meta["title"], meta["where"], {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 - no dict
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            detail = " ".join(str(error).split())
            raise DataError(f"{path}: not a record of conformance results ({detail}). Write one with --record FILE.") from None


@dataclass(frozen=True)
class Change:
    """Say how one case's results differ from those recorded: how many elements, and the largest difference in units in the last place of the array's largest value."""

    case: str
    name: str
    differ: int
    size: int
    ulps: float


def changes(before: Record, after: Record) -> list[Change]:
    """Return every array that is not the same bytes in both records; those that only one has are left out."""
    found = []
    for key in before.arrays.keys() & after.arrays.keys():
        one, other = before.arrays[key], after.arrays[key]
        if one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes():
            continue
        case, _, name = key.partition(SEPARATOR)
        found.append(Change(case, name, *_distance(one, other)))
    return sorted(found, key=lambda item: (-item.ulps, item.case, item.name))


def _distance(one: Array, other: Array) -> tuple[int, int, float]:
    if one.shape != other.shape or one.dtype != other.dtype:
        return one.size, one.size, float("inf")
    difference = np.abs(one.astype(np.float64) - other.astype(np.float64))
    unit = float(np.spacing(np.abs(one).max(initial=0)))
    return int((one != other).sum()), one.size, float(difference.max(initial=0) / unit)


def told(before: Record, after: Record, most: int = 10) -> list[str]:
    """Return the comparison as lines of text: the counts by op, and the largest changes."""
    shared, found = before.arrays.keys() & after.arrays.keys(), changes(before, after)
    if not shared:
        return [f"nothing to compare: the record of {before.title} holds none of these cases"]
    moved = Counter(item.case.partition("/")[0] for item in found)
    total = Counter(key.partition("/")[0] for key in shared)
    heading = (
        f"{after.title} against {before.title} ({before.where}): {len(shared) - len(found):,} of {len(shared):,} arrays are the same bytes"
    )
    rows = [f"  {op}: {moved[op]} of {total[op]} differ" for op in sorted(moved)]
    rows += [f"  {item.case}, {item.name}: {item.differ} of {item.size} elements, up to {item.ulps:.3g} ulps" for item in found[:most]]
    return [heading, *rows]


def finish(collector: Collector, worker: str | None) -> None:
    """Write what a pytest run computed, and keep the comparison for its summary."""
    options = collector.options
    if options.record is None and options.against is None:
        return
    titles = {target.title for target, _ in collector.kept}
    mine = Record.of(", ".join(sorted(titles)), [verdict for _, verdict in collector.kept])
    base = options.record or options.against
    assert base is not None
    if worker is not None:
        mine.save(_part(base, worker))
        return
    parts = [Record.load(path) for path in sorted(base.parent.glob(f"{base.name}.part-*"))]
    for path in base.parent.glob(f"{base.name}.part-*"):
        path.unlink()
    everything = {key: array for part in (mine, *parts) for key, array in part.arrays.items()}
    title = ", ".join(sorted({part.title for part in (mine, *parts) if part.title}))
    whole = Record(title, mine.where, everything)
    if options.against is not None:
        collector.comparison = told(Record.load(options.against), whole)
    if options.record is not None:
        whole.save(options.record)


def _part(base: Path, worker: str) -> Path:
    return base.with_name(f"{base.name}.part-{worker}")

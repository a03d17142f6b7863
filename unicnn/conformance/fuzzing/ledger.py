"""What a campaign has found so far: each bug once, with how often it was met and where its reproduction is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unicnn.conformance.fuzzing.judging import ALL
from unicnn.conformance.fuzzing.spot import Fault


@dataclass
class Finding:
    """Be one bug: what it is, how many networks met it, and where the reproduction lies.

    `stands_alone` says whether the script, run by itself, shows the fault; None if it was not written.
    """

    fault: Fault
    summary: str
    count: int = 1
    where: Path | None = None
    stands_alone: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain data."""
        return {
            "backend": self.fault.backend,
            "level": self.fault.level,
            "op": self.fault.op,
            "kind": self.fault.kind,
            "summary": self.summary,
            "count": self.count,
            "reproduction": None if self.where is None else self.where.as_posix(),
            "stands_alone": self.stands_alone,
        }


@dataclass
class Ledger:
    """Count what a campaign has done, and keep what it has found.

    `beyond` counts suspects of whose numbers the bounds do not speak, `refused` what backends declare that they cannot do
    and overflows that identical numerics report, `known` what a backend's known differences cover.
    """

    backends: tuple[str, ...]
    networks: int = 0
    judged: int = 0
    beyond: int = 0
    refused: int = 0
    known: int = 0
    findings: dict[Fault, Finding] = field(default_factory=dict)
    met: dict[Fault, Fault] = field(default_factory=dict)
    """The bug behind each fault as it was seen in a network."""

    @property
    def failures(self) -> int:
        """Return how many bugs were found."""
        return len(self.findings)

    def again(self, seen: Fault) -> bool:
        """Count a fault whose bug is known already, or say that it is not."""
        if seen not in self.met or self.met[seen] not in self.findings:
            return False
        self.findings[self.met[seen]].count += 1
        return True

    def by_op(self) -> Mapping[str, Mapping[str, int]]:
        """Return, for each op with a bug, how many each backend has."""
        table: dict[str, dict[str, int]] = {}
        for fault in self.findings:
            row = table.setdefault(fault.op, dict.fromkeys((*self.backends, ALL), 0))
            row[fault.backend] += 1
        return table

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        counts = {key: getattr(self, key) for key in ("networks", "judged", "beyond", "refused", "known")}
        return {"backends": list(self.backends)} | counts | {"findings": [finding.to_dict() for finding in self.findings.values()]}

"""What was measured, as it is kept in a file, and what can be said about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.estimate import Estimate, difference, ratio


@dataclass(frozen=True)
class Record:
    """Hold the times of one row, in seconds, or the reason why there are none.

    `unit` says what is compared with `target`: "ratio" of the times, "seconds" that ours takes longer, or "bytes": the ratio of two sizes. `alone` is the ratio
    when neither side ran while the other existed.
    """

    case: str
    measured: str
    against: str
    target: float | None = None
    unit: str = "ratio"
    ours: Sequence[float] = ()
    theirs: Sequence[float] = ()
    ours_cpu: Sequence[float] = ()
    theirs_cpu: Sequence[float] = ()
    alone: float | None = None
    problem: str | None = None

    def but(self, **changes: Any) -> Record:
        """Return the record with other values in some fields."""
        return replace(self, **changes)

    def estimate(self) -> Estimate:
        """Return the number that is compared with the target."""
        return (difference if self.unit == "seconds" else ratio)(self.ours, self.theirs)

    def cpu(self) -> Estimate | None:
        """Return the ratio of the processor times, where they were taken."""
        return ratio(self.ours_cpu, self.theirs_cpu) if self.ours_cpu else None

    def verdict(self) -> str:
        """Return in words whether the target is met; a question mark says that it lies in the interval."""
        if self.problem is not None:
            return f"not measured: {self.problem}"
        if self.target is None:
            return ""
        found = self.estimate()
        return ("met" if found.value <= self.target else "missed") + ("?" if found.low <= self.target < found.high else "")


@dataclass(frozen=True)
class Machine:
    """Say where and when it was measured."""

    processor: str
    cores: int
    date: str
    load_before: float
    load_after: float
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Tell whether something else was running already."""
        return self.load_before > 0.5

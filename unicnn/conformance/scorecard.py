"""Scorecards: what a backend's verdicts add up to, as a table and as JSON."""

from __future__ import annotations

import dataclasses
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unicnn.conformance.kit import FAILED, KNOWN, OUTCOMES, PASSED, WARNED, Verdict

LEVELS = ("exact", "bounded", "sharp", "identical", "special", "relations")


@dataclass(frozen=True)
class Scorecard:
    """Hold the verdicts of one target, called `title`."""

    title: str
    verdicts: tuple[Verdict, ...]

    @classmethod
    def of_rows(cls, title: str, rows: Iterable[Mapping[str, Any]]) -> Scorecard:
        """Return the scorecard of verdicts that are given as tables."""
        return cls(title, tuple(Verdict(**row) for row in rows))

    @property
    def failures(self) -> tuple[Verdict, ...]:
        """Return the verdicts that failed."""
        return tuple(item for item in self.verdicts if item.failed)

    def counts(self, level: str) -> Counter[str]:
        """Return how often each outcome came out at a level."""
        return Counter(item.outcome for item in self.verdicts if item.level == level)

    @property
    def verdict(self) -> str:
        """Return the whole in one sentence."""
        total = Counter(item.outcome for item in self.verdicts)
        if total[FAILED]:
            return f"does not conform: {total[FAILED]} of {len(self.verdicts):,} cases fail"
        known = f", {total[KNOWN]} of them with a known difference" if total[KNOWN] else ""
        warned = f"; {total[WARNED]} sharp bounds exceeded: look for TF32, bfloat16 or lost terms" if total[WARNED] else ""
        return f"conforms: {len(self.verdicts):,} cases{known}{warned}"

    def json(self) -> dict[str, Any]:
        """Return the scorecard as JSON takes it."""
        rows = [
            {item.name: getattr(verdict, item.name) for item in dataclasses.fields(verdict) if item.name != "arrays"}
            for verdict in self.verdicts
        ]
        counts = {level: dict(self.counts(level)) for level in LEVELS if self.counts(level)}
        return {"target": self.title, "conforms": not self.failures, "counts": counts, "cases": rows}


def table(card: Scorecard) -> Any:
    """Return the scorecard as a rich table: a row for each level."""
    from rich import box
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=card.title, title_justify="left")
    shown.add_column("level")
    for name in ("cases", *OUTCOMES, "error / bound", "seconds"):
        shown.add_column(name, justify="right")
    for level in LEVELS:
        items = [item for item in card.verdicts if item.level == level]
        if not items:
            continue
        counts, ratios = card.counts(level), [item.ratio for item in items if item.ratio is not None and level in ("bounded", "sharp")]
        cells = [f"{counts[name]:,}" if counts[name] or name == PASSED else "" for name in OUTCOMES]
        shown.add_row(
            level, f"{len(items):,}", *cells, f"{max(ratios):.3g}" if ratios else "", f"{sum(item.seconds for item in items):.1f}"
        )
    return shown


def lines(card: Scorecard, most: int = 12) -> list[str]:
    """Return the scorecard as lines of text: the table, what is known, what failed, and the verdict."""
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=110, highlight=False).print(table(card))
    return [*out.getvalue().rstrip().splitlines(), *notes(card.verdicts, most), f"{card.title} {card.verdict}."]


def notes(verdicts: Sequence[Verdict], most: int) -> list[str]:
    """Return one line for each known difference, and for each of the first failures and warnings."""
    known = Counter((item.op, item.detail.partition(" [")[0]) for item in verdicts if item.outcome == KNOWN)
    told = [f"known: {op}, {count} case{'s' * (count > 1)}: {reason}" for (op, reason), count in known.items()]
    wrong = [item for item in verdicts if item.outcome in (FAILED, WARNED)]
    told += [f"{item.outcome}: {item.case}: {item.detail}" for item in wrong[:most]]
    return [*told, *([f"… and {len(wrong) - most} more"] if len(wrong) > most else [])]

"""What a comparison found: data, and its texts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from unicnn.comparison.judge import Judgement

__all__ = ["Absent", "Comparison", "Judgement", "Pair", "Participant", "Row"]


@dataclass(frozen=True)
class Participant:
    """Name a backend that took part: its framework's version and the device."""

    name: str
    title: str
    version: str
    device: str


@dataclass(frozen=True)
class Absent:
    """Name a backend that could not take part, the reason and what repairs it."""

    name: str
    reason: str
    repair: str


@dataclass(frozen=True)
class Row:
    """Hold the judgements of one layer's output, or of one gradient, by backend.

    `digests` holds the SHA-256 of each backend's bytes where the numerics promise that they are the same.
    """

    path: str
    op: str
    shape: tuple[int, ...]
    judgements: Mapping[str, Judgement]
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def diverged(self) -> tuple[str, ...]:
        """Return the backends whose error is no rounding."""
        return tuple(name for name, judgement in self.judgements.items() if not judgement.agrees)

    @property
    def odd(self) -> tuple[str, ...]:
        """Return the backends whose bytes are not those of most."""
        if len(set(self.digests.values())) < 2:
            return ()
        most = Counter(self.digests.values()).most_common(1)[0][0]
        return tuple(name for name, digest in self.digests.items() if digest != most)

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain data."""
        plain = {"path": self.path, "op": self.op, "shape": list(self.shape)} | {
            key: {name: _plain(getattr(judgement, key)) for name, judgement in self.judgements.items()}
            for key in ("bound_ratio", "max_ulp", "differs")
        }
        return plain | ({"sha256": dict(self.digests)} if self.digests else {})


@dataclass(frozen=True)
class Pair:
    """Say how far apart the outputs of two backends are, end to end."""

    first: str
    second: str
    largest: float
    differs: float


@dataclass(frozen=True)
class Comparison:
    """Hold the result of a comparison; `verdict` is "agree" or "diverged"."""

    model: str
    numerics: str
    batch: int
    samples: str
    """What the batch is made of, in words."""
    backends: tuple[Participant, ...]
    absent: tuple[Absent, ...]
    layers: tuple[Row, ...]
    gradients: tuple[Row, ...]
    """In the order of the backward pass: the loss first."""
    pairs: tuple[Pair, ...]

    @property
    def verdict(self) -> str:
        """Return "agree" if rounding explains every difference, and where the numerics promise the same bytes there is none; else "diverged"."""
        return "diverged" if self.first_divergence else "agree"

    @property
    def first_divergence(self) -> str | None:
        """Return the first layer that is wrong, or the first gradient on the way back, or None."""
        row = self.culprit
        return None if row is None else row.path

    @property
    def culprit(self) -> Row | None:
        """Return the row of the first divergence: an error that is no rounding, or bytes that differ although the same are promised."""
        return next((row for row in (*self.layers, *self.gradients) if row.diverged or row.odd), None)

    @property
    def conclusion(self) -> str:
        """Return the verdict in a sentence or two: what was found, and where to look."""
        from unicnn.comparison.report import conclude

        return conclude(self)

    def table(self) -> str:
        """Return the comparison as text for a terminal or a file."""
        from unicnn.comparison.report import as_text

        return as_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data."""
        return {
            "model": self.model,
            "numerics": self.numerics,
            "batch": self.batch,
            "verdict": self.verdict,
            "first_divergence": self.first_divergence,
            "conclusion": self.conclusion,
            "backends": [{"name": item.name, "version": item.version, "device": item.device} for item in self.backends],
            "absent": [{"name": item.name, "reason": item.reason, "repair": item.repair} for item in self.absent],
            "layers": [row.to_dict() for row in self.layers],
            "gradients": [row.to_dict() for row in self.gradients],
            "pairs": [
                {"backends": [pair.first, pair.second], "largest": _plain(pair.largest), "differs": pair.differs} for pair in self.pairs
            ],
        }

    def to_json(self) -> str:
        """Return the comparison as JSON text; infinities are the string "inf"."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)


def _plain(value: float) -> float | str:
    return value if abs(value) < float("inf") else "inf"

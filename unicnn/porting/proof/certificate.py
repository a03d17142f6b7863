"""The certificate: what was compared, how far apart it was, and whether that proves the port."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

LIMIT = 1e-10
"""How far two float64 results may be apart, relative to the largest value of the array."""
ROUNDED_LIMIT = 2.0**-20
"""The same where the port holds numbers rounded to float32 that the original has with more digits."""


@dataclass(frozen=True)
class Row:
    """Compare one array: `float64` is the largest difference over the array's largest value, `bounds` the largest error in
    float32 over its bound, of the original and of the port; None where one of them does not show the array.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    float64: float | None
    bounds: tuple[float, float] | None = None
    differs: str | None = None
    limit: float = LIMIT

    @property
    def agrees(self) -> bool:
        """Tell whether the array is the same in both."""
        same = self.float64 is None or self.float64 <= self.limit
        return self.differs is None and same and (self.bounds is None or max(self.bounds) <= 1)


@dataclass(frozen=True)
class Training:
    """Compare a training of `steps` steps: the largest differences of losses and of weights, relative to the largest value.

    `skipped` says why there is none.
    """

    steps: int = 0
    losses: float = 0.0
    weights: float = 0.0
    moved: float = 0.0
    skipped: str | None = None
    limit: float = LIMIT

    @property
    def agrees(self) -> bool:
        """Tell whether both trainings are the same."""
        return self.skipped is not None or max(self.losses, self.weights) <= self.limit


@dataclass(frozen=True)
class Certificate:
    """Prove, or refute, that a port computes what the original does.

    `problem` is what kept the comparison from being made or from meaning anything. `control` is the smallest difference that weights
    changed on purpose (by 2**-20 of each, or 2**-10 where the limit is that of float32) made to a layer that holds weights: a
    comparison that overlooks it proves nothing.
    """

    network: str
    original: str
    port: str
    file: str
    sha256: str
    samples: int
    layers: tuple[Row, ...]
    outputs: tuple[Row, ...]
    gradients: tuple[Row, ...]
    training: Training
    control: float | None
    versions: Mapping[str, str]
    notes: tuple[str, ...] = ()
    problem: str | None = None
    cause: str | None = None
    limit: float = LIMIT

    @property
    def proven(self) -> bool:
        """Tell whether the port is the same network."""
        rows = (*self.layers, *self.outputs, *self.gradients)
        seen = self.control is not None and self.control > self.limit
        return self.problem is None and seen and bool(self.outputs) and all(row.agrees for row in rows) and self.training.agrees

    @property
    def first(self) -> Row | None:
        """Return the first array that differs: a layer, else an output, else a gradient."""
        return next((row for row in (*self.layers, *self.outputs, *self.gradients) if not row.agrees), None)

    @property
    def verdict(self) -> str:
        """Say in one sentence what was found."""
        if self.problem is not None:
            return f"Not proven: {self.problem}"
        if self.proven:
            what = f"{len(self.layers)} layers, {len(self.outputs)} output{'s' * (len(self.outputs) > 1)}"
            what += f", {len(self.gradients)} gradients" if self.gradients else ""
            what += f" and {self.training.steps} training steps" if self.training.steps else ""
            return f"Proven: {what} are the same in float64 to {self.worst:.1e}, and within rounding in float32."
        if self.first is None and self.training.agrees:
            return "Not proven: weights were changed on purpose, and the comparison did not see it."
        if self.first is None:
            return f"Not the same: the layers agree, and training parts: losses by {self.training.losses:.1e}, weights by {self.training.weights:.1e}."
        row = self.first
        how = row.differs or (
            f"by {row.float64:.1e} of its largest value in float64"
            if row.float64 is not None and row.float64 > row.limit
            else f"by {max(row.bounds or (0, 0)):.1f} of what rounding allows in float32"
        )
        return f"Not the same: {row.name} ({row.op}) is the first to differ, {how.removesuffix('.')}." + (
            f" {self.cause}" if self.cause else ""
        )

    @property
    def worst(self) -> float:
        """Return the largest difference in float64, training included."""
        rows = (*self.layers, *self.outputs, *self.gradients)
        return max([row.float64 for row in rows if row.float64 is not None] + [self.training.losses, self.training.weights], default=0.0)

    def to_json(self) -> str:
        """Return everything as JSON text."""
        plain: dict[str, Any] = asdict(self)
        return json.dumps({"proven": self.proven, "verdict": self.verdict, **plain}, indent=2) + "\n"

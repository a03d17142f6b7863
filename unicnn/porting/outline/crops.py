"""How a framework that crops a transposed convolution alike on both sides, or less after, gives any other crop."""

from __future__ import annotations

from dataclasses import dataclass

from unicnn.ops.fields import Pair, Sides


@dataclass(frozen=True)
class Crop:
    """Say what the layer itself crops and adds after, and what is sliced off its output."""

    padding: Pair
    output_padding: Pair
    rest: Sides

    @property
    def sliced(self) -> bool:
        """Tell whether anything is left to slice off."""
        return self.rest != ((0, 0), (0, 0))


def crop_of(crop: Sides, limits: Pair) -> Crop | None:
    """Return how a crop is done if more than `limits` cannot be added after, or None if rows must be added that no framework adds."""
    parts = [_axis(before, after, limit) for (before, after), limit in zip(crop, limits, strict=True)]
    first, second = parts
    if first is None or second is None:
        return None
    return Crop((first[0], second[0]), (first[1], second[1]), (first[2], second[2]))


def _axis(before: int, after: int, limit: int) -> tuple[int, int, Pair] | None:
    if 0 <= before - after < limit:
        return before, before - after, (0, 0)
    if before < after:
        return before, 0, (0, after - before)
    return (after, 0, (before - after, 0)) if after >= 0 else None

"""Which samples make up each batch: a function of the recipe, the seed and the place alone, so that any batch can be made again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from unicnn import randomness
from unicnn.errors import InputError
from unicnn.training.recipe import Recipe

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Batches:
    """Say which samples of `count` are in which batch."""

    count: int
    size: int
    order: str
    last: str
    seed: int

    @classmethod
    def of(cls, recipe: Recipe, count: int, seed: int) -> Batches:
        """Return the batches of a recipe; raise InputError if there is none."""
        assert recipe.batch_size is not None
        if recipe.order != "sample" and recipe.batch_size > count and recipe.last != "keep":
            raise InputError(
                f"{recipe.name}: a batch of {recipe.batch_size} is larger than the data, {count} samples, and last = {recipe.last!r} "
                f'{"leaves no batch" if recipe.last == "drop" else "would repeat them in one batch"}. Use a smaller batch_size, or last = "keep".'
            )
        return cls(count, recipe.batch_size, recipe.order, recipe.last, seed)

    @property
    def per_epoch(self) -> int:
        """Return the number of batches in an epoch; of batches drawn with replacement, as many as hold the data once."""
        return self.count // self.size if self.last == "drop" and self.order != "sample" else -(-self.count // self.size)

    def indices(self, step: int) -> Array:
        """Return the samples of the batch of `step`, counted from 0 over all epochs."""
        epoch, place = divmod(step, self.per_epoch)
        if self.order == "sample":
            return (randomness.uniform((self.size,), "sample", self.seed, step) * self.count).astype(np.int64)
        whole = _permutation(self.count, self.seed, epoch) if self.order == "shuffle" else np.arange(self.count)
        taken = whole[place * self.size : (place + 1) * self.size]
        if len(taken) < self.size and self.last == "pad":
            taken = np.concatenate([taken, whole[: self.size - len(taken)]])
        return taken


@lru_cache(maxsize=2)
def _permutation(count: int, seed: int, epoch: int) -> Array:
    return randomness.permutation(count, "shuffle", seed, epoch)

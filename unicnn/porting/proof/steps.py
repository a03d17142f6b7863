"""The training of a proof: twenty steps on random batches, with numbers that every framework holds exactly."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from unicnn import randomness
from unicnn.graph import Graph
from unicnn.ops.norm import Dropout
from unicnn.training.recipe import Recipe

Array: TypeAlias = np.ndarray[Any, Any]
EPOCHS, BATCHES, SAMPLES = 2, 10, 4


@dataclass(frozen=True)
class Plan:
    """Say how a proof trains: `recipe` with its numbers rounded to float32, `exact` if that changed none, and the batches.

    `skipped` says why no training can be compared.
    """

    recipe: Recipe
    exact: bool
    arrays: Mapping[str, Array]
    skipped: str | None = None
    epochs: int = EPOCHS
    batches: int = BATCHES

    def of(self, epoch: int) -> Iterator[tuple[Array, Array]]:
        """Yield the batches of an epoch."""
        for i in range(self.batches):
            yield self.arrays[f"x{epoch}.{i}"], self.arrays[f"labels{epoch}.{i}"]


def plan_of(recipe: Recipe, graph: Graph, seed: int) -> Plan:
    """Return the training of a proof by `recipe`; the last batch of each epoch is short, so that a divisor shows."""
    dropping = [node.name for node in graph.nodes if isinstance(node.op, Dropout) and node.op.p > 0]
    if dropping:
        return Plan(recipe, True, {}, f"{', '.join(dropping)} drops other values in each framework, so no two trainings are the same")
    if len(graph.model.inputs) > 1 or len(graph.model.outputs) > 1:
        return Plan(recipe, True, {}, "a recipe trains networks of one input and one output")
    rounded = recipe.replace(
        optimizer=_rounded(recipe.optimizer), schedule=_rounded(recipe.schedule), clip=recipe.clip and _rounded(recipe.clip),
        batch_size=SAMPLES, epochs=EPOCHS,
    )  # fmt: skip
    exact = (rounded.optimizer, rounded.schedule, rounded.clip) == (recipe.optimizer, recipe.schedule, recipe.clip)
    exact = exact and recipe.divisor in ("actual", 1.0)
    return Plan(rounded, exact, _batches(recipe, graph, seed))


def _rounded(setting: Any) -> Any:
    """Return a setting with every number as float32 holds it: some frameworks keep them so."""
    changes = {}
    for key, value in setting.fields().items():
        if isinstance(value, float):
            changes[key] = float(np.float32(value))
        elif hasattr(value, "fields"):
            changes[key] = _rounded(value)
    return dataclasses.replace(setting, **changes)


def _batches(recipe: Recipe, graph: Graph, seed: int) -> dict[str, Array]:
    shape, output = graph.model.inputs[0][1], graph.shapes[graph.model.outputs[0][1]]
    kind, target = recipe.loss.target(output)
    arrays = {}
    for epoch in range(EPOCHS):
        for i in range(BATCHES):
            count = SAMPLES - (i == BATCHES - 1)
            place = f"{epoch}.{i}"
            arrays[f"x{place}"] = randomness.normal((count, *shape), "steps", seed, place).astype(np.float32)
            uniform = randomness.uniform((count, *target), "labels", seed, f"steps{place}")
            arrays[f"labels{place}"] = (uniform * output[0]).astype(np.int64) if kind == "labels" else uniform.astype(np.float32)
    return arrays

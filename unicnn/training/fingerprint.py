"""Fingerprints of trainings: one SHA-256 over weights, optimiser state and history after N steps, the same on every backend."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import typer

from unicnn import terminal
from unicnn.model import Model
from unicnn.sources import model_of
from unicnn.training.data import FASHION
from unicnn.training.recipe import Recipe
from unicnn.training.run import Run

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Trained:
    """Hold the digest of a training, and what it was taken of."""

    model: str
    recipe: str
    backend: str
    title: str
    version: str
    device: str
    numerics: str
    seed: int
    steps: int
    samples: str
    sha256: str


def embedded(recipe: Recipe) -> Recipe:
    """Return the recipe with the images inside the package where it takes those that a machine has."""
    if recipe.data is None or recipe.data.name != FASHION or recipe.data.source != "auto":
        return recipe
    return recipe.replace(data=dataclasses.replace(recipe.data, source="embedded"))


def trained(model: Model, recipe: Recipe, backend: str, device: str = "cpu", *, numerics: str = "identical", seed: int = 0) -> Run:
    """Return the run of a recipe, from the images inside the package, done."""
    run = Run(model, embedded(recipe), backend, numerics, device, seed)
    run.go()
    return run


def fingerprint(run: Run) -> Trained:
    """Return the fingerprint of a run so far; raise InputError if it would prove nothing."""
    info = run.program.backend.info
    what = "Fashion-MNIST" if run.recipe.data is not None and run.recipe.data.name == FASHION else "given"
    return Trained(
        run.model.name, run.recipe.name, info.name, info.title, info.version() or "unknown", run.program.runtime.device,
        run.program.numerics.name, run.seed, run.steps, f"{len(run.train)} {what} images", run.sha256(),
    )  # fmt: skip


def difference(first: Run, second: Run) -> str | None:
    """Return where two runs of one recipe part, or None: the first step whose loss differs, else the first array that does."""
    names = first.program.backend.info.title, second.program.backend.info.title
    for step, losses in enumerate(zip(first.history.losses, second.history.losses, strict=True), 1):
        if losses[0] != losses[1]:
            return f"{' and '.join(names)} differ first in the loss of step {step}: {losses[0]!r} and {losses[1]!r}."
    for (name, mine), (_, theirs) in zip(_arrays(first), _arrays(second), strict=True):
        if mine.tobytes() != theirs.tobytes():
            most = np.abs(mine.astype(np.float64) - theirs).max()
            return f"{' and '.join(names)} have the same losses, and differ first in {name}, by at most {most:.3g}."
    return None


def _arrays(run: Run) -> Iterator[tuple[str, Array]]:
    yield from ((f"the weight {name!r}", array) for name, array in run.program.weights().items())
    yield from ((f"the optimiser's {name!r}", array) for name, array in run.learner.state().items())
    yield from ((f"the metrics of epoch {epoch.number + 1}", np.array(epoch.values())) for epoch in run.history.epochs)
    yield from ((f"the {name} of the steps", array) for name, array in run.history.arrays().items())


def tell(
    recipe: Recipe, backends: Sequence[str], device: str, numerics: str, seed: int, json_to: str | None, progress: Callable[[str], None]
) -> int:
    """Train on each backend and print a line for it as soon as it is done; return the exit code, 1 if they differ."""
    model = model_of(recipe)
    first: Run | None = None
    found: list[Trained] = []
    parted: list[str] = []
    for name in backends:
        progress(name)
        run = trained(model, recipe, name, device, numerics=numerics, seed=seed)
        item = fingerprint(run)
        found.append(item)
        if json_to != "-":
            typer.echo(
                f"{item.sha256}  {item.model} after {item.steps} steps of the recipe {item.recipe} on {item.samples}, seed {seed}: weights, "
                f"optimiser state and history, {item.title} {item.version}, {device}"
            )
        first = first or run
        if (where := difference(first, run)) is not None:
            parted.append(where)
            typer.echo(where, err=json_to == "-")
    if json_to is not None:
        terminal.write(json_to, json.dumps([dataclasses.asdict(item) for item in found], indent=2))
    return 1 if parted else 0

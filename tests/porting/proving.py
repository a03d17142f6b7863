"""An imported network against its original: values, outputs and gradients in float64, each array in canonical order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import unicnn as un
from unicnn import plugins
from unicnn.graph import infer
from unicnn.porting.imported import Imported
from unicnn.porting.lifting import lift

from .interpret import distance


def distances(
    imported: Imported, seed: int = 0, *, every: bool = True, gradients: bool = True, perturb: str | None = None
) -> dict[str, float]:
    """Return how far the lifted model is from the original by place: "value x", "output 0", "gradient x".

    The weights are read anew in float64, so that what was folded is not rounded to float32 on the way. The weight called
    `perturb` is changed a little first, for a test that shows what a difference looks like.
    """
    assert imported.recording is not None
    tape = imported.recording.tape
    lifted = lift(tape, channels_last=plugins.dialect(imported.dialect).channels_last)
    weights = {name: np.array(lifted.weights[name].read(), np.float64) for name in infer(lifted.model).parameters}
    for name, array in weights.items():
        assert np.array_equal(array.astype(np.float32), imported.weights[name]), name
    if perturb is not None:
        weights[perturb] = weights[perturb] * (1 + 1e-6) + 1e-6
    random = np.random.default_rng(seed)
    program = un.lower(imported.model, "numpy", numerics="float64", weights=weights)
    given = [random.normal(size=shape) for _, shape in tape.inputs]
    canonical = [place.canonical(array) for place, array in zip(imported.inputs, given, strict=True)]
    x: Any = canonical[0] if len(canonical) == 1 else dict(zip((name for name, _ in imported.model.inputs), canonical, strict=True))
    results = program(x)
    mine = list(results.values()) if isinstance(results, dict) else list(results) if isinstance(results, tuple) else [results]
    seeds = [random.normal(size=result.shape) for result in mine]
    ran = imported.recording.runner.run(given, [p.native(s) for p, s in zip(imported.outputs, seeds, strict=True)], "float64")
    found = {
        f"output {place}": distance(result, where.canonical(output))
        for place, (result, where, output) in enumerate(zip(mine, imported.outputs, ran.outputs, strict=True))
    }
    if every:
        layers = program.outputs(x)
        found |= {
            f"value {name}": distance(layers[name], place.canonical(ran.values[place.value]))
            for name, place in imported.places.items()
            if place.value in ran.values
        }
    return found | (_gradients(imported, program, x, seeds, ran) if gradients else {})


def _gradients(imported: Imported, program: Any, x: Any, seeds: Sequence[Any], ran: Any) -> dict[str, float]:
    _, mine = program.vjp(x, seeds if len(seeds) > 1 else seeds[0])
    found = {}
    for name, origin in imported.origins.items():
        if name in mine and origin.constant is not None and origin.constant in ran.gradients:
            found[f"gradient {name}"] = distance(mine[name], origin.view(ran.gradients[origin.constant]))
    for (name, _), place in zip(imported.model.inputs, imported.inputs, strict=True):
        if place.value in ran.gradients:
            found[f"gradient {name}"] = distance(mine[name], place.canonical(ran.gradients[place.value]))
    return found


def worst(found: dict[str, float]) -> tuple[str, float]:
    """Return the place of the largest distance, and it."""
    return max(found.items(), key=lambda item: item[1] if item[1] == item[1] else np.inf)


def outputs_of(imported: Imported, seed: int = 0) -> dict[str | None, Any]:
    """Return what the lifted model gives for an arbitrary input, by the names of the outputs."""
    program = un.lower(imported.model, "numpy", numerics="float64", weights=imported.weights)
    x = 4 * np.random.default_rng(seed).normal(size=(2, *imported.model.input_shape))
    return dict(program(x))

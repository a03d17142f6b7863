"""One side of a proof: the original or the port, asked for everything it computes, in canonical layout."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from unicnn import plugins
from unicnn.model import Model
from unicnn.porting.imported import Imported
from unicnn.training.recipe import Recipe

Array: TypeAlias = np.ndarray[Any, Any]
Batches: TypeAlias = "Callable[[int], Iterator[tuple[Array, Array]]]"


@dataclass(frozen=True)
class Observed:
    """Hold what one pass computed: layers by name, outputs in order, gradients by parameter and input; all canonical."""

    layers: Mapping[str, Array]
    outputs: tuple[Array, ...]
    gradients: Mapping[str, Array]


@dataclass(frozen=True)
class Trained:
    """Hold the loss of each step of a training, and the parameters after it."""

    losses: tuple[float, ...]
    weights: Mapping[str, Array]


class Side(ABC):
    """Run a network for a proof; arrays go in and come out in canonical layout."""

    model: Model
    weights: Mapping[str, Array]

    @abstractmethod
    def observe(self, inputs: Sequence[Array], cotangents: Sequence[Array], dtype: str) -> Observed:
        """Run forward in inference, and backward from sum(output * cotangent)."""

    @abstractmethod
    def train(self, recipe: Recipe, batches: Batches, epochs: int, dtype: str, source: str | None = None) -> Trained:
        """Train by a recipe, with `source` where it is given instead of the loop that the dialect writes."""


class ImportedSide(Side):
    """Run the object that a network was read from."""

    def __init__(self, imported: Imported) -> None:
        assert imported.recording is not None
        self.imported, self.runner = imported, imported.recording.runner
        self.model, self.weights = imported.model, imported.weights

    def observe(self, inputs: Sequence[Array], cotangents: Sequence[Array], dtype: str) -> Observed:
        item = self.imported
        given = [_contiguous(place.native(array), dtype) for place, array in zip(item.inputs, inputs, strict=True)]
        seeds = [_contiguous(place.native(array), dtype) for place, array in zip(item.outputs, cotangents, strict=True)]
        ran = self.runner.run(given, seeds, dtype)
        layers = {name: place.canonical(ran.values[place.value]) for name, place in item.places.items() if place.value in ran.values}
        outputs = tuple(place.canonical(array) for place, array in zip(item.outputs, ran.outputs, strict=True))
        gradients = {
            name: origin.view(ran.gradients[origin.constant])
            for name, origin in item.origins.items()
            if origin.constant is not None and origin.constant in ran.gradients
        }
        names = [name for name, _ in item.model.inputs]
        for place, name in zip(item.inputs, names, strict=True):
            if place.value in ran.gradients:
                gradients[name] = place.canonical(ran.gradients[place.value])
        return Observed(layers, outputs, gradients)

    def train(self, recipe: Recipe, batches: Batches, epochs: int, dtype: str, source: str | None = None) -> Trained:
        text = plugins.dialect(self.imported.dialect).emitter().training(recipe) if source is None else source
        place = self.imported.inputs[0]

        def native(epoch: int) -> Iterator[tuple[Array, Array]]:
            for x, labels in batches(epoch):
                yield _contiguous(place.native(x), dtype), labels

        losses, constants = self.runner.train(text, native, epochs, dtype)
        weights = {
            name: origin.view(constants[origin.constant])
            for name, origin in self.imported.origins.items()
            if origin.constant is not None and origin.constant in constants
        }
        return Trained(tuple(map(float, losses)), weights)


class DescribedSide(Side):
    """Run a description itself, on the NumPy backend."""

    def __init__(self, model: Model, weights: Mapping[str, Array]) -> None:
        self.model, self.weights = model, weights

    def _program(self, dtype: str) -> Any:
        from unicnn.program import lower

        return lower(self.model, "numpy", numerics="native" if dtype == "float32" else dtype, weights=self.weights)

    def observe(self, inputs: Sequence[Array], cotangents: Sequence[Array], dtype: str) -> Observed:
        program = self._program(dtype)
        x = tuple(np.asarray(array, dtype) for array in inputs)
        given: Any = x[0] if len(x) == 1 else x
        seeds = [np.asarray(array, dtype) for array in cotangents]
        layers = program.outputs(given)
        _, gradients = program.vjp(given, seeds if len(seeds) > 1 else seeds[0])
        values = {**dict(zip((name for name, _ in self.model.inputs), x, strict=True)), **layers}
        return Observed(layers, tuple(values[name] for _, name in self.model.outputs), gradients)

    def train(self, recipe: Recipe, batches: Batches, epochs: int, dtype: str, source: str | None = None) -> Trained:
        from unicnn.training.learner import Learner

        program = self._program(dtype)
        learner, losses = Learner(program, recipe), []
        for epoch in range(epochs):
            for x, labels in batches(epoch):
                losses.append(learner.step(np.asarray(x, dtype), labels, recipe.rate(learner.steps, epoch)).loss)
        return Trained(tuple(losses), program.weights())


def _contiguous(array: Array, dtype: str) -> Array:
    return np.ascontiguousarray(array, dtype)

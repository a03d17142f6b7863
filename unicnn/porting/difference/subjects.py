"""What is compared: networks, with weights of their own or without, and recipes, from whatever names them."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from unicnn import sources
from unicnn.checks import check_weights
from unicnn.errors import DescriptionError, InputError
from unicnn.graph import infer
from unicnn.model import Model
from unicnn.training.recipe import Recipe

Array: TypeAlias = np.ndarray[Any, Any]

_FOREIGN = (".onnx", "-symbol.json")
"""Ends of the names of files that only an importer reads."""


@dataclass(frozen=True)
class Network:
    """Be a network to compare, and the weights that came with it, if any did."""

    model: Model
    weights: Mapping[str, Array] | None = None


Subject: TypeAlias = "Network | Recipe"


def subject(value: Any) -> Subject:
    """Return what is to be compared: a Model, a Recipe, an imported network, or whatever a text names."""
    if isinstance(value, str):
        return subject(named(value))
    if isinstance(value, (Network, Recipe)):
        return value
    if isinstance(value, Model):
        return Network(value)
    model, weights = getattr(value, "model", None), getattr(value, "weights", None)
    if isinstance(model, Model) and (weights is None or isinstance(weights, Mapping)):
        return Network(model, check_weights(infer(model), weights, "float64") if weights else None)
    raise InputError(
        f"diff takes networks (a Model, an imported one, or the name of one) and recipes, not {type(value).__name__}. "
        "Import a framework's network first."
    )


def named(text: str, shape: str | None = None, *, recipe: bool = False) -> Any:
    """Return what a text names: a Model or a Recipe of unicnn, or a network of a framework, for which `shape` is its input's."""
    if recipe:
        return sources.find_recipe(text)
    if text.endswith(_FOREIGN):
        return _imported(text, shape, None)
    try:
        return sources.find(text)
    except DescriptionError as error:
        if not text.rpartition(":")[0].endswith(".py"):
            raise
        return _imported(text, shape, error)


def _imported(text: str, shape: str | None, error: DescriptionError | None) -> Any:
    """Return a framework's network, read by the plugin that knows it; where nothing can be read, raise `error`."""
    if importlib.util.find_spec("unicnn.porting.reading") is None:
        if error is not None:
            raise error
        raise InputError(
            f"{text}: networks of other frameworks cannot be read by this version of unicnn. Give a .toml or .json description."
        )
    reading = importlib.import_module("unicnn.porting.reading")
    return reading.find_network(text, shape)

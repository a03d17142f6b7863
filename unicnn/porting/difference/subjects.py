"""What is compared: networks, with weights of their own or without, and recipes, from whatever names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from unicnn import sources
from unicnn.checks import check_weights
from unicnn.errors import InputError, PortError
from unicnn.graph import infer
from unicnn.model import Model
from unicnn.training.recipe import Recipe

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Network:
    """Be a network to compare, and the weights that came with it, if any did."""

    model: Model
    weights: Mapping[str, Array] | None = None


Subject: TypeAlias = "Network | Recipe"


def subject(value: Any, shape: Any = None, *, training: bool = True) -> Subject:
    """Return what is to be compared: a Model, a Recipe, an imported network, a framework's network, or whatever a text names."""
    if isinstance(value, str):
        return subject(named(value, shape, training=training))
    if isinstance(value, (Network, Recipe)):
        return value
    if isinstance(value, Model):
        return Network(value)
    model, weights = getattr(value, "model", None), getattr(value, "weights", None)
    if isinstance(model, Model):
        if not isinstance(weights, Mapping):
            return Network(model)
        widened = {name: np.asarray(value, np.float64) for name, value in weights.items()}
        return Network(model, check_weights(infer(model), widened, "float64"))
    if shape is None:
        raise InputError(
            f"diff was given a {type(value).__name__}, which is no Model and no Recipe. If it is a network of a framework, say what it takes: "
            "input=(1, 1, 28, 28), batch axis included."
        )
    from unicnn.porting.reading import from_framework

    return subject(from_framework(value, shape, training=training))


def named(text: str, shape: Any = None, *, recipe: bool = False, training: bool = True) -> Any:
    """Return what a text names: a Model or a Recipe of unicnn, or a network of a framework, for which `shape` is its input's."""
    if recipe:
        return sources.find_recipe(text)
    from unicnn.porting.finding import find_network, from_python, is_data, read_object

    python = sources.is_python(text)
    if not python and not is_data(text):
        return sources.find(text)
    try:
        if not python:
            return find_network(text, shape, training=training)
        value = from_python(text)
        return value if isinstance(value, (Model, Recipe)) else read_object(text, value, shape, training=training)
    except PortError as error:
        raise PortError(str(error) if text in str(error) else f"{text}: {error}") from None

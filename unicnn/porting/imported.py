"""What an import gives: the description, the weights, and how both lie in the original."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from unicnn.model import Model
from unicnn.porting.tape import Recording

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Origin:
    """Say where a parameter comes from: the original's constant, and the view of it that has canonical layout.

    `constant` is None if the parameter was computed from several; then its gradient has no counterpart.
    """

    constant: str | None
    view: Callable[[Array], Array]


@dataclass(frozen=True)
class Place:
    """Say which value on the tape a layer's output is, and its order: axis i of the value is axis order[i] of the layer's output.

    `shape` is None, or the canonical shape (channels, height, width) of which the value is a vector, flattened in `order`.
    """

    value: str
    order: tuple[int, ...]
    shape: tuple[int, ...] | None = None

    def canonical(self, array: Array) -> Array:
        """Return the original's array in canonical order."""
        if self.shape is None:
            return array.transpose(np.argsort(self.order))
        sizes = (len(array), *(self.shape[axis - 1] for axis in self.order[1:]))
        return array.reshape(sizes).transpose(np.argsort(self.order)).reshape(len(array), -1)

    def native(self, array: Array) -> Array:
        """Return a canonical array in the original's order."""
        if self.shape is None:
            return array.transpose(self.order)
        return array.reshape(len(array), *self.shape).transpose(self.order).reshape(len(array), -1)


@dataclass(frozen=True)
class Imported:
    """Hold a network read from a framework: its model, its weights in canonical layout, and the original to compare with.

    `origins` tells by parameter, `places` by layer and `outputs` by place where the original has the same; `inputs` gives the
    original's order of each input. `classes` gives the class names of the original's modules by path, and `notes` says in
    sentences what a reader of the port should know.
    """

    model: Model
    weights: Mapping[str, Array] = field(repr=False)
    dialect: str
    origins: Mapping[str, Origin] = field(repr=False)
    places: Mapping[str, Place] = field(repr=False)
    inputs: tuple[Place, ...]
    outputs: tuple[Place, ...]
    classes: Mapping[str, str] = field(repr=False)
    notes: tuple[str, ...] = ()
    recording: Recording | None = field(default=None, repr=False)
    training: bool = True
    """Whether the original's behaviour in training was read, too."""
    rounded: tuple[str, ...] = ()
    """The parameters that lost digits when they became float32, such as a constant written as 1/255."""

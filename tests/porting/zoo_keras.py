"""Print which networks of keras.applications can be read: python -m tests.porting.zoo_keras [NAME …]."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from .zoo_reading import Read, in_modes, table

import keras  # isort: skip

SIZES = {"InceptionResNetV2": 299, "InceptionV3": 299, "NASNetLarge": 331, "Xception": 299}
"""The sizes of images that a network was made for, where it is not 224."""


def names() -> list[str]:
    """Return the names of all networks for classification that Keras brings."""
    return sorted(name for name, item in vars(keras.applications).items() if inspect.isfunction(item))


def build(name: str, size: int, **options: Any) -> Any:
    """Return a network of Keras with new weights, for images of this size."""
    return getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), **options)


def read(name: str, size: int | None = None, **options: Any) -> Read:
    """Read one network, with its training if that can be described and without otherwise."""
    side = size or SIZES.get(name, 224)
    return in_modes(build(name, side, **options), (2, side, side, 3))


def afresh(name: str) -> Read:
    """Read one network in a session of its own, in which Keras counts layers from 0."""
    keras.backend.clear_session()
    return read(name)


def main(chosen: list[str]) -> None:
    """Print the table."""
    table(chosen or names(), afresh)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Print which networks of torchvision can be read: python -m tests.porting.zoo_torch [NAME …]."""

from __future__ import annotations

import sys
from typing import Any

from .zoo_reading import Read, in_modes, table
from .zoos import torchvision

SIZE = 224
LARGER = {"inception_v3": 299}
NO_AUXILIARY = ("googlenet", "inception_v3")
"""Networks with heads that exist in training only, unless they are built without."""


def build(name: str, **options: Any) -> Any:
    """Return a network of torchvision with new weights."""
    if name in NO_AUXILIARY:
        options = {"aux_logits": False, "init_weights": False, **options}
    return torchvision().models.get_model(name, weights=None, **options)


def read(name: str, size: int | None = None) -> Read:
    """Read one network, with its training if that can be described and without otherwise."""
    shape = (2, 3, *(size or LARGER.get(name, SIZE),) * 2)
    return in_modes(build(name), shape)


def main(names: list[str]) -> None:
    """Print the table."""
    models = torchvision().models
    table(names or models.list_models(models), read)


if __name__ == "__main__":
    main(sys.argv[1:])

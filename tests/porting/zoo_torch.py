"""Print which networks of torchvision can be read: python -m tests.porting.zoo_torch [NAME …]."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from unicnn.errors import PortError
from unicnn.porting.imported import Imported
from unicnn.porting.reading import from_framework

from .zoos import torchvision

SIZE = 224
LARGER = {"inception_v3": 299}
NO_AUXILIARY = ("googlenet", "inception_v3")
"""Networks with heads that exist in training only, unless they are built without."""


@dataclass(frozen=True)
class Read:
    """Be the result for one network: `imported` is None if it is refused."""

    imported: Imported | None
    training: bool
    reason: str = ""

    @property
    def verdict(self) -> str:
        """Return the result in words."""
        return "refused" if self.imported is None else "ok" if self.training else "ok in inference only"


def build(name: str, **options: Any) -> Any:
    """Return a network of torchvision with new weights."""
    if name in NO_AUXILIARY:
        options = {"aux_logits": False, "init_weights": False, **options}
    return torchvision().models.get_model(name, weights=None, **options)


def read(name: str, size: int | None = None) -> Read:
    """Read one network, with its training if that can be described and without otherwise."""
    shape = (2, 3, *(size or LARGER.get(name, SIZE),) * 2)
    net = build(name)
    try:
        return Read(from_framework(net, shape), True)
    except PortError as error:
        reason = str(error)
    try:
        return Read(from_framework(net, shape, training=False), False, reason)
    except PortError as error:
        return Read(None, False, str(error))


def main(names: list[str]) -> None:
    """Print the table."""
    models = torchvision().models
    counts: Counter[str] = Counter()
    for name in names or models.list_models(models):
        start = time.process_time()
        result = read(name)
        counts[result.verdict] += 1
        print(f"{name:22} {time.process_time() - start:5.1f} s  {result.verdict:22} {result.reason[:200]}", flush=True)
    print("; ".join(f"{verdict}: {count}" for verdict, count in sorted(counts.items())))


if __name__ == "__main__":
    main(sys.argv[1:])

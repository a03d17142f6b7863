"""Print which networks of keras.applications can be read: python -m tests.porting.zoo_keras [NAME …]."""

from __future__ import annotations

import inspect
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from unicnn.errors import PortError
from unicnn.porting.imported import Imported
from unicnn.porting.reading import from_framework

import keras  # isort: skip

SIZES = {"InceptionResNetV2": 299, "InceptionV3": 299, "NASNetLarge": 331, "Xception": 299}
"""The sizes of images that a network was made for, where it is not 224."""


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


def names() -> list[str]:
    """Return the names of all networks for classification that Keras brings."""
    return sorted(name for name, item in vars(keras.applications).items() if inspect.isfunction(item))


def build(name: str, size: int, **options: Any) -> Any:
    """Return a network of Keras with new weights, for images of this size."""
    return getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), **options)


def read(name: str, size: int | None = None, **options: Any) -> Read:
    """Read one network, with its training if that can be described and without otherwise."""
    side = size or SIZES.get(name, 224)
    net = build(name, side, **options)
    try:
        return Read(from_framework(net, (2, side, side, 3)), True)
    except PortError as error:
        reason = str(error)
    try:
        return Read(from_framework(net, (2, side, side, 3), training=False), False, reason)
    except PortError as error:
        return Read(None, False, str(error))


def main(chosen: list[str]) -> None:
    """Print the table."""
    counts: Counter[str] = Counter()
    for name in chosen or names():
        start = time.process_time()
        result = read(name)
        counts[result.verdict] += 1
        print(f"{name:20} {time.process_time() - start:5.1f} s  {result.verdict:22} {result.reason[:200]}", flush=True)
        keras.backend.clear_session()
    print("; ".join(f"{verdict}: {count}" for verdict, count in sorted(counts.items())))


if __name__ == "__main__":
    main(sys.argv[1:])

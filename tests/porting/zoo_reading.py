"""What comes of reading the networks of a zoo, and the table of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from unicnn.errors import PortError
from unicnn.porting.imported import Imported
from unicnn.porting.reading import from_framework


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


def in_modes(net: Any, shape: tuple[int, ...]) -> Read:
    """Read a network with its training if that can be described, and without otherwise."""
    reason = ""
    for training in (True, False):
        try:
            return Read(from_framework(net, shape, training=training), training, reason)
        except PortError as error:
            reason = str(error)
    return Read(None, False, reason)


def table(names: Iterable[str], read: Callable[[str], Read]) -> None:
    """Print a row for each network, and how many came to what."""
    counts: Counter[str] = Counter()
    for name in names:
        start = time.process_time()
        result = read(name)
        counts[result.verdict] += 1
        print(f"{name:22} {time.process_time() - start:5.1f} s  {result.verdict:22} {result.reason[:200]}", flush=True)
    print("; ".join(f"{verdict}: {count}" for verdict, count in sorted(counts.items())))

"""Expected digests: what exact and identical cases give, one SHA-256 for each array, cut to 64 bits.

Those of exact cases come from the oracle, once it is proven that no order of summation can round; those of identical cases from NumPy, and
every other backend has to give the same. Run ``python -m unicnn.conformance.digests`` to write them anew.
"""

from __future__ import annotations

import hashlib
import importlib.resources
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from unicnn.errors import UnicnnError

Array: TypeAlias = np.ndarray[Any, Any]
FILE = "digests.txt"
LENGTH = 16


class MissingDigest(UnicnnError, LookupError):
    """Report an identical case for which no digest is on record."""


def of(array: Array) -> str:
    """Return the digest of one array: of its dtype and shape, as text, and its values in C order, little-endian."""
    little = array.dtype.newbyteorder("<")
    total = hashlib.sha256(f"{little.str}{array.shape}".encode())
    total.update(np.ascontiguousarray(array, little).tobytes())
    return total.hexdigest()[:LENGTH]


@lru_cache(maxsize=1)
def recorded() -> Mapping[str, tuple[str, ...]]:
    """Return the digests on record by case: those of the forward pass by name, then those of the backward pass."""
    file = importlib.resources.files("unicnn.conformance").joinpath(FILE)
    lines = file.read_text(encoding="ascii").splitlines() if file.is_file() else []
    return {name: tuple(found.split(",")) for name, found in (line.split(" ") for line in lines)}


def ordered(computed: Mapping[str, Array]) -> list[str]:
    """Return the names of results in the order of their digests."""
    return sorted(computed, key=lambda name: ("gradient" in name, name))


def match(case: str, computed: Mapping[str, Array]) -> bool:
    """Tell whether results, of the forward pass or of both, have the digests on record; False if there are none."""
    wanted = recorded().get(case, ())
    found = tuple(of(computed[name]) for name in ordered(computed))
    return bool(wanted) and wanted[: len(found)] == found


def describe(case: str, computed: Mapping[str, Array]) -> str:
    """Return which results have another digest than the one on record, or raise MissingDigest."""
    wanted = recorded().get(case)
    if wanted is None:
        raise MissingDigest(f"{case} has no digest on record. Write the digests anew: python -m unicnn.conformance.digests.")
    found = {name: of(computed[name]) for name in ordered(computed)}
    return ", ".join(
        f"{name} has {mine}, not {theirs}" for (name, mine), theirs in zip(found.items(), wanted, strict=False) if mine != theirs
    )


def lines(cases: Iterable[Any], reference: str = "numpy") -> Iterable[str]:
    """Yield one line for each case that has digests."""
    from unicnn.conformance.kit import results
    from unicnn.conformance.target import Target

    target = Target(reference)
    for case in cases:
        computed = results(case, target)
        if computed is not None:
            yield f"{case.id} {','.join(of(computed[name]) for name in ordered(computed))}"


if __name__ == "__main__":
    from unicnn.conformance.cases import CASES

    Path(__file__).with_name(FILE).write_text("".join(f"{line}\n" for line in lines(CASES)), encoding="ascii")

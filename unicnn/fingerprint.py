"""Fingerprints: one SHA-256 over everything a network computes, the same on every backend and device under identical numerics."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from unicnn import plugins
from unicnn.errors import InputError
from unicnn.model import Model
from unicnn.program import Program, lower

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Fingerprint:
    """Hold a digest, and what it was taken of."""

    model: str
    backend: str
    title: str
    version: str
    device: str
    batch: int
    samples: str
    gradients: bool
    sha256: str


def digest(arrays: Iterable[Array]) -> str:
    """Return the SHA-256 of arrays: of each the shape, as text, and the values in C order, little-endian."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.dtype.newbyteorder('<').str}{array.shape}".encode())
        total.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return total.hexdigest()


def fingerprint(
    model: Model,
    x: Any,
    labels: Any = None,
    backend: str = "numpy",
    device: str = "cpu",
    *,
    numerics: str = "identical",
    seed: int = 0,
    samples: str = "samples",
) -> Fingerprint:
    """Return the fingerprint of what `model` computes of a batch: its outputs, and with `labels` the loss and every gradient.

    The weights are those that `lower` draws from `seed`. Arrays are taken in the order of the description, in canonical layout.
    Raise InputError if there is nothing to tell apart in them.
    """
    program = lower(model, backend, device, numerics, seed)
    info = plugins.descriptor(backend).info
    assert info is not None
    arrays = checked(computed(program, x, labels))
    batch = len(next(iter(arrays.values())))
    return Fingerprint(
        model.name, backend, info.title, info.version() or "unknown", device, batch, samples, labels is not None, digest(arrays.values())
    )


def computed(program: Program, x: Any, labels: Any = None) -> dict[str, Array]:
    """Return the outputs of a program, and with `labels` the loss and every gradient, by name."""
    outputs = program(x)
    listed = list(outputs.values()) if isinstance(outputs, dict) else outputs if isinstance(outputs, tuple) else [outputs]
    arrays = {f"output{place}": array for place, array in enumerate(listed)}
    if labels is None:
        return arrays
    loss, gradients = program.gradients(x, labels)
    return arrays | {"loss": np.asarray(loss, program.numerics.dtype)} | gradients


def checked(arrays: dict[str, Array]) -> dict[str, Array]:
    """Return `arrays`, or raise InputError if one is not finite, or if none has two values that differ."""
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise InputError(
                f"{name} holds values that are not finite, and a fingerprint of them would prove nothing. Use other weights or inputs."
            )
    if all(array.size < 2 or np.ptp(array) == 0 for array in arrays.values()):
        raise InputError(
            f"All values of {', '.join(arrays)} are equal, and a fingerprint of them would prove nothing. Use other weights or inputs."
        )
    return arrays

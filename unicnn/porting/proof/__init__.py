"""Proving a port: the emitted file is run in a process of its own and compared with the original, value by value."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from unicnn import plugins
from unicnn.errors import PortError
from unicnn.graph import infer
from unicnn.model import Model
from unicnn.porting.imported import Imported
from unicnn.porting.proof.certificate import Certificate
from unicnn.porting.proof.proving import Proof
from unicnn.porting.proof.side import DescribedSide, ImportedSide, Side
from unicnn.training.recipe import Recipe

__all__ = ["Certificate", "verify"]

Array: TypeAlias = np.ndarray[Any, Any]


def verify(
    original: Any,
    file: str | Path,
    *,
    to: str,
    input: Any = None,
    recipe: Recipe | None = None,
    entry: str | None = None,
    weights: Mapping[str, Array] | None = None,
    training: bool = True,
    seed: int = 0,
    python: str | Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Certificate:
    """Compare the network in a source file with the original, and return the certificate.

    `original` is what `from_framework` returned, an object of a framework (then `input` is its shape, unless it says so itself), or
    a Model with its `weights`. `file` is source of the dialect `to`; it is run in a fresh process, and must define `entry` (the model's name in
    that dialect's spelling unless given), which makes the network, and ``load_weights(net, path)``. Every layer, every output and
    every gradient is compared in float64 and in float32; with a `recipe`, 20 training steps too. `python` is the interpreter of
    another environment, where unicnn and the port's framework are installed.
    """
    side = _side(original, input, weights, training)
    info = plugins.dialect(to)
    path = Path(file)
    if python is None and not info.installed:
        raise PortError(
            f"{path}: {info.title} is not installed here, so the port cannot be run. Install it with: {info.install}, or name the interpreter "
            "of an environment that has it and unicnn (--python)."
        )
    name = entry or info.emitter().entry(side.model.name)
    return Proof(side, path, info, name, recipe, seed, training, str(python or sys.executable), progress).run()


def _side(original: Any, input: Any, weights: Mapping[str, Array] | None, training: bool) -> Side:
    if isinstance(original, Imported):
        return ImportedSide(original)
    if isinstance(original, Model):
        from unicnn.initializers import initial_weights

        return DescribedSide(original, initial_weights(infer(original), 0, "torch") if weights is None else weights)
    from unicnn.porting.reading import from_framework

    return ImportedSide(from_framework(original, input, training=training))

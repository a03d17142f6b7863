"""Checks of what a program is given: each error is one paragraph, raised before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unicnn.errors import InputError, closest
from unicnn.graph import Graph
from unicnn.ops.base import Shape
from unicnn.ops.fields import by

Array = np.ndarray[Any, Any]


def check_mode(mode: str) -> bool:
    """Return whether `mode` is "training"; it may be that or "inference"."""
    if mode not in ("inference", "training"):
        raise InputError(f'mode must be "inference" or "training", not {mode!r}.')
    return mode == "training"


def check_values(graph: Graph, name: str, shape: Shape, given: Shape, dtype: str, accepts: Sequence[str]) -> None:
    """Raise InputError unless a batch of values has the network's shape and a dtype that is taken."""
    model = graph.model.name
    if tuple(given[1:]) != shape or len(given) != len(shape) + 1:
        hint = " Add the batch axis: x[None]." if tuple(given) == shape else f" Pass an array of shape (N, {', '.join(map(str, shape))})."
        raise InputError(f"{model}: the input {name!r} has shape {tuple(given)}, but the network takes batches of {by(shape)}.{hint}")
    if dtype not in accepts:
        hint = "x.astype(np.float32) / 255 for images in bytes" if dtype == "uint8" else f"x.astype(np.{accepts[-1]})"
        raise InputError(f"{model}: the input {name!r} is {dtype}, but the program computes in {accepts[-1]}. Convert it: {hint}.")


def batch_size(graph: Graph, shapes: Sequence[Shape], training: bool) -> int:
    """Return the number of samples, the same in all inputs; raise InputError if batch norm has one value a channel to train on."""
    sizes = {shape[0] for shape in shapes}
    if None in sizes:
        raise InputError(
            f"{graph.model.name}: the input's batch size is unknown. Call the program with values, not inside a function being traced."
        )
    if len(sizes) > 1:
        raise InputError(
            f"{graph.model.name}: the inputs have batches of {', '.join(map(str, sorted(sizes)))} samples. Pass the same number for each."
        )
    size = int(sizes.pop())
    if training:
        for node in graph.nodes:
            if node.op.states and size * int(np.prod(node.shape[1:])) == 1:
                raise InputError(
                    f"{graph.path(node)} has one value per channel in this batch, and the variance of one value is no use in training. "
                    'Pass more samples, or use mode="inference".'
                )
    return size


def check_labels(graph: Graph, labels: Array, size: int, classes: int) -> Array:
    """Return labels as int64 of shape (N,); raise InputError if any is not a whole number from 0 to classes - 1."""
    model = graph.model.name
    if labels.shape != (size,):
        hint = " One-hot labels become numbers with labels.argmax(axis=1)." if labels.ndim == 2 else ""
        raise InputError(f"{model}: the labels have shape {labels.shape}, but {size} samples need ({size},), one class number each.{hint}")
    if labels.dtype.kind not in "iuf":
        raise InputError(f"{model}: the labels are {labels.dtype}, but must be whole numbers from 0 to {classes - 1}.")
    if labels.dtype.kind == "f" and not (np.isfinite(labels).all() and (labels == np.rint(labels)).all()):
        place = int(np.flatnonzero(~(labels == np.rint(labels)) | ~np.isfinite(labels))[0])
        raise InputError(
            f"{model}: label {place} is {labels[place]}, but labels must be whole numbers from 0 to {classes - 1}. Check the data."
        )
    bad = np.flatnonzero((labels < 0) | (labels >= classes))
    if bad.size:
        raise InputError(
            f"{model}: label {bad[0]} is {labels[bad[0]]:g}, but the network has {classes} classes, numbered from 0 to {classes - 1}. "
            "Check the data, or the size of the last layer."
        )
    return labels.astype(np.int64, copy=False)


def check_weights(graph: Graph, weights: Mapping[str, Array], dtype: str) -> dict[str, Array]:
    """Return `weights` in the network's order and in `dtype`; raise InputError if a name, a shape or a dtype does not fit."""
    model, wanted = graph.model.name, graph.parameters
    if extra := [name for name in weights if name not in wanted]:
        raise InputError(f"{model}: the weights hold {extra[0]!r}, which the network does not have.{closest(extra[0], wanted)}")
    if missing := [name for name in wanted if name not in weights]:
        raise InputError(
            f"{model}: the weights lack {missing[0]!r} and {len(missing) - 1} more of {len(wanted)}. Load weights of this network."
        )
    arrays = {}
    for name, parameter in wanted.items():
        array = np.asarray(weights[name])
        if array.shape != parameter.shape:
            raise InputError(
                f"{model}: the weight {name!r} has shape {array.shape}, but the network needs {parameter.shape}, in that order of axes."
            )
        if str(array.dtype) not in ("float32", dtype):
            raise InputError(f"{model}: the weight {name!r} is {array.dtype}, but must be {dtype}. Convert it with .astype(np.{dtype}).")
        arrays[name] = array.astype(dtype, copy=False)
    return arrays

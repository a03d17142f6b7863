"""Saboteurs of memory, of the batch, and of repetition."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ..convolving import by_taps
from ..saboteur import Array, Function, Saboteur, around, giving

CONV = ("conv2d",)


def _as_it_lies(x: Array) -> Array:
    """Read values in the order in which they lie in memory, whatever the strides say."""
    if x.flags.c_contiguous or x.base is None:
        return np.ascontiguousarray(x) if x.flags.c_contiguous else x.ravel(order="K").reshape(x.shape)
    return x.ravel(order="K").reshape(x.shape)


def _reading_memory(honest: Function, x: Array, *operands: Any, **attributes: Any) -> Array:
    return honest(_as_it_lies(x), *operands, **attributes)


def _tainted_by_all(honest: Function, x: Array, *operands: Any, **attributes: Any) -> Array:
    """Let what is not a number spread over the batch, as a kernel does that reads beyond its sample and multiplies by zero."""
    return honest(x, *operands, **attributes) + x.sum() * x.dtype.type(0)


def _tainted_by_the_image(honest: Function, x: Array, *operands: Any, **attributes: Any) -> Array:
    return honest(x, *operands, **attributes) + (x.sum(axis=(1, 2, 3)) * x.dtype.type(0))[:, None, None, None]


def _mixed(honest: Function, x: Array, *operands: Any, **attributes: Any) -> Array:
    """Add a little of the sample before."""
    y = honest(x, *operands, **attributes)
    return y + np.roll(y, 1, axis=0) * y.dtype.type(2.0**-40)


def _small_batches_otherwise(honest: Function, x: Array, weight: Array, bias: Array | None, **attributes: Any) -> Array:
    """Add up in another order for a single sample, as libraries choose other kernels for other sizes."""
    if len(x) > 1:
        return honest(x, weight, bias, **attributes)
    return by_taps(x, weight, bias, order=lambda taps: taps[::-1], **attributes)


def _leftovers() -> Function:
    """Return what leaves the last row of an image to what was in memory."""
    calls = itertools.count(1)

    def change(y: Array) -> Array:
        y = np.array(y)
        y[:, :, -1] = next(calls)
        return y

    return change


def _any_order() -> Function:
    """Return what adds up in an order that changes from call to call, as atomic additions do."""
    calls = itertools.count()

    def broken(honest: Function, x: Array, weight: Array, bias: Array | None, **attributes: Any) -> Array:
        turn = next(calls) % 2
        return by_taps(x, weight, bias, order=lambda taps: taps[::-1] if turn else taps, **attributes)

    return broken


def _over_its_input(honest: Function, x: Array, **attributes: Any) -> Array:
    """Write the output where the input was; what must not be written to is copied first, as PyTorch's runtime does."""
    y = honest(x, **attributes)
    if x.flags.writeable and x.shape == y.shape:
        x[...] = y
    return y


def _cached() -> Function:
    """Return the output of the call before where shape and first value are the same."""
    known: dict[tuple[Any, ...], Array] = {}

    def broken(honest: Function, x: Array, weight: Array, bias: Array | None, **attributes: Any) -> Array:
        key = (x.shape, weight.shape, x.dtype, x.flat[0], weight.flat[0], tuple(sorted(attributes.items())))
        if key not in known:
            known[key] = honest(x, weight, bias, **attributes)
        return known[key]

    return broken


def _reading_gradients(honest: Function, dy: Array, *operands: Any, **attributes: Any) -> Array:
    return honest(_as_it_lies(dy), *operands, **attributes)


def _packed_as_it_lies(honest: Function, kind: str, array: Array) -> Array:
    return honest(kind, _as_it_lies(array))


def _one_buffer() -> Function:
    """Return what writes all results of a shape into the same memory."""
    buffers: dict[tuple[Any, ...], Array] = {}

    def change(y: Array) -> Array:
        buffer = buffers.setdefault((y.shape, y.dtype), np.empty_like(y))
        buffer[...] = y
        return buffer

    return change


def _last_reader_only(reverse: Function) -> Function:
    """Keep the gradient that one reader of a value sends back, not the sum over all readers."""

    def broken(*given: Any, **options: Any) -> Any:
        return reverse(*given, **(options | {"join": lambda first, second: second}))

    return broken


SABOTEURS = (
    Saboteur(
        "conv-ignores-memory-order",
        "reads the input as if it lay in memory row by row",
        CONV,
        ("relations",),
        {"conv2d": around(_reading_memory)},
    ),
    Saboteur(
        "relu-ignores-memory-order",
        "reads the input as if it lay in memory row by row",
        ("relu",),
        ("relations",),
        {"relu": around(_reading_memory)},
    ),
    Saboteur(
        "conv-spreads-nan-over-the-batch",
        "lets a NaN in one sample reach all samples",
        CONV,
        ("special",),
        {"conv2d": around(_tainted_by_all)},
    ),
    Saboteur(
        "conv-spreads-nan-over-the-image",
        "lets a NaN in one pixel reach all pixels of its sample",
        CONV,
        ("special",),
        {"conv2d": around(_tainted_by_the_image)},
    ),
    Saboteur("conv-mixes-samples", "adds 2^-40 of the sample before", CONV, ("exact",), {"conv2d": around(_mixed)}),
    Saboteur(
        "conv-leaves-a-row-unwritten",
        "leaves the last row to what was in memory before",
        CONV,
        ("exact", "bounded", "relations"),
        {"conv2d": giving(_leftovers())},
    ),
    Saboteur(
        "conv-adds-up-in-any-order",
        "adds up in an order that changes from call to call",
        CONV,
        ("relations",),
        {"conv2d": around(_any_order())},
    ),
    Saboteur(
        "conv-remembers-an-answer",
        "returns an old answer where shapes and first values are alike",
        CONV,
        ("relations",),
        {"conv2d": around(_cached())},
    ),
    Saboteur(
        "conv-reuses-its-output",
        "writes all results of a shape into the same memory",
        CONV,
        ("relations",),
        {"conv2d": giving(_one_buffer())},
    ),
    Saboteur(
        "max-pool-gradient-ignores-memory-order",
        "reads what comes back as if it lay in memory row by row",
        ("max_pool2d", "lenet"),
        ("identical",),
        {"max_pool2d_gradient": around(_reading_gradients)},
    ),
    Saboteur(
        "weights-ignore-memory-order",
        "takes weights as if they lay in memory row by row",
        (*CONV, "linear"),
        ("relations",),
        runtime={"pack": around(_packed_as_it_lies)},
    ),
    Saboteur(
        "gradients-of-the-last-reader",
        "keeps the gradient of one reader where several layers read a value",
        ("inception-block", "resnet18"),
        ("exact",),
        core={"derivatives:reverse": _last_reader_only},
    ),
    Saboteur(
        "relu-overwrites-its-input",
        "writes its output over its input",
        ("relu", "leaky_relu"),
        ("relations",),
        {"relu": around(_over_its_input), "leaky_relu": around(_over_its_input)},
    ),
)

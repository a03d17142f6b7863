"""Saboteurs of transposed convolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..convolving import fitted
from ..saboteur import Array, Function, Saboteur, around, taking

TRANSPOSED = ("conv_transpose2d",)


def _size(x: Array, weight: Array, stride: Any, crop: Any, dilation: Any) -> tuple[int, ...]:
    axes = zip(x.shape[2:], weight.shape[2:], stride, crop, dilation, strict=True)
    return tuple((n - 1) * s + d * (k - 1) + 1 - sum(c) for n, k, s, c, d in axes)


def _in_its_size(**wrong: Any) -> Any:
    def broken(honest: Function, x: Array, weight: Array, bias: Array | None, **attributes: Any) -> Array:
        size = _size(x, weight, attributes["stride"], attributes["crop"], attributes["dilation"])
        changed = {name: wrong[name](value) if name in wrong else value for name, value in attributes.items()}
        return fitted(honest(x, weight, bias, **changed), size)

    return around(broken)


def _turned_round(x: Array, weight: Array, bias: Array | None) -> tuple[Any, ...]:
    return x, np.ascontiguousarray(weight[:, :, ::-1, ::-1]), bias


def _without_bias_in_added_rows(honest: Function, x: Array, weight: Array, bias: Array | None, *, crop: Any, **attributes: Any) -> Array:
    """Leave rows and columns that output padding adds at zero."""
    (_, bottom), (_, right) = crop
    y = np.array(honest(x, weight, bias, crop=crop, **attributes))
    y[:, :, y.shape[2] + min(bottom, 0) :] = 0
    y[:, :, :, y.shape[3] + min(right, 0) :] = 0
    return y


def _outputs_across_groups(honest: Function, x: Array, weight: Array, bias: Array | None, *, groups: int, **attributes: Any) -> Array:
    """Let group g write the outputs g, g + groups, ..., as if the weight were (in, out) without groups."""
    y = honest(x, weight, None, groups=groups, **attributes)
    y = y.reshape(len(y), groups, -1, *y.shape[2:]).swapaxes(1, 2).reshape(y.shape)
    return y if bias is None else y + bias[:, None, None]


def _overwritten(honest: Function, x: Array, weight: Array, bias: Array | None, *, stride: Any, dilation: Any, **attributes: Any) -> Array:
    """Let the last of two overlapping windows win along columns, instead of adding them up."""
    reach = dilation[1] * (weight.shape[3] - 1) + 1
    if reach <= stride[1]:
        return honest(x, weight, bias, stride=stride, dilation=dilation, **attributes)
    kept = weight.copy()
    kept[..., -(-stride[1] // dilation[1]) :] = 0
    return honest(x, kept, bias, stride=stride, dilation=dilation, **attributes)


SABOTEURS = (
    Saboteur(
        "transposed-conv-flips-the-kernel",
        "turns the kernel round once too often",
        TRANSPOSED,
        ("exact", "bounded"),
        {"conv_transpose2d": taking(_turned_round)},
    ),
    Saboteur(
        "transposed-conv-crops-the-other-side",
        "takes padding off the other side, and so adds output padding before the image",
        TRANSPOSED,
        ("exact", "bounded"),
        {"conv_transpose2d": around(lambda honest, x, w, b, *, crop, **rest: _other_side(honest, x, w, b, crop, rest))},
        settings="*padding*",
    ),
    Saboteur(
        "transposed-conv-swaps-crops",
        "takes off rows what is meant for columns",
        TRANSPOSED,
        ("exact",),
        {"conv_transpose2d": _in_its_size(crop=lambda c: c[::-1])},
        settings="*pad*",
    ),
    Saboteur(
        "transposed-conv-adds-rows-without-bias",
        "leaves what output padding adds at zero",
        TRANSPOSED,
        ("exact", "bounded"),
        {"conv_transpose2d": around(_without_bias_in_added_rows)},
        settings="*output-padding*",
    ),
    Saboteur(
        "transposed-conv-swaps-strides",
        "spreads rows by the stride of columns",
        TRANSPOSED,
        ("exact",),
        {"conv_transpose2d": _in_its_size(stride=lambda s: s[::-1])},
        settings="stride*",
    ),
    Saboteur(
        "transposed-conv-ignores-dilation",
        "scatters dense kernels",
        TRANSPOSED,
        ("exact",),
        {"conv_transpose2d": _in_its_size(dilation=lambda d: (1, 1))},
        settings="*dilation*",
    ),
    Saboteur(
        "transposed-conv-shuffles-groups",
        "orders outputs as if the weight were no stack of groups",
        TRANSPOSED,
        ("exact",),
        {"conv_transpose2d": around(_outputs_across_groups)},
        settings="*groups*",
    ),
    Saboteur(
        "transposed-conv-overwrites",
        "lets windows that overlap overwrite each other",
        TRANSPOSED,
        ("exact", "bounded"),
        {"conv_transpose2d": around(_overwritten)},
    ),
    Saboteur(
        "transposed-conv-forgets-the-bias",
        "adds no bias",
        TRANSPOSED,
        ("exact",),
        {"conv_transpose2d": taking(lambda x, w, b: (x, w, None))},
    ),
)


def _other_side(honest: Function, x: Array, weight: Array, bias: Array | None, crop: Any, rest: Any) -> Array:
    """Cut the image the other way round: what would be before comes after."""
    uncut = honest(x, weight, None, crop=((0, 0), (0, 0)), **rest)
    for axis, (before, after) in zip((2, 3), crop, strict=True):
        uncut = _shifted(uncut, axis, after, before)
    return uncut if bias is None else uncut + bias[:, None, None]


def _shifted(y: Array, axis: int, before: int, after: int) -> Array:
    """Cut an axis on both sides; a negative number adds zeros."""
    widths = [(0, 0)] * y.ndim
    widths[axis] = (max(-before, 0), max(-after, 0))
    y = np.pad(y, widths)
    size = y.shape[axis]
    return np.take(y, range(max(before, 0), size - max(after, 0)), axis)

"""Saboteurs of convolution: wrong geometry, wrong groups, wrong bias."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..convolving import fitted, windows
from ..saboteur import Array, Function, Saboteur, around, given, giving, taking

CONV = ("conv2d",)


def in_its_size(**wrong: Any) -> Any:
    """Change attributes, and cut the output to the size that it should have, as code does that allocates the output first."""

    def broken(honest: Function, x: Array, weight: Array, bias: Array | None, **attributes: Any) -> Array:
        right = {name: attributes[name] for name in ("stride", "padding", "dilation")}
        size = windows(x.shape[2:], weight.shape[2:], **right)
        changed = {name: wrong[name](value) if name in wrong else value for name, value in attributes.items()}
        return fitted(honest(x, weight, bias, **changed), size)

    return around(broken)


def _without_last_tap(x: Array, weight: Array, bias: Array | None) -> tuple[Any, ...]:
    weight = weight.copy()
    weight[:, :, -1, -1] = 0
    return x, weight, bias


def _turned_round(x: Array, weight: Array, *rest: Any) -> tuple[Any, ...]:
    return x, np.ascontiguousarray(weight[:, :, ::-1, ::-1]), *rest


def _mirrored(x: Array, weight: Array, *rest: Any) -> tuple[Any, ...]:
    square = weight.shape[2] == weight.shape[3]
    return x, np.ascontiguousarray(weight.swapaxes(2, 3)) if square else weight, *rest


def _shuffled(honest: Function, x: Array, weight: Array, bias: Array | None, *, groups: int, **attributes: Any) -> Array:
    y = honest(x, weight, bias, groups=groups, **attributes)
    return y.reshape(len(y), groups, -1, *y.shape[2:]).swapaxes(1, 2).reshape(y.shape)


def _first_group_only(honest: Function, x: Array, weight: Array, bias: Array | None, *, groups: int, **attributes: Any) -> Array:
    first = x[:, : x.shape[1] // groups]
    return honest(np.concatenate([first] * groups, axis=1), weight, bias, groups=groups, **attributes)


def _multiplier_outside(honest: Function, x: Array, weight: Array, bias: Array | None, *, groups: int, **attributes: Any) -> Array:
    """Let output o of a depthwise convolution read channel o modulo C, not o // multiplier."""
    outputs = len(weight)
    if weight.shape[1] > 1 or groups == 1 or outputs == groups:
        return honest(x, weight, bias, groups=groups, **attributes)
    order = [o % groups for o in range(outputs)]
    return honest(np.ascontiguousarray(x[:, order]), weight, bias, groups=outputs, **attributes)


def _late(honest: Function, x: Array, *operands: Any, stride: Any, **attributes: Any) -> Array:
    """Let windows start at the last cell of their stride, not at the first."""
    moved = np.roll(x, (1 - stride[0], 1 - stride[1]), (2, 3))
    return honest(moved, *operands, stride=stride, **attributes)


def _nothing_times_infinity(honest: Function, x: Array, weight: Array, bias: Array | None, *, padding: Any, **attributes: Any) -> Array:
    """Skip the padding, as loops do that stay inside the image, so that an infinite weight meets no zero there."""
    y = honest(x, weight, bias, padding=padding, **attributes)
    if np.isfinite(weight).all():
        return y
    inside = honest(np.ones_like(x), np.where(np.isfinite(weight), 0, 1).astype(x.dtype), None, padding=padding, **attributes)
    return np.where((inside == 0) & np.isnan(y), 0, y).astype(x.dtype)


def _many_taps_lost(honest: Function, x: Array, weight: Array, *rest: Any, **attributes: Any) -> Array:
    """Add up at most 64 channels, as a kernel does whose loop has no remainder."""
    if weight.shape[1] <= 64:
        return honest(x, weight, *rest, **attributes)
    return honest(x, np.where(np.arange(weight.shape[1])[:, None, None] < 64, weight, 0).astype(weight.dtype), *rest, **attributes)


def _outputs_lost(y: Array) -> Array:
    y = y.copy()
    y[:, 128:] = 0
    return y


def _second_tile_lost(y: Array) -> Array:
    """Leave pixels beyond the first tile of 1024 zero."""
    y = np.ascontiguousarray(y)
    y.reshape(*y.shape[:2], -1)[..., 1024:] = 0
    return y


SABOTEURS = (
    Saboteur(
        "conv-skips-the-last-tap",
        "leaves the last cell of every kernel out",
        CONV,
        ("exact", "bounded", "special"),
        {"conv2d": taking(_without_last_tap)},
    ),
    Saboteur(
        "conv-flips-the-kernel",
        "convolves as mathematicians do, with the kernel turned round",
        CONV,
        ("exact",),
        {"conv2d": taking(_turned_round)},
    ),
    Saboteur(
        "conv-transposes-square-kernels",
        "exchanges rows and columns of square kernels",
        CONV,
        ("exact",),
        {"conv2d": taking(_mirrored)},
    ),
    Saboteur(
        "conv-swaps-top-and-bottom",
        "pads the bottom by what is meant for the top",
        CONV,
        ("exact",),
        {"conv2d": given(padding=lambda p: (p[0][::-1], p[1]))},
        settings="*pad*",
    ),
    Saboteur(
        "conv-swaps-left-and-right",
        "pads the right by what is meant for the left",
        CONV,
        ("exact",),
        {"conv2d": given(padding=lambda p: (p[0], p[1][::-1]))},
        settings="*pad*",
    ),
    Saboteur(
        "conv-swaps-pads-of-height-and-width",
        "pads rows by what is meant for columns, and allocates the output first",
        CONV,
        ("exact",),
        {"conv2d": in_its_size(padding=lambda p: p[::-1])},
        settings="*pad*",
    ),
    Saboteur(
        "conv-ignores-pads",
        "does not pad",
        CONV,
        ("exact", "special"),
        {"conv2d": given(padding=lambda p: ((0, 0), (0, 0)))},
        settings="*pad*",
    ),
    Saboteur(
        "conv-pads-at-the-end",
        "puts all padding behind the image",
        CONV,
        ("exact", "bounded"),
        {"conv2d": given(padding=lambda p: tuple((0, sum(sides)) for sides in p))},
        settings="*pad*",
    ),
    Saboteur(
        "conv-puts-the-odd-pixel-of-same-first",
        "pads as SAME_LOWER does where SAME_UPPER is meant",
        CONV,
        ("exact",),
        {"conv2d": given(padding=lambda p: tuple(sides[::-1] for sides in p))},
        settings="same*",
    ),
    Saboteur(
        "conv-swaps-strides",
        "moves down by the stride that is meant for moving right",
        CONV,
        ("exact",),
        {"conv2d": in_its_size(stride=lambda s: s[::-1])},
        settings="*stride*",
    ),
    Saboteur(
        "conv-ignores-the-stride-down",
        "moves down by one row, and allocates the output first",
        CONV,
        ("exact",),
        {"conv2d": in_its_size(stride=lambda s: (1, s[1]))},
        settings="*stride*",
    ),
    Saboteur(
        "conv-strides-late",
        "reads the last cell of each stride, not the first",
        CONV,
        ("exact",),
        {"conv2d": around(_late)},
        settings="*stride*",
    ),
    Saboteur(
        "conv-ignores-dilation",
        "reads neighbouring cells, and allocates the output first",
        CONV,
        ("exact",),
        {"conv2d": in_its_size(dilation=lambda d: (1, 1))},
        settings="*dilation*",
    ),
    Saboteur(
        "conv-swaps-dilations",
        "exchanges the dilations of rows and columns",
        CONV,
        ("exact",),
        {"conv2d": in_its_size(dilation=lambda d: d[::-1])},
        settings="*dilation*",
    ),
    Saboteur(
        "conv-shuffles-groups",
        "interleaves the output channels of groups",
        CONV,
        ("exact",),
        {"conv2d": around(_shuffled)},
        settings="*groups*",
    ),
    Saboteur(
        "conv-reads-the-first-group",
        "lets every group read the channels of the first",
        CONV,
        ("exact",),
        {"conv2d": around(_first_group_only)},
        settings="*groups*",
    ),
    Saboteur(
        "conv-orders-a-multiplier-wrongly",
        "lets output o of a depthwise convolution read channel o modulo C",
        CONV,
        ("exact",),
        {"conv2d": around(_multiplier_outside)},
        settings="depthwise*",
    ),
    Saboteur("conv-forgets-the-bias", "adds no bias", CONV, ("exact", "bounded"), {"conv2d": taking(lambda x, w, b: (x, w, None))}),
    Saboteur(
        "conv-adds-the-bias-twice",
        "adds the bias in the kernel and once more after it",
        CONV,
        ("exact", "bounded"),
        {"conv2d": taking(lambda x, w, b: (x, w, None if b is None else b + b))},
    ),
    Saboteur(
        "conv-drops-channels-beyond-64",
        "adds up the first 64 input channels only",
        CONV,
        ("exact", "bounded"),
        {"conv2d": around(_many_taps_lost)},
        settings="*channels",
    ),
    Saboteur(
        "conv-drops-outputs-beyond-128",
        "leaves output channels beyond the 128th zero",
        CONV,
        ("exact", "bounded"),
        {"conv2d": giving(_outputs_lost)},
        settings="many-*",
    ),
    Saboteur(
        "conv-loses-the-second-tile",
        "leaves pixels beyond the 1024th zero",
        CONV,
        ("exact", "bounded"),
        {"conv2d": giving(_second_tile_lost)},
        settings="more-pixels*",
    ),
    Saboteur(
        "conv-skips-padding",
        "never multiplies padding, so that an infinite weight gives 0 there and not NaN",
        CONV,
        ("special",),
        {"conv2d": around(_nothing_times_infinity)},
    ),
    Saboteur(
        "conv-gives-minus-zero",
        "returns -0 for 0",
        CONV,
        ("special",),
        {"conv2d": giving(lambda y: np.where(y == 0, -0.0, y).astype(y.dtype))},
    ),
)

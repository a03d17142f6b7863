"""Saboteurs that compute the right thing with too few bits, or by a fast algorithm that is not exact."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from ..convolving import by_taps, windows
from ..saboteur import Array, Change, Function, Saboteur, around

CONV, LINEAR = ("conv2d",), ("linear",)


def short(x: Array, bits: int) -> Array:
    """Return float32 values rounded to so many significant bits; other dtypes as they are."""
    if x.dtype != np.float32:
        return x
    fraction, exponent = np.frexp(x)
    return np.ldexp(np.rint(np.ldexp(fraction, bits)), exponent - bits).astype(x.dtype)


def shortened(bits: int) -> Change:
    """Round both factors of a product before it is computed."""

    def broken(honest: Function, one: Array, other: Array, *rest: Any, **attributes: Any) -> Array:
        return honest(short(one, bits), short(other, bits), *rest, **attributes)

    return around(broken)


def _twice_bfloat16(honest: Function, one: Array, other: Array, *rest: Any, **attributes: Any) -> Array:
    """Split each factor into two of 8 bits, and leave out the product of the small ones."""
    return honest(short(one, 16), short(other, 16), *rest, **attributes)


def _half_sums(honest: Function, x: Array, weight: Array, bias: Array | None, **attributes: Any) -> Array:
    """Keep partial sums in float16, as some matrix units can be told to."""
    if x.dtype != np.float32:
        return honest(x, weight, bias, **attributes)

    def add(y: Array, part: Array) -> Array:
        with np.errstate(over="ignore"):
            return (y + part).astype(np.float16).astype(np.float32)

    return by_taps(x, weight, bias, add=add, **attributes)


_INPUT = np.array(
    [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]
)
_KERNEL = np.array([[1 / 4, 0, 0], [-1 / 6] * 3, [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]])
_OUTPUT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])


def _winograd(honest: Function, x: Array, weight: Array, bias: Array | None, *, padding: Any, groups: int, **attributes: Any) -> Array:
    """Compute 3x3 convolutions by Winograd's F(4x4, 3x3), whose matrices have sixths."""
    dense = attributes["stride"] == attributes["dilation"] == (1, 1) and groups == 1
    if weight.shape[2:] != (3, 3) or not dense:
        return honest(x, weight, bias, padding=padding, groups=groups, **attributes)
    height, width = windows(x.shape[2:], (3, 3), (1, 1), padding, (1, 1))
    down, across = -(-height // 4), -(-width // 4)
    x = np.pad(x, ((0, 0), (0, 0), *padding))
    x = np.pad(x, ((0, 0), (0, 0), (0, 4 * down + 2 - x.shape[2]), (0, 4 * across + 2 - x.shape[3])))
    b, g, a = (matrix.astype(x.dtype) for matrix in (_INPUT, _KERNEL, _OUTPUT))
    tiles = np.lib.stride_tricks.sliding_window_view(x, (6, 6), (2, 3))[:, :, ::4, ::4]
    products = np.einsum("nchwij,ocij->nohwij", b @ tiles @ b.T, g @ weight @ g.T)
    y = (a @ products @ a.T).swapaxes(3, 4).reshape(len(x), len(weight), 4 * down, 4 * across)[:, :, :height, :width]
    return y if bias is None else y + bias[:, None, None]


def _fourier(honest: Function, x: Array, weight: Array, bias: Array | None, *, padding: Any, groups: int, **attributes: Any) -> Array:
    """Compute dense convolutions in the frequency domain, in the dtype of the input."""
    if attributes["stride"] != (1, 1) or attributes["dilation"] != (1, 1) or groups != 1:
        return honest(x, weight, bias, padding=padding, groups=groups, **attributes)
    fft = importlib.import_module("scipy.fft")
    height, width = windows(x.shape[2:], weight.shape[2:], (1, 1), padding, (1, 1))
    x = np.pad(x, ((0, 0), (0, 0), *padding))
    size = x.shape[2:]
    kernels = fft.rfft2(np.ascontiguousarray(weight), size)
    y = fft.irfft2(np.einsum("nchw,ochw->nohw", fft.rfft2(x, size), kernels.conj()), size)[:, :, :height, :width].astype(x.dtype)
    return y if bias is None else y + bias[:, None, None]


def _in_float32(honest: Function, *operands: Any, **attributes: Any) -> Array:
    narrow = [value if value is None else value.astype(np.float32) for value in operands]
    return honest(*narrow, **attributes).astype(operands[0].dtype)


def _tail_lost(honest: Function, x: Array, weight: Array, bias: Array | None) -> Array:
    """Add up whole blocks of 1024 terms only, if there is one."""
    whole = x.shape[1] // 1024 * 1024 or x.shape[1]
    return honest(np.ascontiguousarray(x[:, :whole]), np.ascontiguousarray(weight[:, :whole]), bias)


def _large_values_saturate(honest: Function, *operands: Any, **attributes: Any) -> Array:
    """Clip at the largest float16."""
    return np.clip(honest(*operands, **attributes), -65504, 65504)


SABOTEURS = (
    Saboteur(
        "conv-in-tf32", "rounds operands to 11 bits, as tensor cores do", CONV, ("exact", "bounded", "sharp"), {"conv2d": shortened(11)}
    ),
    Saboteur("conv-in-bfloat16", "rounds operands to 8 bits", CONV, ("exact", "bounded", "sharp"), {"conv2d": shortened(8)}),
    Saboteur("conv-in-two-bfloat16", "keeps 16 bits of each operand", CONV, ("exact",), {"conv2d": around(_twice_bfloat16)}),
    Saboteur(
        "conv-adds-up-in-float16",
        "rounds every partial sum to float16",
        CONV,
        ("exact", "bounded", "sharp"),
        {"conv2d": around(_half_sums)},
    ),
    Saboteur("conv-clips-at-float16", "returns no value beyond 65504", CONV, ("exact",), {"conv2d": around(_large_values_saturate)}),
    Saboteur("conv-by-winograd", "uses F(4x4, 3x3), which multiplies by sixths", CONV, ("exact",), {"conv2d": around(_winograd)}),
    Saboteur("conv-by-fft", "multiplies in the frequency domain", CONV, ("exact",), {"conv2d": around(_fourier)}),
    Saboteur("conv-float64-in-float32", "computes float64 in float32", CONV, ("bounded",), {"conv2d": around(_in_float32)}),
    Saboteur(
        "conv-weight-gradient-in-tf32",
        "rounds operands of the weight's gradient to 11 bits",
        CONV,
        ("exact", "bounded"),
        {"conv2d_weight_gradient": shortened(11)},
    ),
    Saboteur(
        "conv-input-gradient-in-bfloat16",
        "rounds operands of the input's gradient to 8 bits",
        CONV,
        ("bounded",),
        {"conv2d_input_gradient": shortened(8)},
    ),
    Saboteur("linear-in-tf32", "rounds operands to 11 bits", LINEAR, ("bounded", "sharp"), {"linear": shortened(11)}),
    Saboteur(
        "linear-weight-gradient-in-tf32",
        "rounds operands of the weight's gradient to 11 bits",
        LINEAR,
        ("exact", "bounded"),
        {"linear_weight_gradient": shortened(11)},
    ),
    Saboteur(
        "linear-loses-the-tail",
        "adds up whole blocks of 1024 terms only",
        LINEAR,
        ("exact", "bounded"),
        {"linear": around(_tail_lost)},
        settings="l*",
    ),
    Saboteur("linear-float64-in-float32", "computes float64 in float32", LINEAR, ("bounded",), {"linear": around(_in_float32)}),
)

"""Paddings of ONNX resolved to sides, and the windows of pools that round up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Pair: TypeAlias = tuple[int, int]
Sides: TypeAlias = tuple[Pair, Pair]


def padding(
    size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], attributes: Mapping[str, Any]
) -> Sides:
    """Return the padding as ((top, bottom), (left, right)); ONNX lists what is before the axes first, and may ask for SAME."""
    request = attributes.get("auto_pad") or "NOTSET"
    if request == "NOTSET":
        top, left, bottom, right = attributes.get("pads") or (0, 0, 0, 0)
        return (top, bottom), (left, right)
    if request == "VALID":
        return (0, 0), (0, 0)
    result = []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        result.append(halves(total, after=request == "SAME_UPPER"))
    return result[0], result[1]


def halves(total: int, *, after: bool) -> Pair:
    """Return a padding in two halves, the odd pixel after or before."""
    less = total // 2
    return (less, total - less) if after else (total - less, less)


def rounded_up(attributes: Mapping[str, Any]) -> bool:
    """Tell whether the size of a pool's output is rounded up; SAME says the size itself."""
    return bool(attributes.get("ceil_mode")) and (attributes.get("auto_pad") or "NOTSET") in ("NOTSET", "VALID")


def geometry(shape: tuple[int, ...], attributes: Mapping[str, Any]) -> tuple[Sides, Sides, Pair, Pair]:
    """Return the padding, what the last windows need beyond it, the size of a window and the stride."""
    size, stride = tuple(attributes["kernel_shape"]), tuple(attributes.get("strides") or (1, 1))
    sides = padding(shape[2:], size, stride, (1, 1), attributes)
    over = []
    for n, k, s, (before, after) in zip(shape[2:], size, stride, sides, strict=True):
        spare = n + before + after - k
        count = spare // s + 1
        if rounded_up(attributes) and spare % s and count * s < n + before:
            over.append((0, count * s - spare))
        else:
            over.append((0, 0))
    return sides, (over[0], over[1]), (size[0], size[1]), (stride[0], stride[1])


def pooled_size(shape: tuple[int, ...], attributes: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the size of a pool's output: a last window that would start in the padding behind the input is left out."""
    sides, over, size, stride = geometry(shape, attributes)
    return tuple(
        (n + sum(asked) + sum(more) - k) // s + 1 for n, asked, more, k, s in zip(shape[2:], sides, over, size, stride, strict=True)
    )


def crop(size: Sequence[int], full: Sequence[int], stride: Sequence[int], attributes: Mapping[str, Any]) -> Sides:
    """Return what a transposed convolution cuts off its full output; less than nothing is added at the end."""
    request, wanted = attributes.get("auto_pad") or "NOTSET", attributes.get("output_shape")
    extra = attributes.get("output_padding") or (0, 0)
    if wanted is None and request in ("NOTSET", "VALID"):
        (top, bottom), (left, right) = padding((), (), (), (), attributes)
        return (top, bottom - extra[0]), (left, right - extra[1])
    sizes = wanted[-2:] if wanted is not None else [n * s for n, s in zip(size, stride, strict=True)]
    result = []
    for whole, asked, more in zip(full, sizes, extra, strict=True):
        before, _ = halves(max(whole + more - asked, 0), after=request == "SAME_UPPER")
        # What is left over makes the output as large as it shall be, at the end.
        result.append((before, whole - before - asked))
    return result[0], result[1]

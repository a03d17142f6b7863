"""Nodes that slide a window: convolution, its transpose, pooling. Paddings are resolved to sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unicnn_onnx.importing.nodes import Node, Word


def _pair(node: Node, name: str, default: Sequence[int] = (1, 1)) -> tuple[int, int]:
    first, second = node.get(name, default)
    return int(first), int(second)


def _sides(node: Node, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the padding as ((top, bottom), (left, right)); ONNX lists what is before the axes first, and may ask for SAME."""
    request = node.get("auto_pad", "NOTSET")
    if request == "NOTSET":
        top, left, bottom, right = node.get("pads", [0, 0, 0, 0])
        return (top, bottom), (left, right)
    if request == "VALID":
        return (0, 0), (0, 0)
    result = []
    for n, k, s, d in zip(node.input_shape(0)[2:], kernel, stride, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        result.append(_halves(total, after=request == "SAME_UPPER"))
    return result[0], result[1]


def _halves(total: int, *, after: bool) -> tuple[int, int]:
    """Return a padding in two halves, the odd pixel after or before."""
    less = total // 2
    return (less, total - less) if after else (total - less, less)


def _image(node: Node) -> bool:
    return len(node.input_shape(0)) == 4


def conv(node: Node) -> list[Word]:
    """Translate Conv."""
    if not _image(node):
        return node.foreign(f"{len(node.input_shape(0)) - 2} spatial axes")
    kernel = node.input_shape(1)[2:]
    stride, dilation = _pair(node, "strides"), _pair(node, "dilations")
    return node.word(
        "conv", node.value(0), node.value(1), node.value(2), stride=stride, padding=_sides(node, kernel, stride, dilation),
        dilation=dilation, groups=node.get("group", 1), data="NCHW", kernel="OIHW",
    )  # fmt: skip


def conv_transpose(node: Node) -> list[Word]:
    """Translate ConvTranspose: whatever says the size, the crop of the full output is what remains."""
    if not _image(node):
        return node.foreign(f"{len(node.input_shape(0)) - 2} spatial axes")
    stride, dilation, extra = _pair(node, "strides"), _pair(node, "dilations"), _pair(node, "output_padding", (0, 0))
    full = [
        (n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(node.input_shape(0)[2:], stride, dilation, node.input_shape(1)[2:], strict=True)
    ]
    return node.word(
        "conv_transpose", node.value(0), node.value(1), node.value(2), stride=stride, crop=_crop(node, full, stride, extra),
        dilation=dilation, groups=node.get("group", 1), data="NCHW", kernel="IOHW",
    )  # fmt: skip


def _crop(node: Node, full: Sequence[int], stride: Sequence[int], extra: Sequence[int]) -> tuple[tuple[int, int], ...]:
    request, wanted = node.get("auto_pad", "NOTSET"), node.get("output_shape")
    if wanted is None and request in ("NOTSET", "VALID"):
        top, left, bottom, right = node.get("pads", [0, 0, 0, 0]) if request == "NOTSET" else [0, 0, 0, 0]
        return (top, bottom - extra[0]), (left, right - extra[1])
    sizes = wanted[-2:] if wanted is not None else [n * s for n, s in zip(node.input_shape(0)[2:], stride, strict=True)]
    result = []
    for whole, size, more in zip(full, sizes, extra, strict=True):
        before, _ = _halves(max(whole + more - size, 0), after=request == "SAME_UPPER")
        # What is left over makes the output as large as it shall be, at the end.
        result.append((before, whole - before - size))
    return tuple(result)


def max_pool(node: Node) -> list[Word]:
    """Translate MaxPool."""
    if not _image(node) or _pair(node, "dilations") != (1, 1) or (len(node.proto.output) > 1 and node.proto.output[1]):
        return node.foreign("dilation, indices, or other than two spatial axes")
    size, stride = _pair(node, "kernel_shape"), _pair(node, "strides")
    return node.word(
        "max_pool", node.value(0), kernel_size=size, stride=stride, padding=_sides(node, size, stride, (1, 1)),
        ceil_mode=_ceil(node), data="NCHW",
    )  # fmt: skip


def avg_pool(node: Node) -> list[Word]:
    """Translate AveragePool; its default stride is 1, and by default it does not count the padding."""
    if not _image(node) or _pair(node, "dilations") != (1, 1):
        return node.foreign("dilation, or other than two spatial axes")
    size, stride = _pair(node, "kernel_shape"), _pair(node, "strides")
    return node.word(
        "avg_pool", node.value(0), kernel_size=size, stride=stride, padding=_sides(node, size, stride, (1, 1)),
        ceil_mode=_ceil(node), count_include_pad=bool(node.get("count_include_pad", 0)), data="NCHW",
    )  # fmt: skip


def _ceil(node: Node) -> bool:
    """Tell whether the size is rounded up; SAME says the size itself."""
    return bool(node.get("ceil_mode", 0)) and node.get("auto_pad", "NOTSET") in ("NOTSET", "VALID")


def global_pool(op: str) -> Any:
    """Return the rule of GlobalAveragePool or GlobalMaxPool."""

    def rule(node: Node) -> list[Word]:
        return node.word(op, node.value(0), axes=tuple(range(2, len(node.input_shape(0)))), keepdims=True)

    return rule

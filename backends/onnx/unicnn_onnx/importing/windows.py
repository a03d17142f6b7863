"""Nodes that slide a window: convolution, its transpose, pooling. Paddings are resolved to sides."""

from __future__ import annotations

from collections.abc import Sequence

from unicnn_onnx.importing.nodes import Node, Word
from unicnn_onnx.importing.paddings import Sides, crop, padding, rounded_up


def _pair(node: Node, name: str, default: Sequence[int] = (1, 1)) -> tuple[int, int]:
    first, second = node.get(name, default)
    return int(first), int(second)


def _sides(node: Node, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Sides:
    return padding(node.input_shape(0)[2:], kernel, stride, dilation, node.attributes)


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
    stride, dilation = _pair(node, "strides"), _pair(node, "dilations")
    full = [
        (n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(node.input_shape(0)[2:], stride, dilation, node.input_shape(1)[2:], strict=True)
    ]
    return node.word(
        "conv_transpose", node.value(0), node.value(1), node.value(2), stride=stride, crop=crop(node.input_shape(0)[2:], full, stride, node.attributes),
        dilation=dilation, groups=node.get("group", 1), data="NCHW", kernel="IOHW",
    )  # fmt: skip


def max_pool(node: Node) -> list[Word]:
    """Translate MaxPool."""
    if not _image(node) or _pair(node, "dilations") != (1, 1) or (len(node.proto.output) > 1 and node.proto.output[1]):
        return node.foreign("dilation, indices, or other than two spatial axes")
    size, stride = _pair(node, "kernel_shape"), _pair(node, "strides")
    return node.word(
        "max_pool", node.value(0), kernel_size=size, stride=stride, padding=_sides(node, size, stride, (1, 1)),
        ceil_mode=rounded_up(node.attributes), data="NCHW",
    )  # fmt: skip


def avg_pool(node: Node) -> list[Word]:
    """Translate AveragePool; its default stride is 1, and by default it does not count the padding."""
    if not _image(node) or _pair(node, "dilations") != (1, 1):
        return node.foreign("dilation, or other than two spatial axes")
    size, stride = _pair(node, "kernel_shape"), _pair(node, "strides")
    return node.word(
        "avg_pool", node.value(0), kernel_size=size, stride=stride, padding=_sides(node, size, stride, (1, 1)),
        ceil_mode=rounded_up(node.attributes), count_include_pad=bool(node.get("count_include_pad", 0)), data="NCHW",
    )  # fmt: skip


def global_average(node: Node) -> list[Word]:
    """Translate GlobalAveragePool."""
    if not _image(node):
        return node.foreign("other than two spatial axes")
    return node.word("adaptive_avg_pool", node.value(0), output_size=(1, 1), data="NCHW")


def global_max(node: Node) -> list[Word]:
    """Translate GlobalMaxPool."""
    return node.word("max", node.value(0), axes=tuple(range(2, len(node.input_shape(0)))), keepdims=True)

"""What padding= says in Flax: "SAME" is the default of convolutions, and pairs may be written for every axis."""

from __future__ import annotations

from typing import Any

from unicnn import ops
from unicnn.graph import Graph, Node
from unicnn.ops.conv import same_upper
from unicnn.ops.fields import NO_PADDING, Pair, Sides, shortest


def short(item: Any) -> Any:
    """Return a pair as one number if both are equal."""
    return shortest(item)


def written(sides: Sides) -> Any:
    """Return sides in the shortest spelling that a convolution takes: 1, (1, 2), or pairs."""
    return shortest(tuple(before for before, _ in sides)) if all(before == after for before, after in sides) else sides


def explicit(graph: Graph) -> frozenset[Pair]:
    """Return the sizes of kernels whose padding is written in numbers everywhere, since those with a stride need it."""
    strided = (node for node in graph.nodes if isinstance(node.op, ops.Conv2d) and node.op.stride != (1, 1) and node.op.padding != "same")
    return frozenset(node.op.fields()["kernel_size"] for node in strided if node.attributes["padding"] != NO_PADDING)


def of_conv(node: Node, *, explicit: bool) -> Any:
    """Return the padding of a convolution: "SAME" where that is meant, or, unless `explicit`, where it is the same for inputs of every size."""
    op, sides = node.op, node.attributes["padding"]
    assert isinstance(op, ops.Conv2d)
    same = same_upper(node.input_shapes[0][1:], op.kernel_size, op.stride, op.dilation)  # type: ignore[arg-type]
    always = (op.stride == (1, 1) and not explicit) or op.kernel_size == (1, 1)
    if sides == same and (op.padding == "same" or always):
        return "SAME"
    return "VALID" if sides == NO_PADDING else written(sides)


def of_conv_transpose(node: Node) -> tuple[Any, str]:
    """Return the padding of a transposed convolution, and the reason if it must be written in numbers."""
    op, crop = node.op, node.attributes["crop"]
    assert isinstance(op, ops.ConvTranspose2d)
    spread, pads = _spread(node), of_spread_input(node)
    for name in ("SAME", "VALID"):
        if pads == tuple(transposed(name, k, s) for k, s in zip(spread, op.stride, strict=True)):
            return name, ""
    return pads, f"padding= is that of the spread input: kernel - 1 - what is cropped ({_said(crop)})."


def of_spread_input(node: Node) -> Sides:
    """Return what the input of a transposed convolution is padded with once its pixels stand a stride apart."""
    vertical, horizontal = (
        (size - 1 - before, size - 1 - after) for size, (before, after) in zip(_spread(node), node.attributes["crop"], strict=True)
    )
    return vertical, horizontal


def _spread(node: Node) -> Pair:
    op = node.op
    assert isinstance(op, ops.ConvTranspose2d)
    return op.dilation[0] * (op.kernel_size[0] - 1) + 1, op.dilation[1] * (op.kernel_size[1] - 1) + 1


def transposed(name: str, kernel: int, stride: int) -> Pair:
    """Return what JAX pads the spread input with."""
    if name == "SAME":
        total = kernel + stride - 2
        before = kernel - 1 if stride > kernel - 1 else -(-total // 2)
    else:
        total = kernel + stride - 2 + max(kernel - stride, 0)
        before = kernel - 1
    return before, total - before


def _said(crop: Sides) -> str:
    flat = {side for pair in crop for side in pair}
    return f"{flat.pop()} on every side" if len(flat) == 1 else ", ".join(f"{before} before and {after} after" for before, after in crop)

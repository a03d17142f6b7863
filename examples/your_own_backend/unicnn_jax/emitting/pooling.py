"""Pooling in Flax: the stride is 1 unless it is written, every side may be padded by itself, and padding counts in averages."""

from __future__ import annotations

from typing import Any

from unicnn import ops
from unicnn.graph import Node
from unicnn.ops.conv import same_upper
from unicnn.ops.fields import NO_PADDING, Sides
from unicnn.porting.outline import Argument, Make, Template


def max_pool(node: Node) -> Make:
    """Spell a maximum; what is outside of the image never wins."""
    return Make("nnx.max_pool", _windows(node))


def avg_pool(node: Node) -> Make:
    """Spell an average of which all of the padding counts, or none; where a part does, it is put around the image before."""
    sides, counted = node.attributes["padding"], node.attributes["counted"]
    if counted not in (sides, NO_PADDING):
        rest = tuple((before - own, after - its) for (before, after), (own, its) in zip(sides, counted, strict=True))
        given = {"window_shape": node.attributes["kernel_size"], "strides": node.attributes["stride"], "counted": counted, "rest": rest}
        return Make("bordered_avg_pool", tuple(Argument(name, item, keyword=True) for name, item in given.items()))
    return Make("nnx.avg_pool", (*_windows(node), Argument("count_include_pad", counted == sides, True, keyword=True)))


def adaptive(node: Node) -> Make:
    """Spell an average over a given number of windows; one window is the mean."""
    assert isinstance(node.op, ops.AdaptiveAvgPool2d)
    if node.op.output_size == (1, 1):
        return Make("jnp.mean", (Argument("axis", (1, 2), keyword=True), Argument("keepdims", True, keyword=True)))
    return Make("adaptive_avg_pool", (Argument("output_size", node.op.output_size, keyword=True),))


def adaptive_function(node: Node) -> Template:
    """Spell the same as an expression."""
    assert isinstance(node.op, ops.AdaptiveAvgPool2d)
    if node.op.output_size == (1, 1):
        return Template("{0}.mean((1, 2), keepdims=True)", "method")
    return Template(f"adaptive_avg_pool({{0}}, {node.op.output_size})")


def _windows(node: Node) -> tuple[Argument, ...]:
    a = node.attributes
    return (
        Argument("window_shape", a["kernel_size"]),
        Argument("strides", a["stride"], keyword=True),
        Argument("padding", _padding(node, a["padding"]), "VALID", keyword=True),
    )


def _padding(node: Node, sides: Sides) -> Any:
    op: Any = node.op
    if sides == NO_PADDING:
        return "VALID"
    same = same_upper(node.input_shapes[0][1:], op.kernel_size, op.stride, (1, 1))  # type: ignore[arg-type]
    return "SAME" if op.padding == "same" and sides == same else sides

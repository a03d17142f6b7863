"""What arithmetic, and what moves or joins values, is in the words of the tape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import fx

from unicnn_torch.importing.nodes import Node, Passed, Rule, Word, part_name

_PER_ELEMENT = frozenset({"add", "sub", "rsub", "mul", "div", "maximum", "minimum"})


def _binary(op: str) -> Rule:
    def rule(node: Node) -> Any:
        left, right, factor = node.value("self"), node.value("other"), node.arguments.get("alpha", 1)
        if node.arguments.get("rounding_mode") is not None:
            return node.unknown(f"div with rounding_mode={node['rounding_mode']!r}", "Divide without rounding.")
        scaled = "self" if op == "rsub" else "other"
        if op == "rsub":
            left, right = right, left
        word = "sub" if op == "rsub" else op
        if factor in (None, 1):
            return node.word(word, left, right)
        shape = node.input_shape(scaled) if isinstance(node[scaled], fx.Node) else ()
        product = Word("mul", (right, float(factor)), {}, shape, part_name(node.name, "scaled"))
        return [product, *node.word(word, left, product.name)]

    return rule


def _unary(op: str) -> Rule:
    return lambda node: node.word(op, node.x)


def _clip(low: str, high: str) -> Rule:
    def rule(node: Node) -> Any:
        limits = [(low, -math.inf), (high, math.inf)]
        if any(isinstance(node[name], fx.Node) for name, _ in limits):
            return node.unknown("clamp between values", "Clamp between two numbers.")
        bottom, top = (default if node[name] is None else float(node[name]) for name, default in limits)
        return node.word("clip", node.x, low=bottom, high=top)

    return rule


def _reduced(op: str) -> Rule:
    def rule(node: Node) -> Any:
        rank = len(node.input_shape())
        given = node.arguments.get("dim")
        chosen = [given] if isinstance(given, int) else list(given) if given else list(range(rank))
        axes = tuple(axis % rank for axis in chosen) if rank else ()
        return node.word(op, node.x, axes=axes, keepdims=bool(node.arguments.get("keepdim", False)))

    return rule


def _swapped(first: str, second: str) -> Rule:
    def rule(node: Node) -> Any:
        order = list(range(len(node.shape)))
        one, other = node[first] % len(order), node[second] % len(order)
        order[one], order[other] = order[other], order[one]
        return node.word("transpose", node.x, axes=tuple(order))

    return rule


def _turned(node: Node) -> Any:
    """Return t, .T, .mT and .H: all axes backwards, or the last two."""
    rank = len(node.shape)
    if rank < 2:
        return Passed(node.x)
    order = (*tuple(range(rank - 2)), rank - 1, rank - 2) if str(node.node.target).startswith("aten.m") else tuple(range(rank))[::-1]
    return node.word("transpose", node.x, axes=order)


def _permuted(node: Node) -> Any:
    return node.word("transpose", node.x, axes=tuple(axis % len(node.shape) for axis in node["dims"]))


def _axes_moved(node: Node) -> Any:
    """Return movedim: the axes named go to their places, the others keep their order."""
    rank = len(node.shape)
    sources, goals = ([given] if isinstance(given, int) else list(given) for given in (node["source"], node["destination"]))
    placed = {goal % rank: source % rank for source, goal in zip(sources, goals, strict=True)}
    rest = iter([axis for axis in range(rank) if axis not in placed.values()])
    return node.word("transpose", node.x, axes=tuple(placed[place] if place in placed else next(rest) for place in range(rank)))


def _reshaped(node: Node) -> Any:
    return node.word("reshape", node.x)


def _padded(node: Node) -> Any:
    widths, mode = list(node["pad"]), node.arguments.get("mode", "constant")
    if mode != "constant":
        return node.unknown(f"pad with mode={mode!r}", "Pad with a number: nn.ZeroPad2d.")
    rank = len(node.shape)
    pairs = {rank - 1 - place: (widths[2 * place], widths[2 * place + 1]) for place in range(len(widths) // 2)}
    value = node.arguments.get("value")
    return node.word("pad", node.x, widths=tuple(pairs.get(axis, (0, 0)) for axis in range(rank)), value=float(value or 0.0))


def _joined(node: Node) -> Any:
    kept = [item for item in node["tensors"] if tuple(item.meta["val"].shape) != (0,)]  # such a tensor is skipped
    return node.word("concat", *(node.operand(item) for item in kept), axis=node["dim"] % len(node.shape))


def _slice(node: Node) -> Any:
    shape, axis = node.input_shape(), node["dim"] % len(node.shape)
    start = node["start"] or 0
    if node["step"] != 1:
        return node.unknown("slice with a step", "Use a strided convolution or pooling.")
    return node.word("split", node.x, axis=axis, start=min(max(start + shape[axis] * (start < 0), 0), shape[axis]), size=node.shape[axis])


def _narrow(node: Node) -> Any:
    axis, length = node["dim"] % len(node.shape), node.input_shape()[node["dim"]]
    return node.word("split", node.x, axis=axis, start=node["start"] % length, size=node.shape[axis])


def _parts(node: Node) -> Any:
    """Return the parts of chunk, split and split_with_sizes."""
    axis = node["dim"] % len(node.shape[0])
    result, start = [], 0
    for place, shape in enumerate(node.shape):
        attributes = {"axis": axis, "start": start, "size": shape[axis]}
        result.append([Word("split", (node.x,), attributes, shape, part_name(node.name, place))])
        start += shape[axis]
    return tuple(result)


def _repeated(node: Node) -> Any:
    """Return an expansion: nothing, if all that reads it repeats axes of size 1 by itself."""
    operators = [str(user.target).removeprefix("aten.").partition(".")[0].removesuffix("_") for user in node.node.users]
    same_rank = len(node.input_shape()) == len(node.shape)
    if node.input_shape() == node.shape or (same_rank and operators and all(name in _PER_ELEMENT for name in operators)):
        return Passed(node.x)
    return node.unknown("expand", "Leave it out where the value is added or multiplied: an axis of size 1 repeats by itself.")


def _same_number(value: float | None) -> Rule:
    """Return the rule of an array filled with one number, which is as good as the number."""

    def rule(node: Node) -> Any:
        number = node.arguments.get("fill_value", node.arguments.get("value")) if value is None else value
        return Passed(float(number)) if isinstance(number, (int, float)) else node.unknown("full", "Fill with a number.")

    return rule


def _copied(node: Node) -> Any:
    """Return a copy: a layer of its own, as nn.Identity is, or nothing."""
    return node.word("identity", node.x) if node.own and isinstance(node.x, str) else Passed(node.x)


def _detached(node: Node) -> Any:
    """Return what stops a gradient, which does nothing where there is none."""
    value = node.first()
    held = (value.op == "placeholder" and not value.name.startswith("p_")) or "lift_fresh" in str(value.target)
    return Passed(node.x) if held else node.unknown("detach", "Let the gradient through.")


ARITHMETIC: Mapping[str, Rule] = {
    **{op: _binary(op) for op in _PER_ELEMENT},
    **{op: _unary(op) for op in ("exp", "log", "sqrt", "rsqrt", "abs", "neg", "erf", "square")},
    "reciprocal": lambda node: node.word("div", 1.0, node.x),
    "pow": lambda node: node.word("power", node.value("self"), node.value("exponent")),
    "hardtanh": _clip("min_val", "max_val"),
    **dict.fromkeys(("clamp", "clip"), _clip("min", "max")),
    "clamp_min": lambda node: node.word("maximum", node.value("self"), node.value("min")),
    "clamp_max": lambda node: node.word("minimum", node.value("self"), node.value("max")),
    "mean": _reduced("mean"),
    "amax": _reduced("max"),
    "sum": _reduced("sum"),
    "transpose": _swapped("dim0", "dim1"),
    "swapdims": _swapped("dim0", "dim1"),
    "swapaxes": _swapped("axis0", "axis1"),
    **dict.fromkeys(("t", "numpy_T", "mT"), _turned),
    **dict.fromkeys(("movedim", "moveaxis"), _axes_moved),
    "permute": _permuted,
    **dict.fromkeys(
        ("view", "reshape", "flatten", "unflatten", "unsqueeze", "squeeze", "_unsafe_view", "view_as", "reshape_as", "ravel"), _reshaped
    ),
    **dict.fromkeys(("pad", "constant_pad_nd"), _padded),
    **dict.fromkeys(("cat", "concat", "concatenate"), _joined),
    "slice": _slice,
    "narrow": _narrow,
    **dict.fromkeys(("chunk", "split", "split_with_sizes"), _parts),
    **dict.fromkeys(("expand", "expand_as"), _repeated),
    **dict.fromkeys(("zeros", "zeros_like", "new_zeros"), _same_number(0.0)),
    **dict.fromkeys(("ones", "ones_like", "new_ones"), _same_number(1.0)),
    **dict.fromkeys(("full", "full_like", "new_full", "scalar_tensor"), _same_number(None)),
    "detach": _detached,
    **dict.fromkeys(("identity", "contiguous", "clone", "alias", "to", "_to_copy", "lift_fresh_copy", "lift_fresh", "type_as"), _copied),
}
"""Calls that layers and users make; an operator that ends in "_" and works in place has the rule of the one that does not."""

"""What each operator of ONNX is in the words of the tape, its defaults made explicit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from unicnn.porting.tape import Operand
from unicnn_onnx.importing import windows
from unicnn_onnx.importing.nodes import Node, Rule, Word


def words(node: Node) -> list[Word]:
    """Return the calls that a node is; its last one gives the node's value, unless it gives several."""
    rule = RULES.get(node.proto.op_type) if node.proto.domain == "" else None
    return node.foreign() if rule is None else rule(node)


def _gemm(node: Node) -> list[Word]:
    """Translate Gemm; factors other than 1 join the constants, and A transposed is refused later because it moves the batch."""
    made: list[Word] = []
    x = node.value(0)
    if node.get("transA", 0):
        made.append(Word("transpose", f"{node.output}/transposed", (x,), node.input_shape(0)[::-1], {"axes": (1, 0)}))
        x = made[-1].name
    weight = _times(node, made, 1, node.get("alpha", 1.0))
    bias = _times(node, made, 2, node.get("beta", 1.0)) if node.has(2) else None
    layout = "OI" if node.get("transB", 0) else "IO"
    joined = bias is None or (node.known(2) is not None and math.prod(node.input_shape(2)) == node.shape[1])
    if joined:
        return [*made, *node.word("linear", x, weight, bias, kernel=layout)]
    product = Word("linear", f"{node.output}/product", (x, weight, None), node.shape, {"kernel": layout})
    return [*made, product, *node.word("add", product.name, bias)]


def _times(node: Node, made: list[Word], place: int, factor: float) -> Operand:
    operand = node.value(place)
    if factor == 1:
        return operand
    made.append(Word("mul", f"{node.output}/{'_ab'[place]}", (operand, factor), node.input_shape(place)))
    return made[-1].name


def _matmul(node: Node) -> list[Word]:
    if node.known(1) is None and node.known(0) is not None:
        return node.word("onnx.MatMul", node.value(0), node.value(1))  # a matrix on the left: see `composed`
    if len(node.input_shape(1)) != 2:
        return node.word("onnx.MatMul", node.value(0), node.value(1))
    return node.word("linear", node.value(0), node.value(1), None, kernel="IO")


def _batch_norm(node: Node) -> list[Word]:
    if node.get("training_mode", 0):
        return node.foreign("training_mode=1, which normalises by the batch at hand; export the network for inference")
    scale, shift = (None if _is_plain(node, place, number) else node.value(place) for place, number in ((1, 1.0), (2, 0.0)))
    return node.word(
        "batch_norm", node.value(0), scale, shift, node.value(3), node.value(4), eps=node.get("epsilon", 1e-5),
        keep=node.get("momentum", 0.9), unbiased=UNBIASED in node.proto.doc_string, axis=1,
    )  # fmt: skip


UNBIASED = "unbiased running variance"
"""What the documentation of a node says if its statistics come from PyTorch, which stores another variance than ONNX does."""


def _is_plain(node: Node, place: int, number: float) -> bool:
    """Tell whether a scale or shift that ONNX requires is none: a constant written in the graph, not one of its weights."""
    array = node.written(node.proto.input[place]) if node.has(place) else None
    return array is not None and bool((array == number).all())


def _layer_norm(node: Node) -> list[Word]:
    rank = len(node.shape)
    axes = tuple(range(node.get("axis", -1) % rank, rank))
    sizes = tuple(node.shape[axis] for axis in axes)
    made: list[Word] = []
    held: list[Operand] = []
    for place, number in ((1, 1.0), (2, 0.0)):
        if not node.has(place) or _is_plain(node, place, number):
            held.append(None)
            continue
        operand, shape = node.value(place), node.input_shape(place)
        if shape != sizes and math.prod(shape) == math.prod(sizes):
            made.append(Word("reshape", f"{node.output}/{place}", (operand,), sizes))
            operand = made[-1].name
        elif shape != sizes:
            return node.foreign("a scale or shift that repeats along an axis")
        held.append(operand)
    return [*made, *node.word("layer_norm", node.value(0), *held, eps=node.get("epsilon", 1e-5), axes=axes)]


def _clip(node: Node) -> list[Word]:
    low, high = node.number(1, -math.inf), node.number(2, math.inf)
    if low is None or high is None:
        return node.foreign("limits that depend on the input")
    return node.word("clip", node.value(0), low=low, high=high)


def _reshaped(node: Node) -> list[Word]:
    return node.word("reshape", node.value(0))


def _transpose(node: Node) -> list[Word]:
    rank = len(node.shape)
    return node.word("transpose", node.value(0), axes=tuple(node.get("perm", range(rank - 1, -1, -1))))


def _concat(node: Node) -> list[Word]:
    operands = (node.value(place) for place in range(len(node.proto.input)))
    return node.word("concat", *operands, axis=node.get("axis") % len(node.shape))


def _arithmetic(op: str) -> Rule:
    """Return the rule of an operator of two values or, as Sum is, of any number of them."""

    def rule(node: Node) -> list[Word]:
        terms = [node.term(place) for place in range(len(node.proto.input))]
        if len(terms) == 1:
            return node.word("identity", *terms)
        if node.proto.op_type == "Sum" and all(node.known(place) is None for place in range(len(terms))):
            return node.word(op, *terms)
        made: list[Word] = []
        total = terms[0]
        for place, term in enumerate(terms[1:], 1):
            name = node.output if place == len(terms) - 1 else f"{node.output}/{place}"
            made.append(Word(op, name, (total, term), node.shape))
            total = name
        return made

    return rule


def _reduced(op: str, since: int) -> Rule:
    """Return the rule of a reduction, whose axes are an input since an opset, and all axes if there are none."""

    def rule(node: Node) -> list[Word]:
        rank = len(node.input_shape(0))
        axes = node.integers(1) if node.version >= since else node.get("axes")
        if not axes and node.get("noop_with_empty_axes", 0):
            return node.word("identity", node.value(0))
        chosen = tuple(axis % rank for axis in axes or range(rank))
        return node.word(op, node.value(0), axes=chosen, keepdims=bool(node.get("keepdims", 1)))

    return rule


def _pad(node: Node) -> list[Word]:
    rank, pads = len(node.shape), node.integers(1)
    mode, value = node.get("mode", "constant"), node.number(2, 0.0)
    axes = node.integers(3) if node.has(3) else list(range(rank))
    if mode != "constant" or pads is None or axes is None or value is None:
        return node.foreign(f"mode={mode}" if mode != "constant" else "widths that depend on the input")
    count = len(axes)
    widths = {axis % rank: (pads[place], pads[place + count]) for place, axis in enumerate(axes)}
    return node.word("pad", node.value(0), widths=tuple(widths.get(axis, (0, 0)) for axis in range(rank)), value=value)


def _dropout(node: Node) -> list[Word]:
    p = node.number(1, 0.5)
    if node.has(2) and (node.known(2) is None or bool(node.known(2))):
        return node.foreign("training_mode=true, which drops values at random; export the network for inference")
    return node.word("dropout", node.value(0), p=p)


def _cast(node: Node) -> list[Word]:
    if node.get("to") in (1, 11):  # float and double; `known` types were folded before
        return node.word("identity", node.value(0))
    return node.foreign("another type than float and double")


def _split(node: Node) -> list[Word]:
    axis = node.get("axis", 0) % len(node.input_shape(0))
    made, start = [], 0
    for name in node.proto.output:
        shape = node.shape_of(name)
        made.append(Word("split", name, (node.value(0),), shape, {"axis": axis, "start": start, "size": shape[axis]}))
        start += shape[axis]
    return made


def _slice(node: Node) -> list[Word]:
    starts, before, after = node.integers(1), node.input_shape(0), node.shape
    axes = node.integers(3) if node.has(3) else list(range(len(before)))
    steps = node.integers(4) if node.has(4) else [1] * len(before)
    changed = [axis for axis in range(len(before)) if before[axis] != after[axis]]
    if starts is None or axes is None or steps is None or any(step != 1 for step in steps) or len(changed) > 1:
        return node.foreign("a step, several axes, or limits that depend on the input")
    if not changed:
        return node.word("identity", node.value(0))
    (axis,) = changed
    start = dict(zip((item % len(before) for item in axes), starts, strict=True))[axis]
    start = max(start + before[axis], 0) if start < 0 else start
    return node.word("split", node.value(0), axis=axis, start=start, size=after[axis])


def _pow(node: Node) -> list[Word]:
    return node.word("power", node.term(0), node.term(1))


def _swish(node: Node) -> list[Word]:
    if node.get("alpha", 1.0) != 1:
        return node.foreign(f"alpha={node.get('alpha')}")
    return node.word("silu", node.value(0))


def _named(op: str, **defaults: tuple[str, Any]) -> Rule:
    """Return the rule of an operator that has a word of its own; `defaults` gives each attribute's name in ONNX and its default."""

    def rule(node: Node) -> list[Word]:
        return node.word(op, node.value(0), **{name: node.get(theirs, default) for name, (theirs, default) in defaults.items()})

    return rule


def _along(op: str) -> Rule:
    return lambda node: node.word(op, node.value(0), axis=node.get("axis", -1) % len(node.shape))


def _reciprocal(node: Node) -> list[Word]:
    return node.word("div", 1.0, node.value(0))


RULES: Mapping[str, Rule] = {
    "Conv": windows.conv,
    "ConvTranspose": windows.conv_transpose,
    "MaxPool": windows.max_pool,
    "AveragePool": windows.avg_pool,
    "GlobalAveragePool": windows.global_average,
    "GlobalMaxPool": windows.global_max,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "Dropout": _dropout,
    **{
        name: _named(name.lower())
        for name in ("Relu", "Sigmoid", "Tanh", "HardSwish", "Erf", "Sqrt", "Exp", "Log", "Neg", "Abs", "Identity")
    },
    "LeakyRelu": _named("leaky_relu", negative_slope=("alpha", 0.01)),
    "Elu": _named("elu", alpha=("alpha", 1.0)),
    "HardSigmoid": _named("hardsigmoid", slope=("alpha", 0.2), offset=("beta", 0.5)),
    "Gelu": _named("gelu", approximate=("approximate", "none")),
    "Swish": _swish,
    "Clip": _clip,
    "Softmax": _along("softmax"),
    "LogSoftmax": _along("log_softmax"),
    **dict.fromkeys(("Flatten", "Reshape", "Squeeze", "Unsqueeze"), _reshaped),
    "Transpose": _transpose,
    "Concat": _concat,
    "Add": _arithmetic("add"),
    "Sum": _arithmetic("add"),
    "Sub": _arithmetic("sub"),
    "Mul": _arithmetic("mul"),
    "Div": _arithmetic("div"),
    "Max": _arithmetic("maximum"),
    "Min": _arithmetic("minimum"),
    "Pow": _pow,
    "Reciprocal": _reciprocal,
    "ReduceMean": _reduced("mean", 18),
    "ReduceMax": _reduced("max", 18),
    "ReduceSum": _reduced("sum", 13),
    "Pad": _pad,
    "Split": _split,
    "Slice": _slice,
    "Cast": _cast,
}
"""The rules by operator; the vocabulary of the tape does the rest."""

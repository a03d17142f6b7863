"""What each ATen call is in the words of the tape."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import fx

from unicnn.porting.tape import Operand


@dataclass(frozen=True)
class Word:
    """Be one call for the tape, its module and line left out."""

    op: str
    inputs: tuple[Operand, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class Node:
    """Be one call of the graph: its arguments by name with the defaults filled in, and the shape of what it gives."""

    node: fx.Node
    arguments: Mapping[str, Any]
    operand: Callable[[Any], Operand]
    shape: Any

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def value(self, name: str) -> Operand:
        """Return an argument as an operand."""
        return self.operand(self.arguments[name])

    def input_shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an argument that is a tensor."""
        return tuple(self.arguments[name].meta["val"].shape)

    def word(self, op: str, *inputs: Operand, **attributes: Any) -> list[Word]:
        """Return the call as one word."""
        return [Word(op, inputs, attributes, self.shape, self.node.name)]


Rule: TypeAlias = "Callable[[Node], list[Word] | str | tuple[list[Word], ...]]"


def words(node: Node) -> list[Word] | str | tuple[list[Word], ...]:
    """Return the calls that an ATen call is, the name of the value that it passes on, or the calls of each of its parts."""
    name = str(node.node.target).removeprefix("aten.")
    base = name.partition(".")[0]
    rule = RULES.get(base) or RULES.get(base.removesuffix("_"))
    if rule is None:
        tensors = [argument for argument in node.arguments.values() if isinstance(argument, fx.Node)]
        return node.word(f"torch.{base.removesuffix('_')}", *(node.operand(tensor) for tensor in tensors))
    return rule(node)


def pair(value: Any, default: Sequence[int] = (1, 1)) -> tuple[int, int]:
    """Return a setting of one or two numbers, or of none, as (vertical, horizontal)."""
    given = [value] if isinstance(value, int) else list(value)
    if not given:
        return (default[0], default[1])
    return (int(given[0]), int(given[-1]))


def sides(value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return a symmetric padding as sides."""
    vertical, horizontal = pair(value, (0, 0))
    return (vertical, vertical), (horizontal, horizontal)


def _conv2d(node: Node) -> Any:
    padding: Any = node["padding"]
    stride, dilation = pair(node["stride"]), pair(node["dilation"])
    if padding == "same":
        kernel = node.input_shape("weight")[2:]
        totals = [step * (size - 1) for step, size in zip(dilation, kernel, strict=True)]
        padding = tuple((total // 2, total - total // 2) for total in totals)
    else:
        padding = sides((0, 0) if padding == "valid" else padding)
    return node.word(
        "conv", node.value("input"), node.value("weight"), node.value("bias"),
        stride=stride, padding=padding, dilation=dilation, groups=int(node["groups"]), data="NCHW", kernel="OIHW",
    )  # fmt: skip


def _conv_transpose2d(node: Node) -> Any:
    (top, _), (left, _) = sides(node["padding"])
    extra = pair(node["output_padding"], (0, 0))
    return node.word(
        "conv_transpose", node.value("input"), node.value("weight"), node.value("bias"), stride=pair(node["stride"]),
        crop=((top, top - extra[0]), (left, left - extra[1])), dilation=pair(node["dilation"]), groups=int(node["groups"]),
        data="NCHW", kernel="IOHW",
    )  # fmt: skip


def _batch_norm(node: Node) -> Any:
    if node["running_mean"] is None or node["momentum"] is None:
        return node.word("torch.batch_norm_without_running_statistics", node.value("input"))
    return node.word(
        "batch_norm", *(node.value(name) for name in ("input", "weight", "bias", "running_mean", "running_var")),
        eps=float(node["eps"]), keep=1 - float(node["momentum"]), unbiased=True, axis=1,
    )  # fmt: skip


def _layer_norm(node: Node) -> Any:
    rank = len(node.shape)
    axes = tuple(range(rank - len(node["normalized_shape"]), rank))
    return node.word("layer_norm", *(node.value(name) for name in ("input", "weight", "bias")), eps=float(node["eps"]), axes=axes)


def _max_pool2d(node: Node) -> Any:
    if pair(node["dilation"]) != (1, 1):
        return node.word("torch.max_pool2d with dilation", node.value("self"))
    size = pair(node["kernel_size"])
    return node.word(
        "max_pool", node.value("self"), kernel_size=size, stride=pair(node["stride"], size), padding=sides(node["padding"]),
        ceil_mode=bool(node["ceil_mode"]), data="NCHW",
    )  # fmt: skip


def _avg_pool2d(node: Node) -> Any:
    if node["divisor_override"] is not None:
        return node.word("torch.avg_pool2d with divisor_override", node.value("self"))
    size = pair(node["kernel_size"])
    return node.word(
        "avg_pool", node.value("self"), kernel_size=size, stride=pair(node["stride"], size), padding=sides(node["padding"]),
        ceil_mode=bool(node["ceil_mode"]), count_include_pad=bool(node["count_include_pad"]), data="NCHW",
    )  # fmt: skip


def _adaptive_avg_pool2d(node: Node) -> Any:
    return node.word("adaptive_avg_pool", node.value("self"), output_size=tuple(node.shape[2:]), data="NCHW")


def _adaptive_max_pool2d(node: Node) -> Any:
    shape = node.shape[0] if isinstance(node.shape, list) else node.shape
    if tuple(shape[2:]) != (1, 1):
        return node.word("torch.adaptive_max_pool2d", node.value("self"))
    word = Word("max", (node.value("self"),), {"axes": (2, 3), "keepdims": True}, shape, node.node.name)
    return ([word], [])


def _hardtanh(node: Node) -> Any:
    return node.word("clip", node.value("self"), low=float(node["min_val"]), high=float(node["max_val"]))


def _clamp(node: Node) -> Any:
    low, high = node["min"], node["max"]
    return node.word(
        "clip", node.value("self"), low=-math.inf if low is None else float(low), high=math.inf if high is None else float(high)
    )


def _elu(node: Node) -> Any:
    if float(node["scale"]) != 1 or float(node["input_scale"]) != 1:
        return node.word("torch.selu", node.value("self"))
    return node.word("elu", node.value("self"), alpha=float(node["alpha"]))


def _prelu(node: Node) -> Any:
    return node.word("torch.prelu", node.value("self"), node.value("weight"))


def _arithmetic(op: str) -> Rule:
    def rule(node: Node) -> Any:
        left, right, factor = node.value("self"), node.value("other"), node.arguments.get("alpha", 1)
        if op == "rsub":
            left, right = right, left
        if factor in (None, 1):
            return node.word(op if op != "rsub" else "sub", left, right)
        scaled = Word("mul", (right, float(factor)), {}, _shape_of(node, "other"), f"{node.node.name}_scaled")
        return [scaled, *node.word(op, left, scaled.name)]

    return rule


def _shape_of(node: Node, name: str) -> tuple[int, ...]:
    return node.input_shape(name) if isinstance(node[name], fx.Node) else ()


def _addmm(node: Node) -> Any:
    return node.word("linear", node.value("mat1"), node.value("mat2"), node.value("self"), kernel="IO")


def _matmul(node: Node) -> Any:
    other = "mat2" if "mat2" in node.arguments else "other"
    return node.word("linear", node.value("self"), node.value(other), None, kernel="IO")


def _reduced(op: str, axes: str = "dim") -> Rule:
    def rule(node: Node) -> Any:
        rank = len(node.input_shape("self"))
        given = node.arguments.get(axes)
        chosen = [given] if isinstance(given, int) else list(given) if given else list(range(rank))
        return node.word(
            op, node.value("self"), axes=tuple(axis % rank for axis in chosen), keepdims=bool(node.arguments.get("keepdim", False))
        )

    return rule


def _transpose(node: Node) -> Any:
    rank = len(node.shape)
    order = list(range(rank))
    first, second = (0, 1) if "dim0" not in node.arguments else (node["dim0"], node["dim1"])
    if rank < 2:
        return str(node.value("self"))
    order[first % rank], order[second % rank] = order[second % rank], order[first % rank]
    return node.word("transpose", node.value("self"), axes=tuple(order))


def _permute(node: Node) -> Any:
    return node.word("transpose", node.value("self"), axes=tuple(axis % len(node.shape) for axis in node["dims"]))


def _pad(node: Node) -> Any:
    widths, mode = list(node["pad"]), node.arguments.get("mode", "constant")
    if mode != "constant":
        return node.word(f"torch.pad with mode={mode!r}", node.value(_first(node)))
    rank = len(node.shape)
    pairs = {rank - 1 - place: (widths[2 * place], widths[2 * place + 1]) for place in range(len(widths) // 2)}
    value = node.arguments.get("value")
    return node.word(
        "pad", node.value(_first(node)), widths=tuple(pairs.get(axis, (0, 0)) for axis in range(rank)), value=float(value or 0.0)
    )


def _first(node: Node) -> str:
    return next(iter(node.arguments))


def _cat(node: Node) -> Any:
    return node.word("concat", *(node.operand(item) for item in node["tensors"]), axis=node["dim"] % len(node.shape))


def _slice(node: Node) -> Any:
    shape, axis = node.input_shape("self"), node["dim"] % len(node.shape)
    start, step = node["start"] or 0, node["step"]
    if step != 1:
        return node.word("torch.slice with a step", node.value("self"))
    return node.word("split", node.value("self"), axis=axis, start=start % shape[axis] if start < 0 else start, size=node.shape[axis])


def _parts(node: Node) -> Any:
    """Return the parts of chunk, split and split_with_sizes."""
    axis = node["dim"] % len(node.shape[0])
    result, start = [], 0
    for place, shape in enumerate(node.shape):
        attributes = {"axis": axis, "start": start, "size": shape[axis]}
        result.append([Word("split", (node.value(_first(node)),), attributes, shape, f"{node.node.name}_{place}")])
        start += shape[axis]
    return tuple(result)


def _named(op: str, **attributes: str) -> Rule:
    """Return the rule of a call that has a word of its own; `attributes` says which arguments they are."""

    def rule(node: Node) -> Any:
        return node.word(op, node.value(_first(node)), **{name: node[argument] for name, argument in attributes.items()})

    return rule


def _reshaped(node: Node) -> Any:
    return node.word("reshape", node.value(_first(node)))


def _softmax(op: str) -> Rule:
    return lambda node: node.word(op, node.value(_first(node)), axis=node["dim"] % len(node.shape))


def _dropout(node: Node) -> Any:
    return node.word("dropout", node.value("input"), p=float(node["p"]))


def _passed(node: Node) -> Any:
    return node.word("identity", node.value(_first(node)))


RULES: Mapping[str, Rule] = {
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "linear": lambda node: node.word("linear", node.value("input"), node.value("weight"), node.value("bias"), kernel="OI"),
    "addmm": _addmm,
    **dict.fromkeys(("matmul", "mm"), _matmul),
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "dropout": _dropout,
    "max_pool2d": _max_pool2d,
    "avg_pool2d": _avg_pool2d,
    "adaptive_avg_pool2d": _adaptive_avg_pool2d,
    "adaptive_max_pool2d": _adaptive_max_pool2d,
    **{
        name: _named(name)
        for name in ("relu", "relu6", "sigmoid", "tanh", "silu", "hardswish", "exp", "log", "sqrt", "rsqrt", "abs", "neg", "erf")
    },
    "square": _named("square"),
    "pow": lambda node: node.word("power", node.value("self"), node.value("exponent")),
    "leaky_relu": _named("leaky_relu", negative_slope="negative_slope"),
    "gelu": _named("gelu", approximate="approximate"),
    "hardsigmoid": lambda node: node.word("hardsigmoid", node.value("self"), slope=1 / 6, offset=0.5),
    "hardtanh": _hardtanh,
    "clamp": _clamp,
    "clamp_min": lambda node: node.word("maximum", node.value("self"), node.value("min")),
    "clamp_max": lambda node: node.word("minimum", node.value("self"), node.value("max")),
    "elu": _elu,
    "prelu": _prelu,
    "softmax": _softmax("softmax"),
    "log_softmax": _softmax("log_softmax"),
    **{op: _arithmetic(op) for op in ("add", "sub", "rsub", "mul", "div")},
    **{op: _arithmetic(op) for op in ("maximum", "minimum")},
    "mean": _reduced("mean"),
    "amax": _reduced("max"),
    "sum": _reduced("sum"),
    **dict.fromkeys(("transpose", "t", "swapaxes", "numpy_T"), _transpose),
    "permute": _permute,
    **dict.fromkeys(("view", "reshape", "flatten", "unflatten", "unsqueeze", "squeeze", "_unsafe_view"), _reshaped),
    **dict.fromkeys(("pad", "constant_pad_nd"), _pad),
    **dict.fromkeys(("cat", "concat", "concatenate"), _cat),
    "slice": _slice,
    **dict.fromkeys(("chunk", "split", "split_with_sizes"), _parts),
    **dict.fromkeys(("identity", "contiguous", "clone", "detach", "alias", "to", "_to_copy", "feature_dropout_eval"), _passed),
}

"""What the calls that layers make are in the words of the tape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unicnn_torch.importing.nodes import Node, Passed, Rule, Word, part_name

_DROPOUT = "Use nn.Dropout, which drops single values."
_MOMENTUM = 0.1
"""What PyTorch takes where nothing is said; a layer with momentum=None moves its statistics in a way that only training sees."""


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


def _linear(node: Node) -> Any:
    return node.word("linear", node.value("input"), node.value("weight"), node.value("bias"), kernel="OI")


def _addmm(node: Node) -> Any:
    if node["beta"] != 1 or node["alpha"] != 1:
        return node.unknown("addmm with factors", "Use F.linear, and multiply by itself what is to be scaled.")
    if len(node.input_shape("self")) != 1:
        return node.unknown("addmm with a matrix to add", "Use F.linear, whose bias is a vector.")
    return node.word("linear", node.value("mat1"), node.value("mat2"), node.value("self"), kernel="IO")


def _matmul(node: Node) -> Any:
    other = "mat2" if "mat2" in node.arguments else "other"
    if len(node.input_shape(other)) != 2:
        return node.unknown("matmul", "A fully connected layer multiplies by one matrix (in, out) that is a parameter.")
    return node.word("linear", node.value("self"), node.value(other), None, kernel="IO")


def _batch_norm(node: Node) -> Any:
    if node["running_mean"] is None or node["running_var"] is None:
        return node.unknown("batch_norm without running statistics", "Use nn.BatchNorm2d(…, track_running_stats=True).")
    if bool(node["training"]) and not node.training:
        return node.unknown("batch_norm with the batch's statistics in inference", "Pass training=self.training.")
    if node.training and not node["training"]:
        return node.unknown("batch_norm with the running statistics in training", "Let the layer follow the mode of the network.")
    momentum = float(node["momentum"]) or _MOMENTUM
    return node.word(
        "batch_norm", *(node.value(name) for name in ("input", "weight", "bias", "running_mean", "running_var")),
        eps=float(node["eps"]), keep=1 - momentum, unbiased=True, axis=1,
    )  # fmt: skip


def _layer_norm(node: Node) -> Any:
    rank = len(node.shape)
    axes = tuple(range(rank - len(node["normalized_shape"]), rank))
    return node.word("layer_norm", *(node.value(name) for name in ("input", "weight", "bias")), eps=float(node["eps"]), axes=axes)


def _max_pool2d(node: Node) -> Any:
    if pair(node["dilation"]) != (1, 1):
        return node.unknown("max_pool2d with dilation", "Use a window without gaps.")
    size = pair(node["kernel_size"])
    return node.word(
        "max_pool", node.x, kernel_size=size, stride=pair(node["stride"], size), padding=sides(node["padding"]),
        ceil_mode=bool(node["ceil_mode"]), data="NCHW",
    )  # fmt: skip


def _max_pool2d_with_indices(node: Node) -> Any:
    """Return a max pooling whose places nobody can use; that of the values is the first part."""
    if pair(node["dilation"]) != (1, 1):
        return node.unknown("max_pool2d with dilation", "Use a window without gaps.")
    size = pair(node["kernel_size"])
    attributes = {
        "kernel_size": size, "stride": pair(node["stride"], size), "padding": sides(node["padding"]), "ceil_mode": bool(node["ceil_mode"]),
        "data": "NCHW",
    }  # fmt: skip
    return _with_places(node, "max_pool", attributes)


def _with_places(node: Node, op: str, attributes: Mapping[str, Any]) -> Any:
    """Return a call that gives values and their places, of which a description has the values only."""
    values = Word(op, (node.x,), attributes, node.shape[0], part_name(node.name, 0))
    places = Word("torch.indices of a maximum", (node.x,), {}, node.shape[1], part_name(node.name, 1))
    return ([values], [places])


def _avg_pool2d(node: Node) -> Any:
    if node["divisor_override"] is not None:
        return node.unknown("avg_pool2d with divisor_override", "Use the mean, and scale it by a layer behind.")
    size = pair(node["kernel_size"])
    return node.word(
        "avg_pool", node.x, kernel_size=size, stride=pair(node["stride"], size), padding=sides(node["padding"]),
        ceil_mode=bool(node["ceil_mode"]), count_include_pad=bool(node["count_include_pad"]), data="NCHW",
    )  # fmt: skip


def _adaptive_avg_pool2d(node: Node) -> Any:
    return node.word("adaptive_avg_pool", node.x, output_size=tuple(node.shape[-2:]), data="NCHW")


def _adaptive_max_pool2d(node: Node) -> Any:
    rows, columns, (height, width) = *node.shape[0][-2:], node.input_shape()[-2:]
    if height % rows or width % columns:
        return node.unknown("adaptive_max_pool2d with windows of several sizes", "Use nn.MaxPool2d with a window and a stride.")
    size = (height // rows, width // columns)
    sides_ = ((0, 0), (0, 0))
    return _with_places(
        node, "max_pool", {"kernel_size": size, "stride": size, "padding": sides_, "ceil_mode": False, "data": "NCHW"}
    )  # fmt: skip


def _maximum(node: Node) -> Any:
    """Return a maximum over one axis with its places, of two values, or of everything."""
    if "other" in node.arguments:
        return node.word("maximum", node.value("self"), node.value("other"))
    if "dim" not in node.arguments:
        return node.unknown("max over everything", "Take the maximum over height and width.")
    axis = node["dim"] % len(node.input_shape())
    return _with_places(node, "max", {"axes": (axis,), "keepdims": bool(node["keepdim"])})


def _minimum(node: Node) -> Any:
    if "other" in node.arguments:
        return node.word("minimum", node.value("self"), node.value("other"))
    return node.unknown("min over an axis", "Take the maximum of what is largest where this is smallest.")


def _dropout(node: Node) -> Any:
    active = bool(node["train"])
    if active and not node.training:
        return node.unknown(
            "dropout in inference", "F.dropout drops always unless told otherwise: pass training=self.training, or use nn.Dropout."
        )
    if node.training and not active:
        return node.word("identity", node.x)
    return node.word("dropout", node.x, p=float(node["p"]))


def _no_such_dropout(what: str) -> Rule:
    """Return the rule of a dropout that there is no word for; in inference it passes its input on."""

    def rule(node: Node) -> Any:
        return node.unknown(what, _DROPOUT) if node["train"] else node.word("identity", node.x)

    return rule


def _named(op: str, **attributes: str) -> Rule:
    """Return the rule of a call that has a word of its own; `attributes` says which arguments they are."""
    return lambda node: node.word(op, node.x, **{name: node[argument] for name, argument in attributes.items()})


def _elu(node: Node) -> Any:
    if float(node["scale"]) != 1 or float(node["input_scale"]) != 1:
        return node.unknown("selu", "Use nn.ELU.")
    return node.word("elu", node.x, alpha=float(node["alpha"]))


def _celu(node: Node) -> Any:
    if float(node["alpha"]) != 1:
        return node.unknown("celu", "Use nn.ELU, which is CELU where alpha is 1.")
    return node.word("elu", node.x, alpha=1.0)


def _threshold(node: Node) -> Any:
    if node["threshold"] != 0 or node["value"] != 0:
        return node.unknown("threshold", "Use nn.ReLU.")
    return node.word("relu", node.x)


def _softmax(op: str) -> Rule:
    return lambda node: node.word(op, node.x, axis=node["dim"] % len(node.shape))


def _weight_norm(node: Node) -> Any:
    """Return w = v * (g / |v|), the norm over all axes but one."""
    v, g, rank = node.value("v"), node.value("g"), len(node.shape)
    axes = tuple(axis for axis in range(rank) if axis != node["dim"] % rank) if node["dim"] != -1 else tuple(range(rank))
    sizes = tuple(1 if axis in axes else size for axis, size in enumerate(node.shape))
    square, total, norm, factor = (part_name(node.name, step) for step in ("square", "sum", "norm", "factor"))
    return [
        Word("square", (v,), {}, node.shape, square),
        Word("sum", (square,), {"axes": axes, "keepdims": True}, sizes, total),
        Word("sqrt", (total,), {}, sizes, norm),
        Word("div", (g, norm), {}, sizes, factor),
        *node.word("mul", v, factor),
    ]


def _kept(node: Node) -> Passed | Any:
    """Return the operand itself: a mere copy, or the whole of what was there."""
    return Passed(node.x)


LAYERS: Mapping[str, Rule] = {
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "linear": _linear,
    "addmm": _addmm,
    **dict.fromkeys(("matmul", "mm"), _matmul),
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "dropout": _dropout,
    "feature_dropout": _no_such_dropout("dropout of whole channels"),
    "alpha_dropout": _no_such_dropout("alpha dropout"),
    "feature_alpha_dropout": _no_such_dropout("alpha dropout of whole channels"),
    "max_pool2d": _max_pool2d,
    "max_pool2d_with_indices": _max_pool2d_with_indices,
    "avg_pool2d": _avg_pool2d,
    "adaptive_avg_pool2d": _adaptive_avg_pool2d,
    "adaptive_max_pool2d": _adaptive_max_pool2d,
    "max": _maximum,
    "min": _minimum,
    **{name: _named(name) for name in ("relu", "relu6", "sigmoid", "tanh", "silu", "hardswish")},
    "leaky_relu": _named("leaky_relu", negative_slope="negative_slope"),
    "gelu": _named("gelu", approximate="approximate"),
    "hardsigmoid": lambda node: node.word("hardsigmoid", node.x, slope=1 / 6, offset=0.5),
    "elu": _elu,
    "celu": _celu,
    "threshold": _threshold,
    "softmax": _softmax("softmax"),
    "log_softmax": _softmax("log_softmax"),
    "_weight_norm": _weight_norm,
}

"""The likely cause of a difference, in a sentence: what frameworks do by default, and what it comes to here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unicnn.graph import Node
from unicnn.ops.base import Op
from unicnn.ops.fields import by
from unicnn.porting.difference.result import NO_EFFECT

_RISING = ("ReLU", "ReLU6", "Sigmoid", "Tanh", "Hardsigmoid", "Identity")
"""Functions that never fall: the largest of their values is their value at the largest."""

_FACTS = {
    ("BatchNorm2d", "eps"): "epsilon: 1e-5 in PyTorch, Gluon, Flax and ONNX, 1e-3 in Keras and mx.nd.BatchNorm.",
    ("LayerNorm", "eps"): "epsilon: 1e-5 in PyTorch, MXNet and ONNX, 1e-6 in Flax, 1e-3 in Keras.",
    ("BatchNorm2d", "running_var"): "PyTorch stores the unbiased running variance, n/(n - 1) times the one that everybody else stores.",
    ("Dropout", "p"): "the probability p is that of dropping, in every framework; TensorFlow 1's keep_prob is 1 - p.",
    ("AvgPool2d", "count_include_pad"): "PyTorch, Gluon and Flax count the padding in the mean; Keras and, by default, ONNX do not.",
    ("LeakyReLU", "negative_slope"): "the default slope is 0.01 in PyTorch, JAX and ONNX, 0.3 in Keras, 0.2 in tf.nn, 0.25 in mx.nd.",
    ("ELU", "alpha"): "the default alpha is 1, but 0.25 in mx.nd.LeakyReLU.",
    ("GELU", "approximate"): "JAX computes the tanh formula by default, everybody else the exact one.",
    ("Hardsigmoid", "slope"): "the slope is 1/6 in PyTorch, Keras 3 and JAX, 0.2 in MXNet, ONNX and Keras 2.",
    ("Softmax", "axis"): "the default axis is the last one, in PyTorch axis 1 of an image; classes are on axis 1 here.",
    ("LayerNorm", "axes"): "Keras and Flax normalise the last axis by default, which is the channels in their order of axes.",
    ("Conv2d", "groups"): "a depthwise convolution has as many groups as channels.",
}  # fmt: skip

_STRIDE = "without a stride the window moves by its size in PyTorch, Keras and Gluon, and by 1 in mx.nd.Pooling, Flax and ONNX."
_CEIL = "Gluon and PyTorch round down unless ceil_mode is set; MXNet calls rounding up the pooling convention full."


def field(a: Node, b: Node, key: str, severity: str) -> str:
    """Return why a hyperparameter may differ."""
    op = type(a.op).__name__
    if severity == NO_EFFECT:
        return f"Two spellings of one thing: with these sizes the {key} comes to the same numbers."
    if key == "padding" and {"padding", "stride"} <= a.attributes.keys():
        return _padding(a, b)
    if key == "keep":
        return _keep(a.op.fields()["keep"], b.op.fields()["keep"])
    if key == "bias":
        return "By default every framework has a bias in convolutions and dense layers; before batch norm it is of no use, for the mean is taken off again."
    if key == "stride" and op in ("MaxPool2d", "AvgPool2d"):
        return _sentence(_STRIDE)
    if key == "ceil_mode":
        return _sentence(_CEIL)
    if (op, key) == ("BatchNorm2d", "scale"):
        return "mx.nd.BatchNorm ignores gamma unless fix_gamma=False; Keras has scale=False."
    fact = _FACTS.get((op, key))
    return _sentence(fact) if fact else ""


def _padding(a: Node, b: Node) -> str:
    """Return what two paddings mean on each side, and who pads like that."""
    sides = [_sides(node.attributes["padding"]) for node in (a, b)]
    spelt = [node.op.fields()["padding"] for node in (a, b)]
    stride = max(a.op.fields()["stride"])
    if "same" in spelt and spelt[0] != spelt[1] and stride > 1:
        at = spelt.index("same")
        return (
            f"TensorFlow's SAME with stride {stride} pads {sides[at]} here, the odd pixel after; "
            f"padding={_number(spelt[1 - at])} pads {sides[1 - at]}: the shape may be equal, the numbers are not."
        )
    if "same" in spelt and spelt[0] != spelt[1]:
        return (
            f"SAME pads {sides[spelt.index('same')]} here, the other network {sides[1 - spelt.index('same')]}; Flax pads SAME by default."
        )
    if a.op.fields()["stride"] != b.op.fields()["stride"]:
        return f"The padding is {sides[0]} against {sides[1]}; the stride differs, too: a padding may have been written for a stride."
    return f"The padding is {sides[0]} against {sides[1]}: everybody but Flax pads nothing unless told to."


def _sides(padding: Any) -> str:
    (top, bottom), (left, right) = padding
    if top == bottom == left == right:
        return f"{top} on every side" if top else "nothing"
    if (top, bottom) == (left, right):
        return f"{top} before and {bottom} after"
    return f"{top} above, {bottom} below, {left} left and {right} right"


def _number(padding: Any) -> str:
    flat = {side for axis in padding for side in axis}
    return str(flat.pop()) if len(flat) == 1 else str(padding)


def _keep(a: float, b: float) -> str:
    if abs(a + b - 1) < 1e-12:
        return "PyTorch's momentum is 1 - everybody else's: one of the two was copied without turning it round."
    return "The default is 0.9 in Gluon and PyTorch (there called 0.1), and 0.99 in Keras and Flax."


def replaced(a: Node, b: Node) -> str:
    """Return what it means that another op stands in a layer's place."""
    names = {type(a.op).__name__, type(b.op).__name__}
    if names == {"Flatten", "Reshape"}:
        return "Two ways to lay a sample out as a vector, in the order channels, height, width."
    if names == {"AvgPool2d", "AdaptiveAvgPool2d"}:
        return "A mean over the whole image is the same by either; over windows only if the sizes divide."
    if names == {"Softmax", "LogSoftmax"}:
        return "Gluon's and PyTorch's negative log likelihood takes logarithms, Keras's cross entropy probabilities."
    if names == {"MaxPool2d", "AvgPool2d"}:
        return "mx.nd.Pooling pools the maximum unless pool_type says otherwise."
    return f"{type(b.op).__name__} stands where the first network has {type(a.op).__name__}."


def alone(node: Node) -> str:
    """Return what it means that only one network has a layer."""
    op = type(node.op).__name__
    if op == "Transpose" and node.op.fields()["axes"] == (0, 2, 3, 1):
        return "Channels last: TensorFlow flattens height, width, channels, so the next dense weight has its columns in that order."
    told = {
        "Softmax": "Keras networks often end in a softmax for a loss of probabilities, others in raw scores: never put both into a loss.",
        "LogSoftmax": "It belongs to a loss of log probabilities (NLLLoss, from_logits=True in Gluon), not to one of raw scores.",
        "Dropout": "It acts in training only.",
        "Identity": "It passes its input on.",
        "Pad": "Keras and PyTorch write a padding with unequal sides, or a numeric one, as a layer of its own.",
        "Flatten": "Gluon's Dense flattens by itself, so networks often lack it there.",
    }
    size = f" and holds {node.size:,} numbers" if node.size else ""
    return told.get(op, f"It gives {by(node.shape)}{size}.")


def order(node: Node, between: Sequence[Node], commutes: bool) -> str:
    """Return what it means that a layer stands elsewhere."""
    names = " and ".join(dict.fromkeys(type(item.op).__name__ for item in between)) or "its neighbour"
    if commutes:
        return f"{type(node.op).__name__} and {names} may change places: the largest value of a function that never falls is its value at the largest."
    return f"{type(node.op).__name__} and {names} are in another order, which matters unless they commute."


def commute(a: Op, b: Op) -> bool:
    """Tell whether two ops may change places: max pooling and a function that never falls."""
    names = [type(a).__name__, type(b).__name__]
    if "MaxPool2d" not in names:
        return False
    other = (a, b)[1 - names.index("MaxPool2d")]
    slope = other.fields().get("negative_slope", other.fields().get("alpha", -1.0))
    return type(other).__name__ in _RISING or (type(other).__name__ in ("LeakyReLU", "ELU") and slope >= 0)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")

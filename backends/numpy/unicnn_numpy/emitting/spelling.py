"""How each layer of a description is made in an emitted NumPy file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unicnn.graph import Node
from unicnn.ops.fields import NO_PADDING
from unicnn.porting.outline import Argument, Make, Template

ONE = (1, 1)


def _channels(name: str, size: int) -> Argument:
    return Argument(name, size, kind="channels")


def _option(name: str, value: Any, default: Any) -> Argument:
    return Argument(name, value, default, keyword=True)


def _conv(node: Node) -> tuple[Argument, ...]:
    op, a = node.op, node.attributes
    border = ("crop", a["crop"]) if "crop" in a else ("padding", a["padding"])
    return (
        _channels("in_channels", node.input_shapes[0][0]),
        _channels("out_channels", node.shape[0]),
        Argument("size", op.kernel_size),  # type: ignore[attr-defined]
        _option("stride", a["stride"], ONE),
        _option(*border, NO_PADDING),
        _option("dilation", a["dilation"], ONE),
        _option("groups", a["groups"], 1),
        _option("bias", "bias" in node.parameters, True),
    )


def _linear(node: Node) -> tuple[Argument, ...]:
    return (
        _channels("in_features", node.input_shapes[0][0]),
        _channels("out_features", node.shape[0]),
        _option("bias", "bias" in node.parameters, True),
    )


def _batch_norm(node: Node) -> tuple[Argument, ...]:
    a = node.attributes
    return (
        _channels("channels", node.shape[0]),
        _option("eps", a["eps"], 1e-5),
        _option("keep", a["keep"], 0.9),
        _option("scale", "scale" in node.parameters, True),
        _option("shift", "shift" in node.parameters, True),
        _option("unbiased", a["unbiased"], False),
    )


def _layer_norm(node: Node) -> tuple[Argument, ...]:
    a = node.attributes
    return (
        Argument("shape", tuple(node.input_shapes[0][axis - 1] for axis in a["axes"])),
        Argument("axes", a["axes"]),
        _option("eps", a["eps"], 1e-5),
        _option("scale", "scale" in node.parameters, True),
        _option("shift", "shift" in node.parameters, True),
    )


def _pool(node: Node) -> tuple[Argument, ...]:
    a = node.attributes
    counted = (_option("counted", a["counted"], NO_PADDING),) if "counted" in a else ()
    return (
        Argument("size", a["kernel_size"]),
        _option("stride", a["stride"], a["kernel_size"]),
        _option("padding", a["padding"], NO_PADDING),
        *counted,
    )


ARGUMENTS: dict[str, Callable[[Node], tuple[Argument, ...]]] = {
    "conv2d": _conv,
    "conv_transpose2d": _conv,
    "linear": _linear,
    "batch_norm2d": _batch_norm,
    "layer_norm": _layer_norm,
    "dropout": lambda node: (Argument("p", node.op.fields()["p"], 0.5),),
    "max_pool2d": _pool,
    "avg_pool2d": _pool,
    "adaptive_avg_pool2d": lambda node: (Argument("size", node.shape[1:]),),
    "leaky_relu": lambda node: (Argument("slope", node.attributes["negative_slope"]),),
    "elu": lambda node: (Argument("alpha", node.attributes["alpha"], 1.0),),
    "hardsigmoid": lambda node: (_option("slope", node.attributes["slope"], 1 / 6), _option("offset", node.attributes["offset"], 0.5)),
    "softmax": lambda node: (Argument("axis", node.attributes["axis"], 1),),
    "log_softmax": lambda node: (Argument("axis", node.attributes["axis"], 1),),
    "concat": lambda node: (Argument("axis", node.attributes["axis"], 1),),
    "reshape": lambda node: tuple(Argument(f"size{place}", size) for place, size in enumerate(node.shape)),
    "transpose": lambda node: tuple(Argument(f"axis{place}", axis) for place, axis in enumerate(node.attributes["axes"])),
    "pad": lambda node: (Argument("padding", node.attributes["padding"]), _option("value", node.attributes["value"], 0.0)),
}


class Spelling:
    """Spell layers as instances of the classes in `layers`."""

    reserved = frozenset({"np", "self", "x", "name"})
    sequences: frozenset[str] = frozenset()

    def layer(self, node: Node) -> Make:
        """Return the construction of a layer."""
        callee = type(node.op).__name__
        if callee == "GELU" and node.attributes["approximate"] == "tanh":
            callee = "TanhGELU"
        return Make(callee, ARGUMENTS.get(node.op.lowering(), lambda _: ())(node))

    def function(self, node: Node) -> Template | None:
        """Return None: whatever has a backward pass is a layer."""
        return None

    def call(self, node: Node) -> Template:
        """Return how a layer is called."""
        return Template("{self}({all})")

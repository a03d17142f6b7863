"""How each layer of a description is made in an emitted NumPy file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unicnn.graph import Node
from unicnn.ops.fields import NO_PADDING, shortest
from unicnn.porting.outline import Argument, Make, Template

Arguments = tuple[Argument, ...]


def _channels(name: str, size: int) -> Argument:
    return Argument(name, size, kind="channels")


def _option(name: str, value: Any, default: Any) -> Argument:
    return Argument(name, value, default, keyword=True)


def _conv(node: Node) -> Make:
    a = node.attributes
    border = "crop" if "crop" in a else "padding"
    size: Any = shortest(node.op.kernel_size)  # type: ignore[attr-defined]
    grouped = a["groups"] > 1
    given = (
        _channels("in_channels", node.input_shapes[0][0]),
        _channels("channels", node.shape[0]),
        Argument("size", size),
        *((Argument("groups", a["groups"], kind="channels", keyword=True),) if grouped else ()),
        _option("stride", shortest(a["stride"]), 1),
        _option(border, shortest(a[border]), 0),
        _option("dilation", shortest(a["dilation"]), 1),
        _option("bias", "bias" in node.parameters, True),
    )
    return Make(f"{'Grouped' if grouped else ''}{type(node.op).__name__}", given)


def _linear(node: Node) -> Arguments:
    return (
        _channels("in_features", node.input_shapes[0][0]),
        _channels("out_features", node.shape[0]),
        _option("bias", "bias" in node.parameters, True),
    )


def _affine(node: Node) -> Arguments:
    return (
        _option("eps", node.attributes["eps"], 1e-5),
        _option("keep", node.attributes.get("keep"), 0.9 if "keep" in node.attributes else None),
        _option("scale", "scale" in node.parameters, True),
        _option("shift", "shift" in node.parameters, True),
    )


def _batch_norm(node: Node) -> Arguments:
    return (_channels("channels", node.shape[0]), *_affine(node), _option("unbiased", node.attributes["unbiased"], False))


def _layer_norm(node: Node) -> Arguments:
    axes = node.attributes["axes"]
    shape = tuple(node.input_shapes[0][axis - 1] for axis in axes)
    size = _channels("channels", shape[0]) if len(axes) == 1 else Argument("shape", shape)
    return (size, _option("axes", axes, (1,)), *_affine(node))


def _window(node: Node) -> Arguments:
    size = shortest(node.attributes["kernel_size"])
    return Argument("size", size), _option("stride", shortest(node.attributes["stride"]), size)


def _max_pool(node: Node) -> Arguments:
    return (*_window(node), _option("padding", shortest(node.attributes["padding"]), 0))


def _avg_pool(node: Node) -> Make:
    padding, counted = node.attributes["padding"], node.attributes["counted"]
    if padding == counted == NO_PADDING:
        return Make("AvgPool2d", _window(node))
    return Make("PaddedAvgPool2d", (*_window(node), _option("padding", shortest(padding), 0), _option("counted", shortest(counted), 0)))


def _adaptive(node: Node) -> Make:
    size = node.shape[1:]
    return Make("GlobalAvgPool2d") if size == (1, 1) else Make("AdaptiveAvgPool2d", (Argument("size", shortest(size)),))


def _axis(node: Node) -> Arguments:
    return (_option("axis", node.attributes["axis"], 1),)


def _sizes(name: str, values: tuple[int, ...]) -> Arguments:
    return tuple(Argument(f"{name}{place}", value) for place, value in enumerate(values))


_ARGUMENTS: dict[str, Callable[[Node], Arguments]] = {
    "linear": _linear,
    "batch_norm2d": _batch_norm,
    "layer_norm": _layer_norm,
    "dropout": lambda node: (Argument("p", node.op.fields()["p"], 0.5),),
    "max_pool2d": _max_pool,
    "leaky_relu": lambda node: (Argument("slope", node.attributes["negative_slope"]),),
    "elu": lambda node: (Argument("alpha", node.attributes["alpha"], 1.0),),
    "hardsigmoid": lambda node: (_option("slope", node.attributes["slope"], 1 / 6), _option("offset", node.attributes["offset"], 0.5)),
    "softmax": _axis,
    "log_softmax": _axis,
    "concat": _axis,
    "reshape": lambda node: _sizes("size", node.shape),
    "transpose": lambda node: _sizes("axis", node.attributes["axes"]),
    "pad": lambda node: (Argument("padding", shortest(node.attributes["padding"])), _option("value", node.attributes["value"], 0.0)),
}
_MAKES: dict[str, Callable[[Node], Make]] = {
    "conv2d": _conv,
    "conv_transpose2d": _conv,
    "avg_pool2d": _avg_pool,
    "adaptive_avg_pool2d": _adaptive,
    "gelu": lambda node: Make("TanhGELU" if node.attributes["approximate"] == "tanh" else "GELU"),
}


class Spelling:
    """Spell layers as instances of the classes in `layers`."""

    nested = False
    flags = True
    reserved = frozenset({"np", "self", "name", "i", "erf", "sliding_window_view", "load_file"})
    sequences = frozenset({"Sequential"})

    def layer(self, node: Node) -> Make:
        """Return the construction of a layer."""
        kind = node.op.lowering()
        if kind in _MAKES:
            return _MAKES[kind](node)
        return Make(type(node.op).__name__, _ARGUMENTS.get(kind, lambda _: ())(node))

    def function(self, node: Node) -> Template | None:
        """Return None: whatever has a backward pass is a layer."""
        return None

    def call(self, node: Node) -> Template:
        """Return how a layer is called."""
        return Template("{self}({all})")

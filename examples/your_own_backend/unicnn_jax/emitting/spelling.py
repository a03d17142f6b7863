"""How Flax NNX spells single layers: those with parameters as modules, the others as functions, or as attributes that are functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from unicnn import ops
from unicnn.graph import Graph, Node
from unicnn.porting.outline import Argument, Code, Make, Template
from unicnn.porting.outline.layouts import Flattened, flattened, moved, order, place, position
from unicnn.porting.outline.text import arguments
from unicnn_jax.emitting import padding, pooling

RESERVED = frozenset({
    "append", "clear", "count", "eval", "extend", "get", "index", "initialize", "insert", "items", "iter_children", "iter_modules", "jax",
    "jnp", "keys", "load_file", "load_weights", "nnx", "np", "optax", "partial", "perturb", "pop", "popitem", "remove", "reverse", "rngs",
    "self", "set_attributes", "setdefault", "sow", "train", "update", "values",
})  # fmt: skip
"""What nnx.Module and its containers have already, and the names that the file needs itself."""

RNGS = Argument("rngs", Code("rngs"), keyword=True)


class Spelling:
    """Spell the layers of one network."""

    reserved = RESERVED
    sequences = frozenset({"Sequential"})
    flags = True

    def __init__(self, graph: Graph) -> None:
        self.flattened: Flattened = flattened(graph)
        self.explicit = padding.explicit(graph)

    def layer(self, node: Node) -> Make:
        """Return a module, or a function with what it is called with besides the values."""
        if isinstance(node.op, ops.Conv2d):
            return _conv(node, explicit=node.op.kernel_size in self.explicit)
        if type(node.op) in _MODULES:
            make = _MODULES[type(node.op)](node)
            return Make(make.callee, (*make.arguments, RNGS), reason=make.reason)
        return self._function(node)

    def function(self, node: Node) -> Template | None:
        """Return a call of a function; whatever has parameters or draws numbers is a module, and what does nothing needs a name."""
        if type(node.op) in _MODULES or isinstance(node.op, (ops.Conv2d, ops.Identity)):
            return None
        if type(node.op) in _SIGNS:
            return Template(f" {_SIGNS[type(node.op)][0]} ".join(f"{{{i}}}" for i in range(len(node.inputs))), _SIGNS[type(node.op)][1])
        if type(node.op) in _METHODS:
            return _METHODS[type(node.op)](node)
        if isinstance(node.op, ops.Flatten):
            return _flatten(node.name in self.flattened.permuted)
        make = self._function(node)
        values = "[{all}]" if isinstance(node.op, ops.Concat) else "{all}"
        return Template(f"{make.callee}({', '.join([values, *arguments(make)])})", reason=make.reason)

    def call(self, node: Node) -> Template:
        """Return how an attribute is called."""
        return Template("{self}([{all}])" if isinstance(node.op, ops.Concat) else "{self}({all})")

    def _function(self, node: Node) -> Make:
        if isinstance(node.op, ops.Flatten):
            return Make("flatten_channels_first" if node.name in self.flattened.permuted else "flatten")
        return _FUNCTIONS[type(node.op)](node)


def optional(name: str, given: Any, default: Any) -> Argument:
    """Return an argument that is written by name if it is not the default."""
    return Argument(name, given, default, keyword=True)


def needed(name: str, given: Any) -> Argument:
    """Return an argument that is always written by name."""
    return Argument(name, given, keyword=True)


def _channels(name: str, given: int) -> Argument:
    return Argument(name, given, kind="channels")


def _conv(node: Node, *, explicit: bool) -> Make:
    op = node.op
    assert isinstance(op, ops.Conv2d)
    return Make(
        "nnx.Conv",
        (
            _channels("in_features", node.input_shapes[0][0]),
            _channels("out_features", op.out_channels),
            needed("kernel_size", op.kernel_size),
            optional("strides", padding.short(op.stride), 1),
            optional("padding", padding.of_conv(node, explicit=explicit), "SAME"),
            optional("kernel_dilation", padding.short(op.dilation), 1),
            Argument("feature_group_count", op.groups, 1, "channels", keyword=True),
            optional("use_bias", op.bias, True),
            RNGS,
        ),
    )


def _conv_transpose(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.ConvTranspose2d)
    if op.groups > 1:
        return _grouped_conv_transpose(node)
    given, reason = padding.of_conv_transpose(node)
    return Make(
        "nnx.ConvTranspose",
        (
            _channels("in_features", node.input_shapes[0][0]),
            _channels("out_features", op.out_channels),
            needed("kernel_size", op.kernel_size),
            optional("strides", padding.short(op.stride), 1),
            optional("padding", given, "SAME"),
            optional("kernel_dilation", padding.short(op.dilation), 1),
            optional("use_bias", op.bias, True),
            # Without it Flax slides the kernel as it is, which no other framework does.
            optional("transpose_kernel", True, False),
        ),
        reason=reason,
    )


def _grouped_conv_transpose(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.ConvTranspose2d)
    return Make(
        "GroupedConvTranspose",
        (
            _channels("in_features", node.input_shapes[0][0]),
            _channels("out_features", op.out_channels),
            needed("kernel_size", op.kernel_size),
            needed("strides", op.stride),
            needed("padding", padding.of_spread_input(node)),
            needed("kernel_dilation", op.dilation),
            Argument("groups", op.groups, kind="channels", keyword=True),
            optional("use_bias", op.bias, True),
        ),
    )


def _linear(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.Linear)
    sizes = _channels("in_features", node.input_shapes[0][0]), _channels("out_features", op.out_features)
    return Make("nnx.Linear", (*sizes, optional("use_bias", op.bias, True)))


def _batch_norm(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.BatchNorm2d)
    return Make(
        "UnbiasedBatchNorm" if op.running_var == "unbiased" else "nnx.BatchNorm",
        (
            _channels("num_features", node.shape[0]),
            optional("momentum", op.keep, 0.99),
            optional("epsilon", op.eps, 1e-5),
            optional("use_bias", op.shift, True),
            optional("use_scale", op.scale, True),
        ),
    )


def _layer_norm(node: Node) -> Make:
    op, rank = node.op, len(node.shape) + 1
    assert isinstance(op, ops.LayerNorm)
    places = sorted(place(axis, rank) for axis in node.attributes["axes"])
    size = math.prod((0, *node.shape)[order(rank)[axis]] for axis in places)
    axes: Any = -1 if places == [rank - 1] else tuple(places)
    return Make(
        "nnx.LayerNorm",
        (
            _channels("num_features", size),
            optional("epsilon", op.eps, 1e-6),
            optional("use_bias", op.shift, True),
            optional("use_scale", op.scale, True),
            optional("reduction_axes", axes, -1),
            optional("feature_axes", axes, -1),
        ),
    )


def _pad_width(sides: Any) -> tuple[Any, ...]:
    return ((0, 0), *sides, (0, 0))


def _pad(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.Pad)
    return Make("jnp.pad", (needed("pad_width", _pad_width(op.padding)), optional("constant_values", op.value, 0.0)))


def _transposed(node: Node) -> tuple[int, ...]:
    op, rank = node.op, len(node.shape) + 1
    assert isinstance(op, ops.Transpose)
    return tuple(order(rank).index(op.axes[axis]) for axis in order(rank))


def _reshaped(node: Node) -> Template:
    """Return the values laid out anew in the order C, H, W, wherever that is another one."""
    source, target = node.input_shapes[0], node.shape
    before = ".transpose(0, 3, 1, 2)" if moved(source) else ""
    after = ".transpose(0, 2, 3, 1)" if moved(target) else ""
    shape = target if after else tuple((0, *target)[axis] for axis in order(len(target) + 1)[1:])
    reason = "The numbers are laid out anew in the order C, H, W." if before or after else ""
    return Template(f"{{0}}{before}.reshape(-1, {', '.join(map(str, shape))}){after}", "method", reason=reason)


def _flatten(permuted: bool) -> Template:
    if permuted:
        return Template("flatten_channels_first({0})")
    return Template("{0}.reshape({0}.shape[0], -1)", "method")


def _softmax(name: str) -> Callable[[Node], Make]:
    return lambda node: Make(name, (optional("axis", position(node.attributes["axis"], len(node.shape) + 1), -1),))


def _gelu(node: Node) -> Make:
    assert isinstance(node.op, ops.GELU)
    return Make("nnx.gelu", (optional("approximate", node.op.approximate == "tanh", True),))


def _hardsigmoid(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.Hardsigmoid)
    if (op.slope, op.offset) == (1 / 6, 0.5):
        return Make("nnx.hard_sigmoid")
    return Make("hard_sigmoid", (needed("slope", op.slope), needed("offset", op.offset)))


def _concat(node: Node) -> Make:
    return Make("jnp.concatenate", (needed("axis", position(node.attributes["axis"], len(node.shape) + 1)),))


def _of(name: str, *fields: tuple[str, str, Any]) -> Callable[[Node], Make]:
    """Return the spelling of a function with arguments (Flax's name, ours, Flax's default)."""
    return lambda node: Make(name, tuple(optional(key, getattr(node.op, own), default) for key, own, default in fields))


def _several(two: str, more: str) -> Callable[[Node], Make]:
    return lambda node: Make(two if len(node.inputs) == 2 else more)


_MODULES: Mapping[type[Any], Callable[[Node], Make]] = {
    ops.ConvTranspose2d: _conv_transpose,
    ops.Linear: _linear,
    ops.BatchNorm2d: _batch_norm,
    ops.LayerNorm: _layer_norm,
    ops.Dropout: lambda node: Make("nnx.Dropout", (Argument("rate", node.op.fields()["p"]),)),
}

_FUNCTIONS: Mapping[type[Any], Callable[[Node], Make]] = {
    ops.MaxPool2d: pooling.max_pool,
    ops.AvgPool2d: pooling.avg_pool,
    ops.AdaptiveAvgPool2d: pooling.adaptive,
    ops.ReLU: _of("nnx.relu"),
    ops.ReLU6: _of("nnx.relu6"),
    ops.LeakyReLU: _of("nnx.leaky_relu", ("negative_slope", "negative_slope", 0.01)),
    ops.ELU: _of("nnx.elu", ("alpha", "alpha", 1.0)),
    ops.Sigmoid: _of("nnx.sigmoid"),
    ops.Tanh: _of("nnx.tanh"),
    ops.SiLU: _of("nnx.silu"),
    ops.GELU: _gelu,
    ops.Hardswish: _of("nnx.hard_swish"),
    ops.Hardsigmoid: _hardsigmoid,
    ops.Softmax: _softmax("nnx.softmax"),
    ops.LogSoftmax: _softmax("nnx.log_softmax"),
    ops.Identity: _of("nnx.identity"),
    ops.Reshape: lambda node: Make("reshape", (needed("shape", node.shape),)),
    ops.Transpose: lambda node: Make("jnp.transpose", (needed("axes", _transposed(node)),)),
    ops.Pad: _pad,
    ops.Add: _several("jnp.add", "add"),
    ops.Mul: _several("jnp.multiply", "multiply"),
    ops.Concat: _concat,
}

_SIGNS = {ops.Add: ("+", "sum"), ops.Mul: ("*", "product")}

_METHODS: Mapping[type[Any], Callable[[Node], Template | None]] = {
    ops.Reshape: _reshaped,
    ops.Transpose: lambda node: Template(f"{{0}}.transpose({', '.join(map(str, _transposed(node)))})", "method"),
    # Zeros put around an image right before a convolution would be read as the convolution's own padding.
    ops.Pad: lambda node: None if node.op.fields()["value"] == 0 else Template(
        f"jnp.pad({{0}}, {_pad_width(node.op.fields()['padding'])}, constant_values={node.op.fields()['value']!r})"
    ),
    ops.AdaptiveAvgPool2d: pooling.adaptive_function,
}  # fmt: skip

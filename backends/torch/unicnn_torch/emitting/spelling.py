"""How PyTorch spells single layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unicnn import ops
from unicnn.graph import Node
from unicnn.porting.outline import Argument, Make, Template
from unicnn.porting.outline.text import number, value
from unicnn_torch.emitting import windows
from unicnn_torch.emitting.words import border, channels, functional, optional, short, short_border

RESERVED = frozenset({
    "Add", "BatchNorm2d", "Concat", "CroppedConvTranspose2d", "Hardsigmoid", "LayerNorm", "LayerNorm2d", "Mul", "OrderedDict", "Permute",
    "Reshape", "ScaledHardsigmoid", "UnevenAvgPool2d", "initialize", "load_file", "load_weights",
    "F", "T", "add_module", "append", "apply", "bfloat16", "buffers", "call_super_init", "children", "clear", "compile", "cpu", "cuda",
    "double", "dump_patches", "eval", "extend", "extra_repr", "float", "forward", "get_buffer", "get_extra_state", "get_parameter",
    "get_submodule", "half", "insert", "ipu", "items", "keys", "load_state_dict", "modules", "mtia", "named_buffers", "named_children",
    "named_modules", "named_parameters", "nn", "parameters", "pop", "register_buffer", "register_module", "register_parameter",
    "requires_grad_", "self", "set_extra_state", "set_submodule", "share_memory", "state_dict", "to", "to_empty", "torch", "train",
    "training", "type", "update", "values", "xpu", "zero_grad",
})  # fmt: skip
"""What a file brings along, and what nn.Module and its containers have already: an attribute of that name would hide it, or be hidden."""


class Spelling:
    """Spell layers as torch.nn modules, or as calls of torch.nn.functional."""

    sequences = frozenset({"Sequential"})
    reserved = RESERVED
    flags = True

    def layer(self, node: Node) -> Make:
        return _LAYERS[type(node.op)](node)

    def function(self, node: Node) -> Template | None:
        spell = _FUNCTIONS.get(type(node.op))
        return None if spell is None else spell(node)

    def call(self, node: Node) -> Template:
        return windows.around(node)


def _linear(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.Linear)
    sizes = channels("in_features", node.input_shapes[0][0]), channels("out_features", op.out_features)
    return Make("nn.Linear", (*sizes, optional("bias", op.bias, True)))


def momentum(keep: float) -> float:
    """Return the shortest momentum that keeps `keep` of a running statistic: 0.1 for 0.9."""
    return next((m for digits in range(1, 17) if 1 - (m := round(1 - keep, digits)) == keep), 1 - keep)


def _batch_norm(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.BatchNorm2d)
    plain = op.running_var == "unbiased" and op.scale == op.shift
    common = (
        channels("num_features", node.shape[0]),
        optional("eps", op.eps, 1e-5),
        optional("momentum", momentum(op.keep), 0.1),
    )
    if plain:
        return Make("nn.BatchNorm2d", (*common, optional("affine", op.scale, True)))
    return Make("BatchNorm2d", (*common, optional("scale", op.scale, True), optional("shift", op.shift, True)))


def _layer_norm(node: Node) -> Make:
    op, axes, rank = node.op, node.attributes["axes"], len(node.shape) + 1
    assert isinstance(op, ops.LayerNorm)
    sizes = tuple(node.shape[axis - 1] for axis in axes)
    shape = Argument("normalized_shape", sizes[0] if len(sizes) == 1 else sizes, kind="channels" if len(sizes) == 1 else "")
    eps = optional("eps", op.eps, 1e-5)
    last = axes == tuple(range(rank - len(axes), rank))
    if not op.shift or op.scale:
        affine = (optional("elementwise_affine", op.scale, True), optional("bias", op.shift or not op.scale, True))
        if last:
            return Make("nn.LayerNorm", (shape, eps, *affine))
        if axes == (1,) and rank == 4:
            return Make("LayerNorm2d", (shape, eps, *affine))
    given = Argument("axes", axes, keyword=True)
    return Make("LayerNorm", (shape, given, eps, optional("scale", op.scale, True), optional("shift", op.shift, True)))


def _simple(name: str, *fields: tuple[str, Any, bool]) -> Callable[[Node], Make]:
    """Return the spelling of a layer whose arguments are its op's fields: (PyTorch's name, default, by name)."""

    def make(node: Node) -> Make:
        given = node.op.fields().values()
        return Make(
            name, tuple(Argument(key, item, default, keyword=named) for (key, default, named), item in zip(fields, given, strict=True))
        )

    return make


def _softmax(name: str) -> Callable[[Node], Make]:
    return lambda node: Make(name, (Argument("dim", node.attributes["axis"], keyword=True),))


def _usual(node: Node) -> bool:
    return isinstance(node.op, ops.Hardsigmoid) and (node.op.slope, node.op.offset) == (1 / 6, 0.5)


def _hardsigmoid(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.Hardsigmoid)
    # The gradient of nn.Hardsigmoid is only as exact as the float32 nearest to 1/6, in float64 too.
    given = () if _usual(node) else (Argument("slope", op.slope), Argument("offset", op.offset))
    return Make("Hardsigmoid" if _usual(node) else "ScaledHardsigmoid", given, native=False)


def _hardsigmoid_function(node: Node) -> Template:
    op = node.op
    assert isinstance(op, ops.Hardsigmoid)
    if _usual(node):
        return Template("F.relu6({0} + 3) / 6", "sum", "product")
    # hardtanh, unlike clamp, has the derivative 0 at both corners, as a hard sigmoid has.
    return Template(f"F.hardtanh({number(op.slope)} * {{0}} + {number(op.offset)}, 0.0, 1.0)", "product", "call")


def _reshape(node: Node) -> Make:
    if len(node.input_shapes[0]) == 1:
        return Make("nn.Unflatten", (Argument("dim", 1), Argument("unflattened_size", node.shape)))
    return Make("Reshape", tuple(Argument(f"size{i}", size) for i, size in enumerate(node.shape)), native=False)


def _reshape_function(node: Node) -> Template:
    return Template(f"{{0}}.reshape(-1, {', '.join(map(str, node.shape))})", "method")


def _transpose(node: Node) -> Make:
    assert isinstance(node.op, ops.Transpose)
    return Make("Permute", tuple(Argument(f"axis{i}", axis) for i, axis in enumerate(node.op.axes)), native=False)


def _transpose_function(node: Node) -> Template:
    assert isinstance(node.op, ops.Transpose)
    return Template(f"{{0}}.permute({', '.join(map(str, node.op.axes))})", "method")


def _pad(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.Pad)
    sides = Argument("padding", short_border(op.padding))
    return Make("nn.ZeroPad2d", (sides,)) if op.value == 0 else Make("nn.ConstantPad2d", (sides, Argument("value", op.value)))


def _pad_function(node: Node) -> Template | None:
    op = node.op
    assert isinstance(op, ops.Pad)
    # Zeros put around by a function right before a convolution would be read as the convolution's own padding.
    return None if op.value == 0 else Template(f"F.pad({{0}}, {border(op.padding)}, value={value(op.value)})")


def _joined(sign: str, kind: str) -> Callable[[Node], Template]:
    return lambda node: Template(f" {sign} ".join(f"{{{i}}}" for i in range(len(node.inputs))), kind)


def _concat_function(node: Node) -> Template:
    return Template(f"torch.cat([{{all}}], dim={node.attributes['axis']})")


def _of(name: str) -> Callable[[Node], Template]:
    return lambda node: Template(f"{name}({{0}})")


def _with(name: str, layer: Callable[[Node], Make]) -> Callable[[Node], Template]:
    return lambda node: functional(name, layer(node))


_LAYERS: Mapping[type[Any], Callable[[Node], Make]] = {
    ops.Conv2d: windows.conv,
    ops.ConvTranspose2d: windows.conv_transpose,
    ops.Linear: _linear,
    ops.BatchNorm2d: _batch_norm,
    ops.LayerNorm: _layer_norm,
    ops.Dropout: lambda node: Make("nn.Dropout", (Argument("p", node.op.fields()["p"]),)),
    ops.MaxPool2d: windows.pool,
    ops.AvgPool2d: windows.pool,
    ops.AdaptiveAvgPool2d: lambda node: Make("nn.AdaptiveAvgPool2d", (Argument("output_size", short(node.op.fields()["output_size"])),)),
    ops.ReLU: _simple("nn.ReLU"),
    ops.ReLU6: _simple("nn.ReLU6"),
    ops.LeakyReLU: _simple("nn.LeakyReLU", ("negative_slope", 0.01, False)),
    ops.ELU: _simple("nn.ELU", ("alpha", 1.0, False)),
    ops.Sigmoid: _simple("nn.Sigmoid"),
    ops.Tanh: _simple("nn.Tanh"),
    ops.SiLU: _simple("nn.SiLU"),
    ops.GELU: _simple("nn.GELU", ("approximate", "none", True)),
    ops.Hardswish: _simple("nn.Hardswish"),
    ops.Hardsigmoid: _hardsigmoid,
    ops.Softmax: _softmax("nn.Softmax"),
    ops.LogSoftmax: _softmax("nn.LogSoftmax"),
    ops.Identity: _simple("nn.Identity"),
    ops.Flatten: lambda node: Make("nn.Flatten"),
    ops.Reshape: _reshape,
    ops.Transpose: _transpose,
    ops.Pad: _pad,
    ops.Add: lambda node: Make("Add", native=False),
    ops.Mul: lambda node: Make("Mul", native=False),
    ops.Concat: lambda node: Make("Concat", (optional("dim", node.attributes["axis"], 1),), native=False),
}

_FUNCTIONS: Mapping[type[Any], Callable[[Node], Template | None]] = {
    ops.MaxPool2d: windows.pool_function,
    ops.AvgPool2d: windows.pool_function,
    ops.AdaptiveAvgPool2d: _with("F.adaptive_avg_pool2d", lambda node: _LAYERS[ops.AdaptiveAvgPool2d](node)),
    ops.ReLU: _of("F.relu"),
    ops.ReLU6: _of("F.relu6"),
    ops.LeakyReLU: _with("F.leaky_relu", lambda node: _LAYERS[ops.LeakyReLU](node)),
    ops.ELU: _with("F.elu", lambda node: _LAYERS[ops.ELU](node)),
    ops.Sigmoid: _of("torch.sigmoid"),
    ops.Tanh: _of("torch.tanh"),
    ops.SiLU: _of("F.silu"),
    ops.GELU: _with("F.gelu", lambda node: _LAYERS[ops.GELU](node)),
    ops.Hardswish: _of("F.hardswish"),
    ops.Hardsigmoid: _hardsigmoid_function,
    ops.Softmax: _with("F.softmax", lambda node: _LAYERS[ops.Softmax](node)),
    ops.LogSoftmax: _with("F.log_softmax", lambda node: _LAYERS[ops.LogSoftmax](node)),
    ops.Flatten: lambda node: Template("torch.flatten({0}, 1)"),
    ops.Reshape: _reshape_function,
    ops.Transpose: _transpose_function,
    ops.Pad: _pad_function,
    ops.Add: _joined("+", "sum"),
    ops.Mul: _joined("*", "product"),
    ops.Concat: _concat_function,
}

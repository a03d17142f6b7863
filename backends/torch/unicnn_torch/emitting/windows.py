"""Convolutions and pools in PyTorch, which pads both sides alike; what it cannot pad is padded before it."""

from __future__ import annotations

from typing import Any

from unicnn import ops
from unicnn.graph import Node
from unicnn.ops.fields import NO_PADDING, Sides
from unicnn.ops.pool import resolve_padding
from unicnn.porting.outline import Argument, Make, Template
from unicnn.porting.outline.crops import Crop, crop_of
from unicnn_torch.emitting.words import border, channels, even, functional, optional, short, symmetric

PLAIN = Template("{self}({all})")
_INFINITY = 'float("-inf")'


def conv(node: Node) -> Make:
    op, a = node.op, node.attributes
    assert isinstance(op, ops.Conv2d)
    before = None if even(a["padding"]) else ("pad", Make("nn.ZeroPad2d", (Argument("padding", border(a["padding"])),)))
    return Make(
        "nn.Conv2d",
        (
            channels("in_channels", node.input_shapes[0][0]),
            channels("out_channels", op.out_channels),
            Argument("kernel_size", short(op.kernel_size)),
            optional("stride", short(op.stride), 1),
            optional("padding", short(symmetric(a["padding"])), 0),
            optional("dilation", short(op.dilation), 1),
            Argument("groups", op.groups, 1, "channels", keyword=True),
            optional("bias", op.bias, True),
        ),
        before=before,
        reason=_padding_reason(op) if before else "",
    )


def _padding_reason(op: Any) -> str:
    if op.padding == "same":
        return "TensorFlow's SAME puts the odd pixel after; padding= would put it on both sides."
    return "More padding on one side than on the other, which padding= cannot say."


def _crop(node: Node) -> Crop | None:
    a = node.attributes
    return crop_of(a["crop"], (max(a["stride"][0], a["dilation"][0]), max(a["stride"][1], a["dilation"][1])))


def conv_transpose(node: Node) -> Make:
    op = node.op
    assert isinstance(op, ops.ConvTranspose2d)
    crop = _crop(node) or Crop((0, 0), (0, 0), NO_PADDING)
    arguments = (
        channels("in_channels", node.input_shapes[0][0]),
        channels("out_channels", op.out_channels),
        Argument("kernel_size", short(op.kernel_size)),
        optional("stride", short(op.stride), 1),
        optional("padding", short(crop.padding), 0),
        optional("output_padding", short(crop.output_padding), 0),
        Argument("groups", op.groups, 1, "channels", keyword=True),
        optional("bias", op.bias, True),
        optional("dilation", short(op.dilation), 1),
    )
    if _crop(node) is not None:
        return Make("nn.ConvTranspose2d", arguments)
    crop = Argument("crop", border(node.attributes["crop"]), keyword=True)
    return Make(
        "CroppedConvTranspose2d", (*arguments, crop), reason="PyTorch crops both sides alike, or less after; this crops each by itself."
    )


def _pool_sides(node: Node) -> tuple[Sides, bool]:
    """Return the padding that a pool is to write itself, and whether it rounds up; the sides are even and at most half the window."""
    op: Any = node.op
    asked = resolve_padding(op.padding, node.input_shapes[0][1:], op.kernel_size, op.stride)
    fits = even(asked) and all(2 * before <= k for (before, _), k in zip(asked, op.kernel_size, strict=True))
    if fits:
        return asked, op.ceil_mode
    return NO_PADDING, False


def padded(node: Node) -> Sides | None:
    """Return what must be put around a layer's input before PyTorch's own layer can take it, or None."""
    op: Any = node.op
    if isinstance(op, ops.Conv2d):
        return None if even(node.attributes["padding"]) else node.attributes["padding"]
    if isinstance(op, (ops.MaxPool2d, ops.AvgPool2d)):
        asked = resolve_padding(op.padding, node.input_shapes[0][1:], op.kernel_size, op.stride)
        native = _pool_sides(node)
        return None if native == (asked, op.ceil_mode) else node.attributes["padding"]
    return None


def uncounted(node: Node) -> bool:
    """Tell whether an average leaves out cells of a padding that PyTorch's own layer cannot do."""
    return isinstance(node.op, ops.AvgPool2d) and padded(node) is not None and node.attributes["counted"] != node.attributes["padding"]


def _pool_arguments(node: Node) -> tuple[Argument, ...]:
    op: Any = node.op
    sides, ceil = _pool_sides(node)
    size = short(op.kernel_size)
    common = (
        Argument("kernel_size", size),
        optional("stride", short(op.stride), size),
        optional("padding", short(symmetric(sides)), 0),
        optional("ceil_mode", ceil, False),
    )
    if isinstance(op, ops.AvgPool2d) and sides != NO_PADDING:
        return (*common, optional("count_include_pad", op.count_include_pad, True))
    return common


def pool(node: Node) -> Make:
    name = type(node.op).__name__
    if uncounted(node):
        sides = (Argument(key, border(node.attributes[key])) for key in ("padding", "counted"))
        size, stride = (short(node.attributes[key]) for key in ("kernel_size", "stride"))
        return Make("UnevenAvgPool2d", (Argument("kernel_size", size), Argument("stride", stride), *sides), native=True)
    sides_ = padded(node)
    if sides_ is None:
        return Make(f"nn.{name}", _pool_arguments(node))
    filling = () if name == "AvgPool2d" else (Argument("value", Infinity()),)
    pad = Make("nn.ConstantPad2d" if filling else "nn.ZeroPad2d", (Argument("padding", border(sides_)), *filling))
    return Make(f"nn.{name}", _pool_arguments(node), before=("pad", pad), reason=_pool_reason(node))


def _pool_reason(node: Node) -> str:
    op: Any = node.op
    if even(node.attributes["padding"]):
        return "PyTorch's pools pad by at most half their window."
    return _padding_reason(op)


class Infinity:
    """Be minus infinity, which pads a maximum."""

    def __repr__(self) -> str:
        return _INFINITY


def around(node: Node) -> Template:
    """Return how a module is called, with what must be put around its input or taken from its output."""
    if isinstance(node.op, ops.ConvTranspose2d):
        return _sliced(_crop(node))
    sides = padded(node)
    if sides is None or uncounted(node):
        return PLAIN
    filling = f", value={_INFINITY}" if isinstance(node.op, ops.MaxPool2d) else ""
    reason = _padding_reason(node.op) if isinstance(node.op, ops.Conv2d) else _pool_reason(node)
    return Template(f"{{self}}(F.pad({{0}}, {border(sides)}{filling}))", reason=reason)


def _sliced(crop: Crop | None) -> Template:
    if crop is None or not crop.sliced:
        return PLAIN
    rows, columns = (f"{before or ''}:{-after or ''}" for before, after in crop.rest)
    reason = "TensorFlow crops the odd pixel after; padding= crops both sides alike."
    return Template(f"{{self}}({{0}})[:, :, {rows}, {columns}]", reason=reason)


def pool_function(node: Node) -> Template | None:
    if padded(node) is not None:
        return None
    names = {ops.MaxPool2d: "max_pool2d", ops.AvgPool2d: "avg_pool2d"}
    return functional(f"F.{names[type(node.op)]}", Make("", _pool_arguments(node)))

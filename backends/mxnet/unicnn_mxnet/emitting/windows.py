"""Convolutions and pools in Gluon, which pads both sides alike; what it cannot pad is padded before it."""

from __future__ import annotations

from typing import Any

from unicnn import ops
from unicnn.errors import UnsupportedError
from unicnn.graph import Node
from unicnn.ops.fields import NO_PADDING, Pair, Sides
from unicnn.ops.pool import resolve_padding
from unicnn.porting.outline import Argument, Code, Make, Template
from unicnn.porting.outline.crops import crop_of
from unicnn_mxnet.emitting.words import even, optional, short, width

_LOWEST = 'float("-inf")'


def conv(node: Node) -> Make:
    """Spell a convolution; Gluon finds the number of channels that it takes by itself."""
    op, sides = node.op, node.attributes["padding"]
    assert isinstance(op, ops.Conv2d)
    padded = not even(sides)
    return Make(
        "nn.Conv2D",
        (
            Argument("channels", op.out_channels, kind="channels"),
            Argument("kernel_size", short(op.kernel_size)),
            optional("strides", short(op.stride), 1),
            optional("padding", short((0, 0) if padded else (sides[0][0], sides[1][0])), 0),
            optional("dilation", short(op.dilation), 1),
            Argument("groups", op.groups, 1, "channels", keyword=True),
            optional("use_bias", op.bias, True),
        ),
        before=_before(sides, "0") if padded else None,
        reason=_reason(op) if padded else "",
    )


def conv_transpose(node: Node) -> Make:
    """Spell a transposed convolution; refuse what Gluon cannot say, and what MXNet computes wrongly."""
    op, crop = node.op, crop_of(node.attributes["crop"], node.attributes["stride"])
    assert isinstance(op, ops.ConvTranspose2d)
    if crop is None:
        raise UnsupportedError(
            f"{node.name} ({op}) cannot be written in Gluon, whose Conv2DTranspose adds fewer rows after its output than its stride. "
            "Choose another dialect, or a smaller output_padding."
        )
    if max(op.stride) > 1 and max(op.dilation) > 1:
        raise UnsupportedError(
            f"{node.name} ({op}) cannot be written in Gluon: MXNet 1.9.1 computes a transposed convolution with both stride and dilation "
            "wrongly where oneDNN does not do it. Choose another dialect."
        )
    return Make(
        "nn.Conv2DTranspose",
        (
            Argument("channels", op.out_channels, kind="channels"),
            Argument("kernel_size", short(op.kernel_size)),
            optional("strides", short(op.stride), 1),
            optional("padding", short(crop.padding), 0),
            optional("output_padding", short(crop.output_padding), 0),
            optional("dilation", short(op.dilation), 1),
            Argument("groups", op.groups, 1, "channels", keyword=True),
            optional("use_bias", op.bias, True),
        ),
    )


def _sliced(node: Node) -> Template | None:
    crop = crop_of(node.attributes["crop"], node.attributes["stride"])
    if crop is None or not crop.sliced:
        return None
    begin = f"(None, None, {', '.join(str(before or None) for before, _ in crop.rest)})"
    end = f"(None, None, {', '.join(str(-after or None) for _, after in crop.rest)})"
    reason = "TensorFlow crops the odd pixel after; padding= crops both sides alike."
    return Template(f"F.slice({{self}}({{0}}), begin={begin}, end={end})", reason=reason)


def _asked(node: Node) -> Sides:
    op: Any = node.op
    return resolve_padding(op.padding, node.input_shapes[0][1:], op.kernel_size, op.stride)


def _native(node: Node) -> tuple[Sides, bool] | None:
    """Return the padding and ceil mode with which Gluon's own pool gives the windows, or None."""
    op: Any = node.op
    asked, resolved = _asked(node), node.attributes["padding"]
    if not even(asked):
        return None
    if resolved == asked:
        # Ceil mode adds nothing here; MXNet's might add a window that lies in the padding.
        return asked, False
    # MXNet keeps a last window that starts inside the padding after the input; the core drops it.
    alike = all(
        _rounded_up(n, k, s, p) == (n + sum(r) - k) // s + 1
        for n, k, s, p, r in zip(node.input_shapes[0][1:], op.kernel_size, op.stride, asked, resolved, strict=True)
    )
    return (asked, True) if alike else None


def _rounded_up(n: int, k: int, s: int, p: Pair) -> int:
    return -(-(n + sum(p) - k) // s) + 1


def uncounted(node: Node) -> bool:
    """Tell whether an average leaves out cells of a padding that Gluon's own pool cannot do."""
    return isinstance(node.op, ops.AvgPool2d) and _native(node) is None and node.attributes["counted"] != node.attributes["padding"]


def pool(node: Node) -> Make:
    """Spell a pool."""
    op: Any = node.op
    name = {ops.MaxPool2d: "nn.MaxPool2D", ops.AvgPool2d: "nn.AvgPool2D"}[type(op)]
    if uncounted(node):
        given = (Argument(key, node.attributes[key]) for key in ("kernel_size", "stride", "padding", "counted"))
        return Make("UnevenAvgPool2D", tuple(given))
    native = _native(node)
    sides, ceil = native or (NO_PADDING, False)
    size = short(op.kernel_size)
    common = (
        Argument("pool_size", size),
        optional("strides", short(op.stride), size),
        optional("padding", short((sides[0][0], sides[1][0])), 0),
        optional("ceil_mode", ceil, False),
    )
    if isinstance(op, ops.AvgPool2d) and (sides != NO_PADDING):
        common = (*common, optional("count_include_pad", op.count_include_pad, True))
    if native is not None:
        return Make(name, common)
    return Make(name, common, before=_before(node.attributes["padding"], _filling(op)), reason=_reason(op))


def _filling(op: Any) -> str:
    return _LOWEST if isinstance(op, ops.MaxPool2d) else "0"


def _reason(op: Any) -> str:
    if op.padding == "same":
        return "TensorFlow's SAME puts the odd pixel after; padding= would put it on both sides."
    if getattr(op, "ceil_mode", False):
        return "ceil_mode would keep a last window that begins in the padding."
    return "More padding on one side than on the other, which padding= cannot say."


def _padding(sides: Sides, filling: str) -> str:
    value = "" if filling == "0" else f", constant_value={filling}"
    return f'F.pad({{0}}, mode="constant", pad_width={width(sides)}{value})'


def _before(sides: Sides, filling: str) -> tuple[str, Make]:
    text = _padding(sides, filling).replace("{0}", "x")
    return "pad", Make("nn.HybridLambda", (Argument("function", Code(f"lambda F, x: {text}")),))


def border(op: Any) -> Template:
    """Spell a border of one value around an image."""
    return Template(_padding(op.padding, "0" if op.value == 0 else repr(op.value)))


def around(node: Node) -> Template | None:
    """Return how a layer is called if its input must be padded first, or its output cropped."""
    if isinstance(node.op, ops.ConvTranspose2d):
        return _sliced(node)
    if isinstance(node.op, ops.Conv2d) and not even(node.attributes["padding"]):
        return Template(f"{{self}}({_padding(node.attributes['padding'], '0')})", reason=_reason(node.op))
    if isinstance(node.op, (ops.MaxPool2d, ops.AvgPool2d)) and _native(node) is None and not uncounted(node):
        return Template(f"{{self}}({_padding(node.attributes['padding'], _filling(node.op))})", reason=_reason(node.op))
    return None

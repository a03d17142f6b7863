"""Relations of convolutions, transposed convolutions and linear layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from unicnn.conformance.case import Data, Setting
from unicnn.conformance.relations.asking import Array, Asker, Pairs, changed, part, taken
from unicnn.ops import ConvTranspose2d, Linear, Pad


def scaled(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Scale the input by powers of two, and by -1."""
    weight = data.weights["op.weight"]
    plain = changed(setting.op, bias=False)
    output = ask(plain, data.inputs[0], weight=weight)
    for factor in (np.float32(2.0**-20), np.float32(2.0**13), np.float32(-1)):
        yield ask(plain, data.inputs[0] * factor, weight=weight), output * factor


def linear(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Add two inputs."""
    weight, plain = data.weights["op.weight"], changed(setting.op, bias=False)
    x, other = data.inputs[0], np.ascontiguousarray(data.inputs[0][::-1])
    yield ask(plain, x + other, weight=weight), ask(plain, x, weight=weight) + ask(plain, other, weight=weight)


def outputs_permuted(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Reverse the output channels."""
    op, held = taken(setting, data)
    output = ask(op, *data.inputs, **held)
    yield ask(op, *data.inputs, **{key: value[::-1] for key, value in held.items()}), output[:, ::-1]


def inputs_permuted(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Reverse the input channels, and the weights with them."""
    op, held = taken(setting, data)
    axis = 0 if isinstance(op, ConvTranspose2d) else 1
    turned = held | {"weight": np.flip(held["weight"], axis)}
    x = np.ascontiguousarray(data.inputs[0][:, ::-1])
    yield ask(op, x, **turned), ask(op, *data.inputs, **held)


def groups(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Compute each group by a convolution of its own."""
    (op, held), x = taken(setting, data), data.inputs[0]
    groups = op.groups
    one = changed(op, out_channels=op.out_channels // groups, groups=1)
    parts = []
    for group in range(groups):
        share: dict[str, Any] = {"weight": part(held["weight"], group, groups, 0)}
        if "bias" in held:
            share["bias"] = part(held["bias"], group, groups, 0)
        parts.append(ask(one, part(x, group, groups, 1), **share))
    yield ask(op, x, **held), np.concatenate(parts, axis=1)


def dilated_kernel(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Write the zeros of a dilated kernel out."""
    op, held = taken(setting, data)
    (down, right), weight = op.dilation, held["weight"]
    rows, cols = (weight.shape[2] - 1) * down + 1, (weight.shape[3] - 1) * right + 1
    spread = np.zeros((*weight.shape[:2], rows, cols), weight.dtype)
    spread[:, :, ::down, ::right] = weight
    dense = changed(op, kernel_size=(rows, cols), dilation=1)
    yield ask(op, *data.inputs, **held), ask(dense, *data.inputs, **(held | {"weight": spread}))


def subsampled(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Keep every s-th output of stride 1."""
    op, held = taken(setting, data)
    padding = setting.graph().nodes[0].attributes["padding"]  # "same" depends on the stride
    strided = changed(op, padding=padding)
    dense = changed(strided, stride=1)
    output = ask(strided, *data.inputs, **held)
    down, right = op.stride
    yield output, ask(dense, *data.inputs, **held)[:, :, ::down, ::right][:, :, : output.shape[2], : output.shape[3]]


def padded_first(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Pad first, then convolve without padding."""
    op, held = taken(setting, data)
    padding = setting.graph().nodes[0].attributes["padding"]
    bordered = ask(Pad(padding), data.inputs[0])
    yield ask(op, *data.inputs, **held), ask(changed(op, padding=0), bordered, **held)


def shifted(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Put the image at two places of a larger one, far enough from its border that every window sees the same."""
    (op, held), x = taken(setting, data), data.inputs[0]
    valid = changed(op, padding=0)
    margins = [reach * (kernel - 1) + 1 for reach, kernel in zip(op.dilation, op.kernel_size, strict=True)]
    steps = op.stride
    margins = [-(-margin // step) * step for margin, step in zip(margins, steps, strict=True)]
    around = [(margin, margin + step) for margin, step in zip(margins, steps, strict=True)]
    early = np.pad(x, ((0, 0), (0, 0), *around))
    late = np.pad(x, ((0, 0), (0, 0), *((before + step, after - step) for (before, after), step in zip(around, steps, strict=True))))
    yield ask(valid, late, **held)[:, :, 1:, 1:], ask(valid, early, **held)[:, :, :-1, :-1]


def as_linear(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Apply a 1x1 kernel as a matrix to every pixel."""
    op, held = taken(setting, data)
    output = ask(op, *data.inputs, **held)
    pixels = np.moveaxis(data.inputs[0], 1, 3)
    weight = held["weight"][:, :, 0, 0]
    flat = ask(Linear(weight.shape[0], bias="bias" in held), pixels.reshape(-1, pixels.shape[3]), weight=weight, bias=held.get("bias"))
    yield output, np.moveaxis(flat.reshape(*pixels.shape[:3], -1), 3, 1)


def one_hot(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Put a single 1 into each kernel in turn: the output is the pixel under it."""
    op, x = changed(setting.op, bias=False), data.inputs[0]
    (top, bottom), (left, right) = setting.graph().nodes[0].attributes["padding"]
    shape, dilation, stride = data.weights["op.weight"].shape, op.dilation, op.stride
    bordered = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    for row, col in ((0, 0), (shape[2] // 2, shape[3] // 2), (shape[2] - 1, shape[3] - 1), (0, shape[3] - 1)):
        weight = np.zeros(shape, np.float32)
        weight[:, 0, row, col] = 1
        output = ask(op, x, weight=weight)
        seen = bordered[:, :1, row * dilation[0] :: stride[0], col * dilation[1] :: stride[1]]
        yield output, np.broadcast_to(seen[:, :, : output.shape[2], : output.shape[3]], output.shape)


def adjoint(ask: Asker, setting: Setting, data: Data) -> Pairs:
    """Compare <conv(x), y> with <x, gradient for y> and with <weight, gradient for y>, as exact integers."""
    held: dict[str, Any] = {"weight": data.weights["op.weight"]}
    plain, x, y = changed(setting.op, bias=False), data.inputs[0], data.cotangent
    gradients = ask.gradients(plain, x, cotangent=y, **held)
    forward = _products(ask(plain, x, **held), y)
    yield _products(x, gradients["input"]), forward
    yield _products(held["weight"], gradients["op.weight"]).sum(keepdims=True), forward.sum(keepdims=True)


def _products(one: Array, other: Array) -> Array:
    """Return the sums of products along all axes but the first, in float64."""
    return (one.astype(np.float64) * other).reshape(len(one), -1).sum(axis=1)

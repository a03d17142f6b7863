"""Convolution: cross-correlation plus bias, and its adjoint."""

from __future__ import annotations

import math
from typing import Any

from unicnn.ops.base import Activated, Misfit, Parameter, Shape, need_image, op
from unicnn.ops.fields import NO_PADDING, Pair, Sides, Written, by, field, flag, integer, padding, pair, sides


def same_upper(size: Pair, kernel_size: Pair, stride: Pair, dilation: Pair) -> Sides:
    """Return the padding that makes the output ceil(size / stride); an odd pixel goes after (TensorFlow's SAME)."""

    def one(n: int, k: int, s: int, d: int) -> Pair:
        total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        return total // 2, total - total // 2

    return one(size[0], kernel_size[0], stride[0], dilation[0]), one(size[1], kernel_size[1], stride[1], dilation[1])


def resolve_padding(request: str | Sides, size: Pair, kernel_size: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Sides:
    """Return explicit sides for a padding request and an input's (height, width)."""
    if isinstance(request, str):
        return same_upper(size, kernel_size, stride, dilation)
    return request


def windows(size: Pair, kernel_size: Pair, stride: Pair, sides_: Sides, dilation: Pair = (1, 1)) -> Pair:
    """Return how many windows fit, or raise Misfit if not even one does."""

    def one(n: int, k: int, s: int, p: Pair, d: int) -> int:
        return (n + sum(p) - d * (k - 1) - 1) // s + 1

    padded = (size[0] + sum(sides_[0]), size[1] + sum(sides_[1]))
    spread = (dilation[0] * (kernel_size[0] - 1) + 1, dilation[1] * (kernel_size[1] - 1) + 1)
    if spread[0] > padded[0] or spread[1] > padded[1]:
        need = max(-(-(spread[0] - size[0]) // 2), -(-(spread[1] - size[1]) // 2))
        raise Misfit(
            f"the window {by(spread)} exceeds the padded input {by(padded)}.",
            f"Use padding={need} or a kernel of at most {min(padded)}.",
        )
    return (
        one(size[0], kernel_size[0], stride[0], sides_[0], dilation[0]),
        one(size[1], kernel_size[1], stride[1], sides_[1], dilation[1]),
    )


def _check_groups(groups: int, channels: int, out_channels: int) -> None:
    for what, count in (("input", channels), ("output", out_channels)):
        if count % groups:
            raise Misfit(
                f"{groups} groups do not divide its {count} {what} channels.",
                f"Use groups={math.gcd(channels, out_channels)} or another number of channels.",
            )


@op("conv")
class Conv2d(Activated):
    """Correlate an image with a bank of kernels and add a bias.

    y[n, o, i, j] = bias[o] + sum over c, a, b of x[n, c, i*stride + a*dilation - top, j*stride + b*dilation - left] * weight[o, c, a, b];
    pixels outside the image are zeros, and with groups each group of output channels sees its group of input channels.
    """

    operands = ("weight", "bias")

    out_channels: int = field(integer(1))
    kernel_size: Written = field(pair(1))
    stride: Written = field(pair(1), default=(1, 1))
    padding: Written = field(padding, default=NO_PADDING)
    dilation: Written = field(pair(1), default=(1, 1))
    groups: int = field(integer(1), default=1)
    bias: bool = field(flag, default=True)

    def _sides(self, shape: Shape) -> Sides:
        _, height, width = need_image(shape)
        return resolve_padding(self.padding, (height, width), self.kernel_size, self.stride, self.dilation)

    def output_shape(self, *shapes: Shape) -> Shape:
        channels, height, width = need_image(shapes[0])
        _check_groups(self.groups, channels, self.out_channels)
        size = windows((height, width), self.kernel_size, self.stride, self._sides(shapes[0]), self.dilation)
        return (self.out_channels, *size)

    def attributes(self, *shapes: Shape) -> dict[str, Any]:
        sides_ = self._sides(shapes[0])
        return {"stride": self.stride, "padding": sides_, "dilation": self.dilation, "groups": self.groups}

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        inner = (shapes[0][0] // self.groups, *self.kernel_size)
        fans = math.prod(inner), self.out_channels * math.prod(self.kernel_size)
        weight = Parameter((self.out_channels, *inner), "conv", *fans)
        return {"weight": weight} | ({"bias": Parameter((self.out_channels,), "vector", *fans)} if self.bias else {})

    def multiply_adds(self, *shapes: Shape) -> int:
        return math.prod(self.output_shape(*shapes)) * shapes[0][0] // self.groups * math.prod(self.kernel_size)


@op("conv_transpose")
class ConvTranspose2d(Activated):
    """Apply the adjoint of a convolution: every input pixel adds its multiple of the kernel to the output.

    The full output of (n - 1)*stride + dilation*(k - 1) + 1 is cropped by `padding` per side and extended by
    `output_padding` at the bottom and the right.
    """

    operands = ("weight", "bias")

    out_channels: int = field(integer(1))
    kernel_size: Written = field(pair(1))
    stride: Written = field(pair(1), default=(1, 1))
    padding: Written = field(sides, default=NO_PADDING)
    output_padding: Written = field(pair(0), default=(0, 0))
    dilation: Written = field(pair(1), default=(1, 1))
    groups: int = field(integer(1), default=1)
    bias: bool = field(flag, default=True)

    def _crop(self) -> Sides:
        (top, bottom), (left, right) = self.padding
        return (top, bottom - self.output_padding[0]), (left, right - self.output_padding[1])

    def output_shape(self, *shapes: Shape) -> Shape:
        channels, *size = need_image(shapes[0])
        _check_groups(self.groups, channels, self.out_channels)
        for axis in (0, 1):
            if self.output_padding[axis] >= max(self.stride[axis], self.dilation[axis]):
                raise Misfit(
                    f"an output_padding of {self.output_padding[axis]} is not below its stride or its dilation.",
                    "The extra rows would see no input; use a smaller output_padding.",
                )
        full = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(size, self.stride, self.dilation, self.kernel_size, strict=True)]
        result = tuple(n - sum(crop) for n, crop in zip(full, self._crop(), strict=True))
        if min(result) < 1:
            raise Misfit(f"cropping {by(full)} by its padding leaves nothing.", "Use a smaller padding.")
        return (self.out_channels, *result)

    def attributes(self, *shapes: Shape) -> dict[str, Any]:
        return {"stride": self.stride, "crop": self._crop(), "dilation": self.dilation, "groups": self.groups}

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        inner = (self.out_channels // self.groups, *self.kernel_size)
        # PyTorch counts axis 1 of the weight as the fan in, here as there, although axis 0 is the input's.
        fans = math.prod(inner), shapes[0][0] * math.prod(self.kernel_size)
        weight = Parameter((shapes[0][0], *inner), "conv_transpose", *fans)
        return {"weight": weight} | ({"bias": Parameter((self.out_channels,), "vector", *fans)} if self.bias else {})

    def multiply_adds(self, *shapes: Shape) -> int:
        return math.prod(shapes[0]) * self.out_channels // self.groups * math.prod(self.kernel_size)

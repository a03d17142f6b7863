"""Pooling: the maximum or the mean of windows."""

from __future__ import annotations

from typing import Any

from unicnn.ops.base import Misfit, Op, Shape, need_image, op
from unicnn.ops.conv import resolve_padding, windows
from unicnn.ops.fields import NO_PADDING, Pair, Sides, Written, by, field, flag, optional, padding, pair


def _ceil_extra(n: int, k: int, s: int, p: Pair) -> Pair:
    """Return the padding that makes floor count the windows that ceil mode keeps.

    Ceil mode keeps a last window that hangs over the edge, unless it would start inside the padding after the input.
    """
    count = -(-(n + sum(p) - k) // s) + 1
    if (count - 1) * s >= n + p[0]:
        count -= 1
    return p[0], max(p[1], (count - 1) * s + k - n - p[0])


class _Pool(Op):
    kernel_size: Pair
    stride: Pair | None
    padding: str | Sides
    ceil_mode: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stride is None:
            object.__setattr__(self, "stride", self.kernel_size)

    def written(self) -> dict[str, Any]:
        fields = super().written()
        if self.stride == self.kernel_size:
            fields.pop("stride", None)
        return fields

    def _sides(self, shape: Shape) -> tuple[Sides, Sides]:
        """Return the padding asked for, and the padding after resolving ceil mode."""
        _, *size = need_image(shape)
        assert self.stride is not None
        asked = resolve_padding(self.padding, (size[0], size[1]), self.kernel_size, self.stride)
        if any(side >= k for sides_, k in zip(asked, self.kernel_size, strict=True) for side in sides_):
            raise Misfit(
                f"its padding {asked} is not smaller than its window {by(self.kernel_size)}, so a window would hold padding only.",
                f"Use a padding of at most {min(self.kernel_size) - 1}.",
            )
        windows((size[0], size[1]), self.kernel_size, self.stride, asked)
        if not self.ceil_mode:
            return asked, asked
        vertical, horizontal = (_ceil_extra(n, k, s, p) for n, k, s, p in zip(size, self.kernel_size, self.stride, asked, strict=True))
        return asked, (vertical, horizontal)

    def output_shape(self, *shapes: Shape) -> Shape:
        channels, height, width = need_image(shapes[0])
        _, resolved = self._sides(shapes[0])
        assert self.stride is not None
        return (channels, *windows((height, width), self.kernel_size, self.stride, resolved))


@op("pool")
class MaxPool2d(_Pool):
    """Take the largest value of each window; padding counts as -inf, a NaN wins, and the gradient goes to the first maximum.

    With `ceil_mode`, a last window that hangs over the edge is kept unless it starts inside the padding.
    """

    kernel_size: Written = field(pair(1))
    stride: Written = field(optional(pair(1)), default=None)
    padding: Written = field(padding, default=NO_PADDING)
    ceil_mode: bool = field(flag, default=False)

    def attributes(self, *shapes: Shape) -> dict[str, Any]:
        return {"kernel_size": self.kernel_size, "stride": self.stride, "padding": self._sides(shapes[0])[1]}


@op("pool")
class AvgPool2d(_Pool):
    """Take the mean of each window.

    The sum over the window is divided by the number of its cells that lie inside the padded input, or inside the input
    if `count_include_pad` is false; what ceil mode adds beyond the padding never counts.
    """

    kernel_size: Written = field(pair(1))
    stride: Written = field(optional(pair(1)), default=None)
    padding: Written = field(padding, default=NO_PADDING)
    ceil_mode: bool = field(flag, default=False)
    count_include_pad: bool = field(flag, default=True)

    def attributes(self, *shapes: Shape) -> dict[str, Any]:
        asked, resolved = self._sides(shapes[0])
        counted = asked if self.count_include_pad else NO_PADDING
        return {"kernel_size": self.kernel_size, "stride": self.stride, "padding": resolved, "counted": counted}


@op("pool")
class AdaptiveAvgPool2d(Op):
    """Take the mean of `output_size` windows; window i of o over n pixels is [floor(i*n/o), ceil((i+1)*n/o))."""

    output_size: Written = field(pair(1, 2**16))  # the normal form lists every window

    def output_shape(self, *shapes: Shape) -> Shape:
        channels, *_ = need_image(shapes[0])
        return (channels, *self.output_size)

    def attributes(self, *shapes: Shape) -> dict[str, Any]:
        _, height, width = need_image(shapes[0])

        def spans(n: int, o: int) -> tuple[Pair, ...]:
            return tuple((i * n // o, -(-(i + 1) * n // o)) for i in range(o))

        return {"rows": spans(height, self.output_size[0]), "cols": spans(width, self.output_size[1])}


def window_counts(size: Pair, kernel_size: Pair, stride: Pair, padding: Sides, counted: Sides) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return how many rows and columns of each window count for average pooling; a window's divisor is their product.

    What counts is the input of `size` extended by `counted`, of which the padding may reach beyond.
    """

    def one(n: int, k: int, s: int, p: Pair, c: Pair) -> tuple[int, ...]:
        starts = range(-p[0], n + p[1] - k + 1, s)
        return tuple(min(start + k, n + c[1]) - max(start, -c[0]) for start in starts)

    return (
        one(size[0], kernel_size[0], stride[0], padding[0], counted[0]),
        one(size[1], kernel_size[1], stride[1], padding[1], counted[1]),
    )

"""Gradients of convolution as matrix products with columns, tile by tile.

The backward pass of MXNet's Convolution takes two to three times as long: a forward pass comes with it, and it computes the gradients of
both operands. The forward pass itself, with columns, is no faster than Convolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from unicnn.ops.fields import Pair, Sides
from unicnn_mxnet.compat import mx
from unicnn_mxnet.exactly import empty, of, piece, shared

Tensor = mx.nd.NDArray

_TILE = 1 << 19
"""The values in the columns of one tile: 4 MB of float64, which stay in the cache between being copied and being multiplied."""
_REPEATED = 1 << 15
"""The size up to which a matrix is repeated for every image of a tile, rather than the columns put in another order."""


def input_gradient(dy: Tensor, weight: Tensor, *, input_size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Tensor:
    """Return the gradient of the first operand."""
    window = _window(weight.shape[2:], stride, padding, dilation)
    matrix = mx.nd.transpose(weight.reshape((len(weight), -1)))
    x = empty(dy, (len(dy), weight.shape[1], *input_size))
    repeated: Tensor | None = None
    for tile, columns in _tiles(dy, len(matrix), dy.shape[2] * dy.shape[3]):
        part = _part(dy, tile)
        flat = part.reshape((*part.shape[:2], -1))
        if len(columns) == 1 or matrix.size > _REPEATED:
            _multiply(matrix, flat, columns)
        else:
            if repeated is None:  # no later tile has more images
                repeated = mx.nd.broadcast_to(matrix.reshape((1, *matrix.shape)), (len(columns), *matrix.shape))
            mx.nd.linalg_gemm2(repeated[: len(columns)], flat, out=columns)
        mx.nd.col2im(columns, output_size=input_size, **window, out=x[tile])
    return x


def weight_gradient(dy: Tensor, x: Tensor, *, kernel_size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Tensor:
    """Return the gradient of the second operand."""
    window = _window(kernel_size, stride, padding, dilation)
    outputs, inputs = dy.shape[1], x.shape[1] * kernel_size[0] * kernel_size[1]
    total = mx.nd.zeros((outputs, inputs), dy.context, dy.dtype)
    parts: Tensor | None = None
    for tile, columns in _tiles(x, inputs, dy.shape[2] * dy.shape[3]):
        mx.nd.im2col(_part(x, tile), **window, out=columns)
        part = _part(dy, tile)
        if parts is None:  # no later tile has more images
            parts = empty(x, (len(columns) if total.size <= _REPEATED else 1, outputs, inputs))
        _add_products(part.reshape((*part.shape[:2], -1)), columns, parts[: len(columns)], total)
    return total.reshape((outputs, x.shape[1], *kernel_size))


def _part(x: Tensor, tile: slice) -> Tensor:
    """Return some samples."""
    return of(piece(x, (tile,))) if shared(x) else x[tile]


def _window(kernel: Pair, stride: Pair, padding: Sides, dilation: Pair) -> dict[str, Any]:
    return {"kernel": tuple(kernel), "stride": stride, "dilate": dilation, "pad": (padding[0][0], padding[1][0])}


def _tiles(x: Tensor, rows: int, width: int) -> Iterator[tuple[slice, Tensor]]:
    """Yield which samples belong to a tile, and memory for their columns (images, rows, width), the same each time."""
    step = min(max(1, _TILE // (rows * width)), len(x))
    columns = empty(x, (step, rows, width))
    for start in range(0, len(x), step):
        tile = slice(start, min(start + step, len(x)))
        yield tile, columns[: tile.stop - start]


def _multiply(matrix: Tensor, columns: Tensor, out: Tensor) -> None:
    """Write the product of a matrix with the columns of each image (images, rows, width)."""
    images, rows, width = columns.shape
    if images == 1:
        mx.nd.dot(matrix, columns.reshape((rows, width)), out=out.reshape((-1, width)))
    else:
        product = mx.nd.dot(matrix, _together(columns)).reshape((-1, images, width))
        mx.nd.transpose(product, axes=(1, 0, 2), out=out)


def _add_products(left: Tensor, right: Tensor, parts: Tensor, total: Tensor) -> None:
    """Add the products of two values of each image (images, rows, width), over the width; `parts` is memory for them, if they are small."""
    if len(left) > 1 and total.size <= _REPEATED:
        mx.nd.linalg_gemm2(left, right, transpose_b=True, out=parts)
        ones = mx.nd.ones((1, len(parts)), total.context, total.dtype)
        mx.nd.linalg_gemm(ones, parts.reshape((len(parts), -1)), total.reshape((1, -1)), beta=1.0, out=total.reshape((1, -1)))
    else:
        mx.nd.linalg_gemm(_together(left), _together(right), total, transpose_b=True, beta=1.0, out=total)


def _together(values: Tensor) -> Tensor:
    """Return what belongs to each image (images, rows, width) side by side (rows, images * width)."""
    _, rows, width = values.shape
    return values.reshape((rows, width)) if len(values) == 1 else mx.nd.transpose(values, axes=(1, 0, 2)).reshape((rows, -1))

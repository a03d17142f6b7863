"""Pooling with MXNet.

Its Pooling ignores NaN, makes -3.4e38 of a window of -inf, and takes five times as long as what stands here, unless oneDNN has its kernels
for AVX-512, which take a third: windows as strided slices, joined first along the rows and then along the columns.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from itertools import product

from unicnn.ops.fields import NO_PADDING, Pair, Sides
from unicnn_mxnet.affine import parts
from unicnn_mxnet.compat import mx
from unicnn_mxnet.exactly import lent, shared
from unicnn_mxnet.padding import left_to_operator
from unicnn_mxnet.passes import first_maxima
from unicnn_mxnet.processor import AVX512
from unicnn_mxnet.shape import pad
from unicnn_mxnet.symbols import Tensor, namespace, pulled_back, shape


def max_pool2d(x: Tensor, *, kernel_size: Pair, stride: Pair, padding: Sides) -> Tensor:
    if AVX512:
        x, left = left_to_operator(x, padding, -math.inf)
        return namespace(x).Pooling(x, pool_type="max", kernel=kernel_size, stride=stride, pad=left)
    if isinstance(x, mx.nd.NDArray) and not mx.autograd.is_recording():
        pooled = [_largest(x[part], kernel_size, stride, padding) for part in parts(x)]
        return pooled[0] if len(pooled) == 1 else mx.nd.concat(*pooled, dim=0)
    return _largest(x, kernel_size, stride, padding)


def _largest(x: Tensor, kernel_size: Pair, stride: Pair, padding: Sides) -> Tensor:
    # Of two equal values broadcast_maximum gives the gradient to its left operand: to the first, in rows and then between rows.
    return _join(namespace(x).broadcast_maximum, _padded(x, padding, -math.inf), kernel_size, stride)


def avg_pool2d(x: Tensor, *, kernel_size: Pair, stride: Pair, padding: Sides, counted: Sides) -> Tensor:
    op = namespace(x)
    sums = _join(op.elemwise_add, _padded(x, padding, 0.0), kernel_size, stride)
    if padding == counted:
        return sums / math.prod(kernel_size)
    # Divisors differ at the border: pool one channel of ones of the first sample, which has the dtype of x. Not by `slice`, in which
    # oneDNN divides by zero, and ends the process, where a convolution has left channels in blocks.
    rest = tuple((p[0] - c[0], p[1] - c[1]) for p, c in zip(padding, counted, strict=True))
    first = op.slice_axis(op.slice_axis(x, axis=0, begin=0, end=1), axis=1, begin=0, end=1)
    ones = _padded(op.ones_like(first), counted, 1.0)
    return op.broadcast_div(sums, _join(op.elemwise_add, _padded(ones, rest, 0.0), kernel_size, stride))


def adaptive_avg_pool2d(x: Tensor, *, rows: tuple[Pair, ...], cols: tuple[Pair, ...]) -> Tensor:
    op = namespace(x)
    if len(rows) == len(cols) == 1:
        return op.mean(x, axis=(2, 3), keepdims=True)
    return op.contrib.AdaptiveAvgPooling2D(x, output_size=(len(rows), len(cols)))


def _padded(x: Tensor, padding: Sides, value: float) -> Tensor:
    return x if padding == NO_PADDING else pad(x, padding=padding, value=value)


def _join(join: Callable[[Tensor, Tensor], Tensor], x: Tensor, kernel_size: Pair, stride: Pair) -> Tensor:
    """Return the windows of `x`, each joined to one value."""
    for axis in (3, 2):
        x = functools.reduce(join, _shifts(x, axis, kernel_size[axis - 2], stride[axis - 2]))
    return x


def _shifts(x: Tensor, axis: int, k: int, s: int) -> list[Tensor]:
    """Return for each of the k places in a window along `axis` the values that stand there, of all windows."""
    count = (shape(x)[axis] - k) // s + 1
    before = (None,) * axis
    return [
        namespace(x).slice(x, begin=(*before, place), end=(*before, place + (count - 1) * s + 1), step=(*before, s)) for place in range(k)
    ]


def max_pool2d_gradient(dy: Tensor, x: Tensor, y: Tensor, *, kernel_size: Pair, stride: Pair, padding: Sides) -> Tensor:
    if kernel_size != stride or padding != NO_PADDING:
        return pulled_back(lambda x: max_pool2d(x, kernel_size=kernel_size, stride=stride, padding=padding), x.detach(), dy)
    if shared(x):
        return first_maxima(lent(dy), lent(x), lent(y), kernel_size)
    covered = all(n % k == 0 for n, k in zip(x.shape[2:], kernel_size, strict=True))
    dx = (mx.nd.empty if covered else mx.nd.zeros)(x.shape, x.context, x.dtype)
    for part in parts(x):
        _give_to_first(dx[part], dy[part], x[part], y[part], kernel_size)
    return dx


def _give_to_first(dx: Tensor, dy: Tensor, x: Tensor, y: Tensor, kernel_size: Pair) -> None:
    """Write each window's gradient to its first maximum, where windows do not overlap: place by place, while nothing has taken it."""
    for i, j in product(*map(range, kernel_size)):
        places = {
            "begin": (None, None, i, j),
            "end": (None, None, *(p + (n - 1) * k + 1 for p, n, k in zip((i, j), y.shape[2:], kernel_size, strict=True))),
            "step": (1, 1, *kernel_size),
        }
        # A product takes a tenth of the time of `where`, which has a branch for each value and guesses wrong every other time.
        taken = mx.nd._internal._equal(mx.nd.slice(x, **places), y) * dy
        mx.nd._internal._slice_assign(dx, taken, **places, out=dx)
        dy = dy - taken
    mx.nd._internal._plus_scalar(dx, scalar=0.0, out=dx)  # makes 0 of -0

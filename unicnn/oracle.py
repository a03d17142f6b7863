"""The oracle: what every op means, in float64, by the plainest code there is. Slow on purpose, and independent of every backend.

Each function has the name and the signature of the op's lowering and takes float64 arrays in canonical layout.
The gradients of contractions and pooling stand beside them; those of the rest follow from `derivatives`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from unicnn.derivatives import spread
from unicnn.ops.fields import Pair, Sides

Array: TypeAlias = np.ndarray[Any, Any]


# Convolution: one kernel tap after the other


def _taps(weight: Array, stride: Pair, dilation: Pair, size: Pair, groups: int) -> Iterator[tuple[Any, Any, Array]]:
    """Yield, for each group and tap, the channels in, the pixels under the tap, the channels out and the matrix (out, in)."""
    out, inner = weight.shape[0] // groups, weight.shape[1]
    for g in range(groups):
        outputs, inputs = slice(g * out, (g + 1) * out), slice(g * inner, (g + 1) * inner)
        for a in range(weight.shape[2]):
            for b in range(weight.shape[3]):
                top, left = a * dilation[0], b * dilation[1]
                rows = slice(top, top + (size[0] - 1) * stride[0] + 1, stride[0])
                cols = slice(left, left + (size[1] - 1) * stride[1] + 1, stride[1])
                yield (slice(None), inputs, rows, cols), (slice(None), outputs), (outputs, slice(None), a, b)  # type: ignore[misc]


def _bordered(x: Array, padding: Sides, value: float = 0.0) -> Array:
    return np.pad(x, ((0, 0), (0, 0), *padding), constant_values=value)


def conv2d(x: Array, weight: Array, bias: Array | None, *, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> Array:
    """Return the cross-correlation plus bias."""
    padded = _bordered(x, padding)
    size = _windows(padded.shape[2:], weight.shape[2:], stride, dilation)
    y = np.zeros((x.shape[0], weight.shape[0], *size))
    for pixels, outputs, tap in _taps(weight, stride, dilation, size, groups):
        y[outputs] += np.moveaxis(np.tensordot(padded[pixels], weight[tap], (1, 1)), 3, 1)  # (n, h, w, o) to (n, o, h, w)
    return y if bias is None else y + bias[:, None, None]


def _windows(size: tuple[int, ...], kernel: tuple[int, ...], stride: Pair, dilation: Pair = (1, 1)) -> Pair:
    rows, cols = ((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(size, kernel, stride, dilation, strict=True))
    return rows, cols


def conv2d_input_gradient(
    dy: Array, weight: Array, *, input_size: Pair, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Array:
    """Return the adjoint of conv2d in its input: every output adds its multiple of the kernel."""
    (top, bottom), (left, right) = padding
    padded = np.zeros((dy.shape[0], weight.shape[1] * groups, input_size[0] + top + bottom, input_size[1] + left + right))
    for pixels, outputs, tap in _taps(weight, stride, dilation, (dy.shape[2], dy.shape[3]), groups):
        padded[pixels] += np.einsum("nohw,oc->nchw", dy[outputs], weight[tap], optimize=True)
    return padded[:, :, top : top + input_size[0], left : left + input_size[1]]


def conv2d_weight_gradient(dy: Array, x: Array, *, kernel_size: Pair, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> Array:
    """Return the adjoint of conv2d in its weight."""
    padded = _bordered(x, padding)
    dw = np.zeros((dy.shape[1], x.shape[1] // groups, *kernel_size))
    for pixels, outputs, tap in _taps(dw, stride, dilation, (dy.shape[2], dy.shape[3]), groups):
        dw[tap] += np.einsum("nohw,nchw->oc", dy[outputs], padded[pixels], optimize=True)
    return dw


def conv_transpose2d(x: Array, weight: Array, bias: Array | None, *, stride: Pair, crop: Sides, dilation: Pair, groups: int) -> Array:
    """Return the full adjoint, cropped; a negative crop after adds rows that hold the bias."""
    full = tuple((n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(x.shape[2:], stride, dilation, weight.shape[2:], strict=True))
    none = ((0, 0), (0, 0))
    y = conv2d_input_gradient(x, weight, input_size=full, stride=stride, padding=none, dilation=dilation, groups=groups)  # type: ignore[arg-type]
    (top, bottom), (left, right) = crop
    y = _bordered(y, ((0, max(-bottom, 0)), (0, max(-right, 0))))
    y = y[:, :, top : y.shape[2] - max(bottom, 0), left : y.shape[3] - max(right, 0)]
    return y if bias is None else y + bias[:, None, None]


# Pooling: one window after the other


def _each(padded: Array, kernel_size: Pair, stride: Pair) -> Iterator[tuple[Any, Any]]:
    """Yield the place of each window's result, and the pixels of the window."""
    rows, cols = _windows(padded.shape[2:], kernel_size, stride)
    for i in range(rows):
        for j in range(cols):
            top, left = i * stride[0], j * stride[1]
            yield (..., i, j), (..., slice(top, top + kernel_size[0]), slice(left, left + kernel_size[1]))


def max_pool2d(x: Array, *, kernel_size: Pair, stride: Pair, padding: Sides) -> Array:
    """Return the largest value of each window."""
    padded = _bordered(x, padding, -math.inf)
    y = np.zeros((*x.shape[:2], *_windows(padded.shape[2:], kernel_size, stride)))
    for place, window in _each(padded, kernel_size, stride):
        y[place] = padded[window].max(axis=(2, 3))
    return y


def max_pool2d_gradient(dy: Array, x: Array, y: Array, *, kernel_size: Pair, stride: Pair, padding: Sides) -> Array:
    """Return dy at the first maximum, in row-major order, of each window; of a NaN, at the first NaN."""
    padded = _bordered(x, padding, -math.inf)
    dx = np.zeros_like(padded)
    for place, window in _each(padded, kernel_size, stride):
        flat = padded[window].reshape(*x.shape[:2], math.prod(kernel_size))
        hit = np.arange(flat.shape[2]) == flat.argmax(axis=2)[..., None]
        dx[window] += np.where(hit, dy[place][..., None], 0.0).reshape(padded[window].shape)
    return dx[:, :, padding[0][0] : padding[0][0] + x.shape[2], padding[1][0] : padding[1][0] + x.shape[3]]


def _counting(size: Pair, padding: Sides, counted: Sides) -> Array:
    """Return 1 at the pixels of a padded image that count for the mean, and 0 elsewhere."""
    border = tuple((p[0] - c[0], p[1] - c[1]) for p, c in zip(padding, counted, strict=True))
    inside = np.ones((1, 1, size[0] + sum(counted[0]), size[1] + sum(counted[1])))
    return np.pad(inside, ((0, 0), (0, 0), *border))


def avg_pool2d(x: Array, *, kernel_size: Pair, stride: Pair, padding: Sides, counted: Sides) -> Array:
    """Return the sum of each window of the zero-padded image divided by the number of its pixels that count."""
    padded, counts = _bordered(x, padding), _counting(x.shape[2:], padding, counted)  # type: ignore[arg-type]
    y = np.zeros((*x.shape[:2], *_windows(padded.shape[2:], kernel_size, stride)))
    for place, window in _each(padded, kernel_size, stride):
        y[place] = padded[window].sum(axis=(2, 3)) / counts[window].sum()
    return y


def avg_pool2d_gradient(dy: Array, *, input_size: Pair, kernel_size: Pair, stride: Pair, padding: Sides, counted: Sides) -> Array:
    """Return dy spread evenly over what each window counted."""
    counts = _counting(input_size, padding, counted)
    dx = np.zeros((*dy.shape[:2], *counts.shape[2:]))
    for place, window in _each(counts, kernel_size, stride):
        dx[window] += (dy[place] / counts[window].sum())[..., None, None]
    return dx[:, :, padding[0][0] : padding[0][0] + input_size[0], padding[1][0] : padding[1][0] + input_size[1]]


def adaptive_avg_pool2d(x: Array, *, rows: tuple[Pair, ...], cols: tuple[Pair, ...]) -> Array:
    """Return the mean of each window, given by its first and its last row and column."""
    y = np.zeros((*x.shape[:2], len(rows), len(cols)))
    for i, (top, bottom) in enumerate(rows):
        for j, (left, right) in enumerate(cols):
            y[..., i, j] = x[..., top:bottom, left:right].mean(axis=(2, 3))
    return y


def adaptive_avg_pool2d_gradient(dy: Array, *, input_size: Pair, rows: tuple[Pair, ...], cols: tuple[Pair, ...]) -> Array:
    """Return dy spread evenly over each window."""
    dx = np.zeros((*dy.shape[:2], *input_size))
    for i, (top, bottom) in enumerate(rows):
        for j, (left, right) in enumerate(cols):
            dx[..., top:bottom, left:right] += dy[..., i, j, None, None] / ((bottom - top) * (right - left))
    return dx


# The fully connected layer


def linear(x: Array, weight: Array, bias: Array | None) -> Array:
    """Return x weight^T + bias."""
    y = np.einsum("ni,oi->no", x, weight, optimize=True)
    return y if bias is None else y + bias


def linear_input_gradient(dy: Array, weight: Array) -> Array:
    """Return dy weight."""
    return np.einsum("no,oi->ni", dy, weight, optimize=True)  # type: ignore[no-any-return]


def linear_weight_gradient(dy: Array, x: Array) -> Array:
    """Return dy^T x."""
    return np.einsum("no,ni->oi", dy, x, optimize=True)  # type: ignore[no-any-return]


# Normalisation


def batch_norm2d(
    x: Array, scale: Array | None, shift: Array | None, mean: Array, var: Array,
    *, eps: float, keep: float, unbiased: bool, training: bool,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Return the normalised channels, and the running mean and variance after it."""
    new_mean, new_var = mean, var
    if training:
        count = x.size // x.shape[1]
        mean, var = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
        stored = var * count / (count - 1) if unbiased else var
        new_mean, new_var = keep * new_mean + (1 - keep) * mean, keep * new_var + (1 - keep) * stored
    y = (x - mean[:, None, None]) / np.sqrt(var + eps)[:, None, None]
    y = y if scale is None else y * scale[:, None, None]
    return y if shift is None else y + shift[:, None, None], new_mean, new_var


def layer_norm(x: Array, scale: Array | None, shift: Array | None, *, axes: tuple[int, ...], eps: float) -> Array:
    """Return each sample normalised over `axes`."""
    y = (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(x.var(axis=axes, keepdims=True) + eps)
    y = y if scale is None else y * spread(scale, axes, x.ndim)
    return y if shift is None else y + spread(shift, axes, x.ndim)  # type: ignore[no-any-return]


def dropout(x: Array, mask: Array) -> Array:
    """Return x times the mask."""
    return x * mask


# Activations


def relu(x: Array) -> Array:
    """Return max(x, 0)."""
    return np.maximum(x, 0)


def relu6(x: Array) -> Array:
    """Return max(x, 0) up to 6."""
    return np.minimum(np.maximum(x, 0), 6)


def leaky_relu(x: Array, *, negative_slope: float) -> Array:
    """Return x, or its multiple where it is not positive."""
    return np.where(x > 0, x, negative_slope * x)


def elu(x: Array, *, alpha: float) -> Array:
    """Return x, or alpha (e^x - 1) where it is not positive."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + e^-x)."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))  # type: ignore[no-any-return]


def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent."""
    return np.tanh(x)


def silu(x: Array) -> Array:
    """Return x / (1 + e^-x)."""
    return x * sigmoid(x)


def gelu(x: Array, *, approximate: str) -> Array:
    """Return x Phi(x), Phi by math.erfc, or the tanh formula."""
    if approximate == "none":
        return x * np.vectorize(lambda v: 0.5 * math.erfc(-v * math.sqrt(0.5)), otypes=[np.float64])(x)
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def hardswish(x: Array) -> Array:
    """Return x times a line from 0 at -3 to 1 at 3."""
    return x * np.minimum(np.maximum(x + 3, 0), 6) / 6


def hardsigmoid(x: Array, *, slope: float, offset: float) -> Array:
    """Return a line kept within 0 and 1."""
    return np.minimum(np.maximum(slope * x + offset, 0), 1)


def softmax(x: Array, *, axis: int) -> Array:
    """Return e^x over its sum."""
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)  # type: ignore[no-any-return]


def log_softmax(x: Array, *, axis: int) -> Array:
    """Return x minus the logarithm of the sum of e^x."""
    z = x - x.max(axis=axis, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=axis, keepdims=True))  # type: ignore[no-any-return]


# Moving and joining values


def identity(x: Array) -> Array:
    """Return the input."""
    return x


def flatten(x: Array) -> Array:
    """Return each sample as a vector."""
    return x.reshape(x.shape[0], -1)


def reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    """Return each sample in another shape."""
    return x.reshape(x.shape[0], *shape)


def transpose(x: Array, *, axes: tuple[int, ...]) -> Array:
    """Return the axes in another order."""
    return x.transpose(axes)


def pad(x: Array, *, padding: Sides, value: float) -> Array:
    """Return images with a border."""
    return _bordered(x, padding, value)


def add(*inputs: Array) -> Array:
    """Return the sum."""
    total = inputs[0]
    for value in inputs[1:]:
        total = total + value
    return total


def mul(*inputs: Array) -> Array:
    """Return the product."""
    product = inputs[0]
    for value in inputs[1:]:
        product = product * value
    return product


def concat(*inputs: Array, axis: int) -> Array:
    """Return the values joined."""
    return np.concatenate(inputs, axis)


# Losses


def cross_entropy(x: Array, labels: Array, *, reduction: str) -> Array:
    """Return minus the logarithm of the softmax at the labels, averaged or summed."""
    losses = np.array([-row[label] for row, label in zip(log_softmax(x, axis=1), labels, strict=True)])
    return losses.mean() if reduction == "mean" else losses.sum()  # type: ignore[no-any-return]


def squared_error(x: Array, target: Array, *, scale: float, reduction: str) -> Array:
    """Return the scaled squared difference, averaged or summed."""
    squares = scale * (x - target) ** 2
    return squares.mean() if reduction == "mean" else squares.sum()  # type: ignore[no-any-return]

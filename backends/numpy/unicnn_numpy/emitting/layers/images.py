"""Windows of images, and borders around them."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def padded(x, padding, value=0.0):
    """Return `x` with a border of ((top, bottom), (left, right)) pixels."""
    return np.pad(x, ((0, 0), (0, 0), *padding), constant_values=value)


def cropped(x, padding):
    """Return `x` without its border."""
    (top, bottom), (left, right) = padding
    return x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]


def windows_of(x, size, stride, dilation=(1, 1)):
    """Return every window of `x` as a view of shape (N, C, rows, columns, *size)."""
    reach = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    view = sliding_window_view(x, reach, axis=(2, 3))
    view = view[:, :, :: stride[0], :: stride[1]]
    return view[..., :: dilation[0], :: dilation[1]]


def window_slices(i, j, shape, stride, dilation=(1, 1)):
    """Return where the pixels (i, j) of all windows lie; `shape` counts the windows."""
    top, left = i * dilation[0], j * dilation[1]
    rows = slice(top, top + stride[0] * (shape[0] - 1) + 1, stride[0])
    columns = slice(left, left + stride[1] * (shape[1] - 1) + 1, stride[1])
    return np.s_[:, :, rows, columns]

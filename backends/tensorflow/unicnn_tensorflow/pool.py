"""Pooling with TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from unicnn.ops.conv import same_upper
from unicnn.ops.fields import NO_PADDING, Pair, Sides
from unicnn.ops.pool import window_counts
from unicnn_tensorflow.layout import Tensor, engine_padding, pulled_back

Spans = Sequence[Pair]


def max_pool2d(x: Tensor, *, kernel_size: Pair, stride: Pair, padding: Sides) -> Tensor:
    return tf.nn.max_pool2d(x, kernel_size, stride, engine_padding(padding))


def avg_pool2d(x: Tensor, *, kernel_size: Pair, stride: Pair, padding: Sides, counted: Sides) -> Tensor:
    size = (x.shape[1], x.shape[2])
    if counted == NO_PADDING and padding == same_upper(size, kernel_size, stride, (1, 1)):
        return tf.nn.avg_pool2d(x, kernel_size, stride, "SAME")
    if padding != NO_PADDING:
        x = tf.pad(x, ((0, 0), *padding, (0, 0)))
    rows, cols = window_counts(size, kernel_size, stride, padding, counted)
    if set(rows) == {kernel_size[0]} and set(cols) == {kernel_size[1]}:
        return tf.nn.avg_pool2d(x, kernel_size, stride, "VALID")
    row_spans, col_spans = (
        [(i * s, i * s + k) for i in range(len(counts))] for counts, s, k in zip((rows, cols), stride, kernel_size, strict=True)
    )
    return _divided(_sums(x, row_spans, col_spans), rows, cols)


def adaptive_avg_pool2d(x: Tensor, *, rows: tuple[Pair, ...], cols: tuple[Pair, ...]) -> Tensor:
    if len(rows) == len(cols) == 1:
        return tf.reduce_mean(x, (1, 2), keepdims=True)
    heights, widths = ([stop - start for start, stop in spans] for spans in (rows, cols))
    if _tile(rows) and _tile(cols):
        return tf.nn.avg_pool2d(x, (heights[0], widths[0]), (heights[0], widths[0]), "VALID")
    return _divided(_sums(x, rows, cols), heights, widths)


def _tile(spans: Spans) -> bool:
    """Tell whether spans of one length follow each other without gap or overlap."""
    return all(span == (i * spans[0][1], (i + 1) * spans[0][1]) for i, span in enumerate(spans))


def _sums(x: Tensor, rows: Spans, cols: Spans) -> Tensor:
    """Return the sum of `x` over every pair of a span of rows and one of columns."""
    tall = tf.stack([tf.reduce_sum(x[:, :, start:stop], 2) for start, stop in cols], 2)
    return tf.stack([tf.reduce_sum(tall[:, start:stop], 1) for start, stop in rows], 1)


def _divided(sums: Tensor, rows: Sequence[int], cols: Sequence[int]) -> Tensor:
    """Return sums of windows, divided by how many rows times columns each has."""
    counts = tf.constant([[[row * col] for col in cols] for row in rows], sums.dtype)
    return tf.math.divide_no_nan(sums, counts)  # x / constant would be optimized to a product with a rounded reciprocal


def max_pool2d_gradient(dy: Tensor, x: Tensor, y: Tensor, *, kernel_size: Pair, stride: Pair, padding: Sides) -> Tensor:
    return pulled_back(lambda x: max_pool2d(x, kernel_size=kernel_size, stride=stride, padding=padding), x, dy)

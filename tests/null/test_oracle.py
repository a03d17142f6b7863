"""The oracle against loops over single numbers, on integers, where every order of summation gives the same."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from unicnn import oracle


def whole(shape: Any, seed: int) -> Any:
    """Return whole numbers other than 0."""
    random = np.random.default_rng(seed)
    return random.integers(1, 5, shape) * random.choice([-1.0, 1.0], shape)


# The definitions, one number at a time


def pixel(x: Any, n: int, c: int, i: int, j: int, outside: float = 0.0) -> float:
    return x[n, c, i, j] if 0 <= i < x.shape[2] and 0 <= j < x.shape[3] else outside


def size(n: int, k: int, s: int, p: Any, d: int = 1) -> int:
    return (n + p[0] + p[1] - d * (k - 1) - 1) // s + 1


def conv2d(x: Any, weight: Any, bias: Any, *, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    out, inner, kh, kw = weight.shape
    rows = size(x.shape[2], kh, stride[0], padding[0], dilation[0])
    cols = size(x.shape[3], kw, stride[1], padding[1], dilation[1])
    y = np.zeros((len(x), out, rows, cols))
    for n, o, i, j in np.ndindex(*y.shape):
        first = o // (out // groups) * inner
        total = 0.0 if bias is None else bias[o]
        for c, a, b in np.ndindex(inner, kh, kw):
            row, col = i * stride[0] + a * dilation[0] - padding[0][0], j * stride[1] + b * dilation[1] - padding[1][0]
            total += pixel(x, n, first + c, row, col) * weight[o, c, a, b]
        y[n, o, i, j] = total
    return y


def conv_transpose2d(x: Any, weight: Any, bias: Any, *, stride: Any, crop: Any, dilation: Any, groups: int) -> Any:
    channels, inner, kh, kw = weight.shape
    rows = (x.shape[2] - 1) * stride[0] + dilation[0] * (kh - 1) + 1 - sum(crop[0])
    cols = (x.shape[3] - 1) * stride[1] + dilation[1] * (kw - 1) + 1 - sum(crop[1])
    y = np.zeros((len(x), inner * groups, rows, cols))
    for n, c, i, j, o, a, b in np.ndindex(*x.shape, inner, kh, kw):
        row, col = i * stride[0] + a * dilation[0] - crop[0][0], j * stride[1] + b * dilation[1] - crop[1][0]
        if 0 <= row < rows and 0 <= col < cols:
            y[n, c // (channels // groups) * inner + o, row, col] += x[n, c, i, j] * weight[c, o, a, b]
    return y if bias is None else y + bias[:, None, None]


def pooled(x: Any, choose: Any, *, kernel_size: Any, stride: Any, padding: Any) -> Any:
    rows = size(x.shape[2], kernel_size[0], stride[0], padding[0])
    cols = size(x.shape[3], kernel_size[1], stride[1], padding[1])
    y = np.zeros((*x.shape[:2], rows, cols))
    for n, c, i, j in np.ndindex(*y.shape):
        top, left = i * stride[0] - padding[0][0], j * stride[1] - padding[1][0]
        cells = [(top + a, left + b) for a, b in np.ndindex(*kernel_size)]
        y[n, c, i, j] = choose(x, n, c, cells)
    return y


def max_pool2d(x: Any, **attributes: Any) -> Any:
    return pooled(x, lambda x, n, c, cells: max(pixel(x, n, c, i, j, -math.inf) for i, j in cells), **attributes)


def avg_pool2d(x: Any, *, counted: Any, **attributes: Any) -> Any:
    def mean(x: Any, n: int, c: int, cells: Any) -> float:
        (top, bottom), (left, right) = counted
        count = sum(1 for i, j in cells if -top <= i < x.shape[2] + bottom and -left <= j < x.shape[3] + right)
        return sum(pixel(x, n, c, i, j) for i, j in cells) / count

    return pooled(x, mean, **attributes)


def linear(x: Any, weight: Any, bias: Any) -> Any:
    y = np.zeros((len(x), len(weight)))
    for n, o in np.ndindex(*y.shape):
        y[n, o] = sum(x[n, i] * weight[o, i] for i in range(x.shape[1])) + (0 if bias is None else bias[o])
    return y


def dot(a: Any, b: Any) -> float:
    assert a.shape == b.shape
    return float((a * b).sum())


def equal(a: Any, b: Any) -> bool:
    return a.shape == b.shape and bool((a == b).all())


NONE = ((0, 0), (0, 0))
CONVS = [
    pytest.param((2, 2, 5, 6), (3, 2, 3, 3), {}, id="plain"),
    pytest.param((1, 1, 1, 1), (1, 1, 1, 1), {}, id="one-pixel"),
    pytest.param((1, 2, 5, 6), (3, 2, 1, 4), {}, id="one-row-of-taps"),
    pytest.param((1, 2, 7, 8), (3, 2, 3, 2), {"stride": (2, 3)}, id="stride-2x3"),
    pytest.param((1, 1, 7, 8), (2, 1, 2, 2), {"stride": (3, 4)}, id="a-stride-above-the-kernel"),
    pytest.param((1, 2, 4, 5), (2, 2, 3, 3), {"padding": ((0, 1), (2, 1))}, id="sides-that-differ"),
    pytest.param((1, 2, 4, 5), (2, 2, 3, 3), {"padding": ((3, 0), (0, 3)), "stride": (2, 2)}, id="whole-windows-of-padding"),
    pytest.param((1, 1, 8, 9), (2, 1, 3, 2), {"dilation": (2, 3)}, id="dilation-2x3"),
    pytest.param((2, 4, 5, 5), (6, 2, 3, 3), {"groups": 2}, id="two-groups"),
    pytest.param((1, 3, 5, 5), (6, 1, 3, 3), {"groups": 3, "padding": ((1, 1), (1, 1))}, id="depthwise-with-two-outputs-a-channel"),
    pytest.param(
        (1, 4, 9, 8), (4, 2, 3, 2), {"stride": (2, 1), "padding": ((1, 0), (0, 2)), "dilation": (2, 3), "groups": 2}, id="all-at-once"
    ),
    pytest.param((0, 2, 5, 6), (3, 2, 3, 3), {}, id="no-samples"),
]


def filled(attributes: Any) -> Any:
    return {"stride": (1, 1), "padding": NONE, "dilation": (1, 1), "groups": 1} | attributes


@pytest.mark.parametrize("bias", [True, False], ids=["with-bias", "without-bias"])
@pytest.mark.parametrize(("shape", "kernel", "attributes"), CONVS)
def test_a_convolution_is_its_definition(shape: Any, kernel: Any, attributes: Any, bias: bool) -> None:
    x, weight, shift = whole(shape, 0), whole(kernel, 1), whole(kernel[:1], 2) if bias else None
    found = oracle.conv2d(x, weight, shift, **filled(attributes))
    assert equal(found, conv2d(x, weight, shift, **filled(attributes)))
    assert not found.size or not equal(found, conv2d(x, -weight, shift, **filled(attributes)))


@pytest.mark.parametrize("bias", [True, False], ids=["with-bias", "without-bias"])
@pytest.mark.parametrize(
    ("shape", "kernel", "attributes"),
    [
        pytest.param((2, 2, 3, 4), (2, 3, 3, 3), {}, id="plain"),
        pytest.param((1, 2, 3, 4), (2, 3, 3, 2), {"stride": (2, 3)}, id="stride-2x3"),
        pytest.param((1, 1, 3, 3), (1, 2, 2, 2), {"stride": (3, 3)}, id="a-stride-above-the-kernel"),
        pytest.param((1, 2, 4, 5), (2, 2, 3, 3), {"crop": ((0, 1), (2, 1))}, id="a-crop-that-differs-by-side"),
        pytest.param((1, 2, 4, 5), (2, 2, 3, 3), {"stride": (2, 2), "crop": ((1, 0), (1, -1))}, id="a-column-that-no-input-reaches"),
        pytest.param((1, 1, 3, 4), (1, 2, 3, 2), {"dilation": (2, 3)}, id="dilation-2x3"),
        pytest.param((1, 4, 3, 3), (4, 3, 3, 3), {"groups": 2}, id="two-groups"),
        pytest.param(
            (1, 4, 3, 3), (4, 3, 3, 2), {"stride": (2, 3), "crop": ((1, -1), (0, 2)), "dilation": (2, 1), "groups": 2}, id="all-at-once"
        ),
        pytest.param((0, 2, 3, 4), (2, 3, 3, 3), {}, id="no-samples"),
    ],
)
def test_a_transposed_convolution_is_its_definition(shape: Any, kernel: Any, attributes: Any, bias: bool) -> None:
    attributes = {"stride": (1, 1), "crop": NONE, "dilation": (1, 1), "groups": 1} | attributes
    x, weight = whole(shape, 0), whole(kernel, 1)
    shift = whole(kernel[1] * attributes["groups"], 2) if bias else None
    found = oracle.conv_transpose2d(x, weight, shift, **attributes)
    assert equal(found, conv_transpose2d(x, weight, shift, **attributes))
    assert not found.size or not equal(found, conv_transpose2d(x, -weight, shift, **attributes))


@pytest.mark.parametrize(("shape", "kernel", "attributes"), CONVS)
class TestAdjoints:
    """<conv(x, w), y> is linear in x and in w, so its gradients are what makes three products equal."""

    def test_of_a_convolution_in_its_input(self, shape: Any, kernel: Any, attributes: Any) -> None:
        x, weight, options = whole(shape, 0), whole(kernel, 1), filled(attributes)
        y = oracle.conv2d(x, weight, None, **options)
        dy = whole(y.shape, 3)
        dx = oracle.conv2d_input_gradient(dy, weight, input_size=x.shape[2:], **options)
        assert dot(y, dy) == dot(x, dx)
        assert not x.size or dot(y, dy) != dot(x, dx + np.sign(x))

    def test_of_a_convolution_in_its_weight(self, shape: Any, kernel: Any, attributes: Any) -> None:
        x, weight, options = whole(shape, 0), whole(kernel, 1), filled(attributes)
        y = oracle.conv2d(x, weight, None, **options)
        dy = whole(y.shape, 3)
        dw = oracle.conv2d_weight_gradient(dy, x, kernel_size=weight.shape[2:], **options)
        assert dot(y, dy) == dot(weight, dw)
        assert dot(y, dy) != dot(weight, dw + np.sign(weight))

    def test_of_a_convolution_is_the_transposed_one_where_it_covers_its_input(self, shape: Any, kernel: Any, attributes: Any) -> None:
        weight, options = whole(kernel, 1), filled(attributes)
        dy = whole(oracle.conv2d(whole(shape, 0), weight, None, **options).shape, 3)
        crop = options.pop("padding")
        transposed = oracle.conv_transpose2d(dy, weight, None, crop=crop, **options)
        x = whole((*shape[:2], *transposed.shape[2:]), 4)
        y = oracle.conv2d(x, weight, None, padding=crop, **options)
        assert dot(y, dy) == dot(x, transposed)


POOLS = [
    pytest.param((2, 3, 4, 6), {"kernel_size": (2, 2), "stride": (2, 2)}, id="plain"),
    pytest.param((1, 2, 5, 6), {"kernel_size": (3, 2), "stride": (1, 1)}, id="overlapping-windows"),
    pytest.param((1, 2, 9, 8), {"kernel_size": (2, 2), "stride": (3, 4)}, id="a-stride-above-the-window"),
    pytest.param((1, 2, 5, 6), {"kernel_size": (3, 3), "stride": (2, 2), "padding": ((1, 0), (0, 2))}, id="sides-that-differ"),
    pytest.param((1, 1, 4, 4), {"kernel_size": (1, 3), "stride": (1, 2), "padding": ((0, 0), (1, 1))}, id="one-row"),
    pytest.param((0, 2, 4, 4), {"kernel_size": (2, 2), "stride": (2, 2)}, id="no-samples"),
]


@pytest.mark.parametrize(("shape", "attributes"), POOLS)
class TestPools:
    def test_the_maximum_is_its_definition(self, shape: Any, attributes: Any) -> None:
        x, attributes = whole(shape, 0), {"padding": NONE} | attributes
        found = oracle.max_pool2d(x, **attributes)
        assert equal(found, max_pool2d(x, **attributes))
        assert not found.size or not equal(found, -max_pool2d(-x, **attributes))

    @pytest.mark.parametrize("counts", [True, False], ids=["padding-counts", "padding-does-not-count"])
    def test_the_mean_is_its_definition(self, shape: Any, attributes: Any, counts: bool) -> None:
        x, attributes = whole(shape, 0), {"padding": NONE} | attributes
        counted = attributes["padding"] if counts else NONE
        found = oracle.avg_pool2d(x, counted=counted, **attributes)
        assert equal(found, avg_pool2d(x, counted=counted, **attributes))
        assert not found.size or not equal(found, avg_pool2d(-x, counted=counted, **attributes))

    def test_the_mean_s_gradient_is_its_adjoint(self, shape: Any, attributes: Any) -> None:
        x, attributes = 3600 * whole(shape, 0), {"padding": NONE} | attributes  # so that every mean is whole
        y = oracle.avg_pool2d(x, counted=NONE, **attributes)
        dy = 3600 * whole(y.shape, 1)
        dx = oracle.avg_pool2d_gradient(dy, input_size=x.shape[2:], counted=NONE, **attributes)
        assert dot(y, dy) == dot(x, dx)

    def test_the_maximum_s_gradient_goes_to_one_cell_of_each_window(self, shape: Any, attributes: Any) -> None:
        attributes = {"padding": NONE} | attributes
        x = np.random.default_rng(0).permutation(math.prod(shape)).reshape(shape).astype(np.float64)
        y = oracle.max_pool2d(x, **attributes)
        dy = whole(y.shape, 1)
        dx = oracle.max_pool2d_gradient(dy, x, y, **attributes)
        assert dot(x, dx) == dot(y, dy)
        assert dx.sum() == dy.sum()


def test_a_window_that_hangs_over_counts_what_the_padding_holds() -> None:
    x = np.ones((1, 1, 6, 6))
    attributes = {"kernel_size": (3, 3), "stride": (2, 2), "padding": ((1, 2), (1, 2))}  # ceil mode added one
    found = 36 * oracle.avg_pool2d(x, counted=((1, 1), (1, 1)), **attributes)
    counted = np.array([3, 3, 3, 2])
    inside = np.array([2, 3, 3, 1])
    assert equal(found[0, 0], 36 * np.outer(inside, inside) / np.outer(counted, counted))
    assert not equal(found[0, 0], 36 * np.outer(inside, inside) / 9)


@pytest.mark.parametrize(("n", "o"), [(5, 3), (7, 2), (3, 3), (2, 5), (6, 1)])
def test_an_adaptive_mean_is_its_definition(n: int, o: int) -> None:
    spans = tuple((math.floor(i * n / o), math.ceil((i + 1) * n / o)) for i in range(o))
    x = 720 * whole((2, 3, n, 4), 0)
    found = oracle.adaptive_avg_pool2d(x, rows=spans, cols=((0, 4),))
    expected = np.stack(
        [sum(x[:, :, i, j] for i, j in itertools.product(range(*span), range(4))) / (4 * (span[1] - span[0])) for span in spans], 2
    )
    assert equal(found, expected[..., None])
    assert not equal(found, -expected[..., None])
    dy = 720 * whole(found.shape, 1)  # so that every share is whole
    dx = oracle.adaptive_avg_pool2d_gradient(dy, input_size=(n, 4), rows=spans, cols=((0, 4),))
    assert dx.sum() == dy.sum()
    assert dot(x, dx) == dot(found, dy)


@pytest.mark.parametrize("bias", [True, False], ids=["with-bias", "without-bias"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 1, 1), (0, 4, 5)], ids=str)
def test_a_linear_layer_is_its_definition(shape: Any, bias: bool) -> None:
    n, inner, out = shape
    x, weight, shift = whole((n, inner), 0), whole((out, inner), 1), whole(out, 2) if bias else None
    found = oracle.linear(x, weight, shift)
    assert equal(found, linear(x, weight, shift))
    assert not found.size or not equal(found, linear(x + 1, weight, shift))
    dy = whole((n, out), 3)
    y = oracle.linear(x, weight, None)
    assert dot(y, dy) == dot(x, oracle.linear_input_gradient(dy, weight)) == dot(weight, oracle.linear_weight_gradient(dy, x))


GOLDEN = [
    pytest.param(np.arange(9.0).reshape(1, 1, 3, 3), np.arange(4.0).reshape(1, 1, 2, 2), NONE, [[[19, 25], [37, 43]]], id="one-channel"),
    pytest.param(np.arange(18.0).reshape(1, 2, 3, 3), np.arange(8.0).reshape(1, 2, 2, 2), NONE, [[[268, 296], [352, 380]]], id="two-channels"),
    pytest.param(
        np.arange(9.0).reshape(1, 1, 3, 3), np.arange(4.0).reshape(1, 1, 2, 2), ((1, 1), (1, 1)),
        [[[0, 3, 8, 4], [9, 19, 25, 10], [21, 37, 43, 16], [6, 7, 8, 0]]], id="a-border-of-zeros",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("x", "weight", "padding", "expected"), GOLDEN)
def test_the_first_lessons_come_out_as_printed(x: Any, weight: Any, padding: Any, expected: Any) -> None:
    found = oracle.conv2d(x, weight, None, **filled({"padding": padding}))
    assert found[0].tolist() == expected
    assert oracle.conv2d(x, weight[:, :, ::-1, ::-1], None, **filled({"padding": padding}))[0].tolist() != expected  # not a flipped kernel

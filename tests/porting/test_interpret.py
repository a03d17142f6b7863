"""The interpreter of tapes knows every word, and agrees with sums that are written out one term at a time."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from unicnn.porting.tape import VOCABULARY, Call, Constant, Tape

from .interpret import WORDS, distance, outputs


def one(op: str, x: np.ndarray[Any, Any], shape: tuple[int, ...], arrays: dict[str, Any] | None = None, **attributes: Any) -> Any:
    """Return what a tape of one call gives; `arrays` are its further operands, None for one left out."""
    held = arrays or {}
    constants = {key: Constant(key, value.shape, lambda value=value: value) for key, value in held.items() if value is not None}
    call = Call(op, "y", ("x", *(key if held[key] is not None else None for key in held)), shape, attributes)
    (result,) = outputs(Tape("one", (("x", x.shape),), (call,), constants, ((None, "y"),)), [x])
    return result


def test_every_word_is_known_and_no_other() -> None:
    assert set(WORDS) == set(VOCABULARY)


RANDOM = np.random.default_rng(7)


@pytest.mark.parametrize("groups", [1, 2], ids=["one group", "two groups"])
@pytest.mark.parametrize("padding", [((1, 0), (2, 1)), "same"], ids=["explicit padding", "same"])
def test_convolution_is_its_definition(groups: int, padding: Any) -> None:
    x, w, b = RANDOM.normal(size=(2, 4, 7, 6)), RANDOM.normal(size=(6, 4 // groups, 3, 2)), RANDOM.normal(size=6)
    stride, dilation = (2, 1), (1, 2)
    sides = ((1, 1), (1, 1)) if padding == "same" else padding  # 7 by a kernel of 3 and a stride of 2; 6 by a spread of 3
    padded = np.pad(x, ((0, 0), (0, 0), *sides))
    rows, columns = (padded.shape[2] - 3) // 2 + 1, padded.shape[3] - 2
    wanted = np.empty((2, 6, rows, columns))
    for n, o, i, j in np.ndindex(*wanted.shape):
        start = o // (6 // groups) * (4 // groups)
        terms = (
            padded[n, start + c, i * 2 + p, j + q * 2] * w[o, c, p, q]
            for c, p, q in itertools.product(range(4 // groups), range(3), range(2))
        )
        wanted[n, o, i, j] = b[o] + sum(terms)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    first = one("conv", x, wanted.shape, {"w": w, "b": b}, **options, data="NCHW", kernel="OIHW")
    hwio = w.transpose(2, 3, 1, 0)
    last = one("conv", x.transpose(0, 2, 3, 1), (2, rows, columns, 6), {"w": hwio, "b": b}, **options, data="NHWC", kernel="HWIO")
    assert distance(first, wanted) < 1e-14
    assert distance(last.transpose(0, 3, 1, 2), wanted) < 1e-14
    assert distance(first[:, ::-1], wanted) > 0.1


def test_depthwise_kernels_give_each_channel_its_multiples_in_order() -> None:
    x, w = RANDOM.normal(size=(1, 3, 3, 2)), RANDOM.normal(size=(1, 1, 2, 3))
    options = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 2, "data": "NHWC", "kernel": "HWCM"}
    y = one("conv", x, (1, 3, 3, 6), {"w": w, "b": None}, **options)
    for c, m in itertools.product(range(2), range(3)):
        assert distance(y[..., c * 3 + m], x[..., c] * w[0, 0, c, m]) == 0.0


@pytest.mark.parametrize("groups", [1, 2], ids=["one group", "two groups"])
def test_transposed_convolution_is_the_adjoint(groups: int) -> None:
    options = {"stride": (2, 1), "dilation": (1, 2), "groups": groups, "data": "NCHW"}
    sides = ((1, 0), (0, 2))
    x, w = RANDOM.normal(size=(2, 4, 7, 6)), RANDOM.normal(size=(6, 4 // groups, 3, 2))
    y = RANDOM.normal(size=(2, 6, 3, 6))
    there = one("conv", x, y.shape, {"w": w, "b": None}, **options, padding=sides, kernel="OIHW")
    crop = ((1, -1), (0, 2))  # no window reaches the last row
    back = one("conv_transpose", y, x.shape, {"w": w, "b": None}, **options, crop=crop, kernel="IOHW")
    assert abs(np.vdot(there, y) - np.vdot(x, back)) < 1e-12
    assert abs(np.vdot(there, y) - np.vdot(x, back[:, :, ::-1])) > 1e-3


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"padding": ((0, 0), (0, 0)), "ceil_mode": False, "count_include_pad": True}, [1.5, 3.5]),
        ({"padding": ((0, 0), (0, 0)), "ceil_mode": True, "count_include_pad": True}, [1.5, 3.5, 5.0]),
        ({"padding": ((0, 0), (1, 0)), "ceil_mode": False, "count_include_pad": True}, [0.5, 2.5, 4.5]),
        ({"padding": ((0, 0), (1, 0)), "ceil_mode": False, "count_include_pad": False}, [1.0, 2.5, 4.5]),
        ({"padding": "same", "ceil_mode": False, "count_include_pad": False}, [1.5, 3.5, 5.0]),
    ],
    ids=["floor", "ceil", "padding counts", "padding does not count", "same"],
)
def test_means_of_windows(options: dict[str, Any], wanted: list[float]) -> None:
    x = np.arange(1.0, 6.0).reshape(1, 1, 1, 5)
    y = one("avg_pool", x, (1, 1, 1, len(wanted)), kernel_size=(1, 2), stride=(1, 2), data="NCHW", **options)
    assert y.ravel().tolist() == wanted


def test_windows_of_padding_and_negative_numbers_have_the_largest_number() -> None:
    x = -np.arange(1.0, 6.0).reshape(1, 1, 1, 5)
    options = {"padding": ((0, 0), (1, 0)), "ceil_mode": False}
    y = one("max_pool", x, (1, 1, 1, 3), kernel_size=(1, 2), stride=(1, 2), data="NCHW", **options)
    assert y.ravel().tolist() == [-1.0, -2.0, -4.0]


def test_sums_and_products_are_of_all_operands() -> None:
    x, more = np.array([[1.0, -2.0]]), {"b": np.array([[3.0, 5.0]]), "c": np.array([[-7.0, 0.5]])}
    assert one("add", x, (1, 2), more).tolist() == [[-3.0, 3.5]]
    assert one("mul", x, (1, 2), more).tolist() == [[-21.0, -5.0]]


def test_a_transposed_kernel_of_channels_last_has_groups() -> None:
    options = {"stride": (2, 1), "dilation": (1, 1), "groups": 2, "crop": ((0, 0), (0, 0))}
    x, w = RANDOM.normal(size=(2, 4, 3, 5)), RANDOM.normal(size=(4, 3, 2, 2))
    first = one("conv_transpose", x, (2, 6, 6, 6), {"w": w, "b": None}, **options, data="NCHW", kernel="IOHW")
    hwoi, last = w.transpose(2, 3, 1, 0), x.transpose(0, 2, 3, 1)
    assert (
        distance(
            one("conv_transpose", last, (2, 6, 6, 6), {"w": hwoi, "b": None}, **options, data="NHWC", kernel="HWOI"),
            first.transpose(0, 2, 3, 1),
        )
        == 0.0
    )

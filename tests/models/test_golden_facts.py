"""The numbers printed in the five tutorials, computed by every backend; those that are integers hold exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unicnn as un


def arange(*shape: int, start: int = 0) -> Any:
    return np.arange(start, start + int(np.prod(shape)), dtype=np.float32).reshape(shape)


def hand(backend: str, op: un.ops.Op, x: Any, weights: dict[str, Any] | None = None) -> Any:
    """Return what one op computes on one backend with the given weights."""
    model = un.Sequential([("op", op)], input=x.shape[1:], name="tutorial")
    return un.lower(model, backend, weights={f"op.{key}": value for key, value in (weights or {}).items()})(x)


SQUARE = arange(1, 1, 2, 2)
T2_X = np.stack([arange(3, 3), arange(3, 3, start=1)])[None]
T2_K = np.stack([arange(2, 2), arange(2, 2, start=1)])
EDGE = np.ones((1, 1, 6, 8), np.float32)
EDGE[..., 2:6] = 0
LINE = np.array([[[[1, -1]]]], np.float32)

FACTS = [
    pytest.param(un.Conv2d(1, 2, bias=False), arange(1, 1, 3, 3), {"weight": SQUARE}, [[[[19, 25], [37, 43]]]], id="gluon-conv-3x3-by-2x2"),
    pytest.param(
        un.Conv2d(1, 2, bias=False),
        arange(1, 2, 3, 3),
        {"weight": arange(1, 2, 2, 2)},
        [[[[268, 296], [352, 380]]]],
        id="gluon-conv-two-channels",
    ),
    pytest.param(
        un.Conv2d(2, 1),
        arange(1, 3, 3, 3),
        {"weight": arange(2, 3, 1, 1), "bias": np.zeros(2, np.float32)},
        [[[[45, 48, 51], [54, 57, 60], [63, 66, 69]], [[126, 138, 150], [162, 174, 186], [198, 210, 222]]]],
        id="gluon-conv-1x1-three-to-two-channels",
    ),
    pytest.param(
        un.Conv2d(1, 2, padding=1, bias=False),
        arange(1, 1, 3, 3),
        {"weight": SQUARE},
        [[[[0, 3, 8, 4], [9, 19, 25, 10], [21, 37, 43, 16], [6, 7, 8, 0]]]],
        id="gluon-conv-pad-1",
    ),
    pytest.param(
        un.Conv2d(1, 2, stride=2, bias=False), arange(1, 1, 4, 4), {"weight": SQUARE}, [[[[24, 36], [72, 84]]]], id="gluon-conv-stride-2"
    ),
    pytest.param(un.MaxPool2d(2, stride=1), arange(1, 1, 3, 3), {}, [[[[4, 5], [7, 8]]]], id="gluon-max-pool-stride-1"),
    pytest.param(un.AvgPool2d(2, stride=1), arange(1, 1, 3, 3), {}, [[[[2, 3], [5, 6]]]], id="gluon-avg-pool-stride-1"),
    pytest.param(un.Conv2d(1, 2, bias=False), T2_X, {"weight": T2_K[None]}, [[[[56, 72], [104, 120]]]], id="torch-two-channels-summed"),
    pytest.param(
        un.Conv2d(3, 2, bias=False),
        T2_X,
        {"weight": np.stack([T2_K, T2_K + 1, T2_K + 2])},
        [[[[56, 72], [104, 120]], [[76, 100], [148, 172]], [[96, 128], [192, 224]]]],
        id="torch-three-outputs",
    ),
    pytest.param(
        un.Conv2d(1, (1, 2), bias=False), EDGE, {"weight": LINE}, [[[[0, 1, 0, 0, 0, -1, 0]] * 6]], id="d2l-vertical-edges-are-found"
    ),
    pytest.param(
        un.Conv2d(1, (1, 2), bias=False),
        EDGE.swapaxes(2, 3),
        {"weight": LINE},
        np.zeros((1, 1, 8, 5)),
        id="d2l-horizontal-edges-are-not-found",
    ),
]


@pytest.mark.parametrize(("op", "x", "weights", "golden"), FACTS)
def test_printed_numbers_hold_exactly(op: un.ops.Op, x: Any, weights: dict[str, Any], golden: Any, backend: str) -> None:
    y = hand(backend, op, np.ascontiguousarray(x), weights)
    assert y.dtype == np.float32
    assert np.array_equal(y, np.array(golden, np.float32))
    bent = np.ascontiguousarray(x) + arange(*x.shape) ** 2
    assert not np.array_equal(hand(backend, op, bent, weights), golden)


SHAPES = [
    pytest.param(un.Conv2d(1, 3, padding=1), (8, 8), (8, 8), id="kernel-3-pad-1"),
    pytest.param(un.Conv2d(1, (5, 3), padding=(2, 1)), (8, 8), (8, 8), id="kernel-5x3-pad-2x1"),
    pytest.param(un.Conv2d(1, 3, padding=2), (8, 8), (10, 10), id="kernel-3-pad-2-which-the-comment-called-stride-2"),
    pytest.param(un.Conv2d(1, (3, 5), padding=(0, 1), stride=(3, 4)), (8, 8), (2, 2), id="kernel-3x5-pad-0x1-stride-3x4"),
    pytest.param(un.Conv2d(1, 3, padding=1, stride=2), (8, 8), (4, 4), id="kernel-3-pad-1-stride-2"),
    pytest.param(un.Conv2d(1, 3), (7, 7), (5, 5), id="kernel-3-on-7x7"),
    pytest.param(un.Conv2d(1, 3, padding=1), (7, 7), (7, 7), id="kernel-3-pad-1-on-7x7"),
]


@pytest.mark.parametrize(("op", "size", "golden"), SHAPES)
def test_printed_shapes_hold(op: un.ops.Op, size: tuple[int, int], golden: tuple[int, int], backend: str) -> None:
    model = un.Sequential([op], input=(1, *size))
    assert un.lower(model, backend)(np.ones((2, 1, *size), np.float32)).shape == (2, 1, *golden)


def test_a_1x1_convolution_is_a_matrix_product(backend: str) -> None:
    x, k = (un.initial_weights(un.Sequential([un.Conv2d(2, 1, bias=False)], input=(3, 3, 3)), seed)["conv1.weight"] for seed in (0, 1))
    x = np.arange(27, dtype=np.float32).reshape(1, 3, 3, 3) / 8
    y = hand(backend, un.Conv2d(2, 1, bias=False), x, {"weight": k})
    product = k[:, :, 0, 0].astype(np.float64) @ x.reshape(3, 9).astype(np.float64)
    bound = 4 * 2.0**-24 * np.abs(k[:, :, 0, 0]).astype(np.float64) @ np.abs(x.reshape(3, 9))
    assert (np.abs(y.reshape(2, 9) - product) <= bound).all()
    assert np.ptp(y) > 1


@pytest.mark.parametrize(
    ("block", "golden"),
    [(un.Conv2d(3, 3, padding=1), (3, 6, 6)), (un.Conv2d(6, 3, padding=1, stride=2), (6, 3, 3))],
    ids=["same-shape", "halved"],
)
def test_residual_blocks_have_the_printed_shapes(block: un.Conv2d, golden: tuple[int, ...], backend: str) -> None:
    x = un.Input(3, 6, 6)
    y = un.zoo.residual(x, block.out_channels, "block", project=block.stride != (1, 1), stride=block.stride[0])
    assert un.lower(un.Model(x, y), backend)(np.ones((4, 3, 6, 6), np.float32)).shape == (4, *golden)

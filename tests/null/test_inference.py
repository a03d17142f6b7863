"""Shapes, parameters, multiply-adds and the normal form: against numbers worked out by hand and formulas written anew."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

import unicnn as un
from unicnn.errors import ShapeError
from unicnn.graph import infer
from unicnn.ops import VOCABULARY
from unicnn.ops.pool import window_counts


def node(op: Any, *shapes: tuple[int, ...]) -> Any:
    symbols = [un.Input(*shape, name=f"x{place}") for place, shape in enumerate(shapes)]
    return infer(un.Model(symbols, op(*symbols))).nodes[-1]


def case(id: str, op: Any, shapes: Any, shape: Any, learned: int = 0, multiply_adds: int = 0) -> Any:
    shapes = [shapes] if isinstance(shapes, tuple) else shapes
    return pytest.param(op, shapes, shape, learned, multiply_adds, id=id)


# One line an op: its input, and by hand its output, learned numbers, multiply-adds.
OPS = [
    case("conv-5x5-on-one-channel", un.Conv2d(20, 5), (1, 28, 28), (20, 24, 24), 20 * 25 + 20, 20 * 24 * 24 * 25),
    case("conv-without-bias", un.Conv2d(2, 3, bias=False), (4, 5, 5), (2, 3, 3), 2 * 4 * 9, 2 * 9 * 36),
    case("conv-with-stride-2x3", un.Conv2d(2, 3, stride=(2, 3)), (1, 8, 11), (2, 3, 3), 20, 2 * 9 * 9),
    case("conv-with-uneven-sides", un.Conv2d(1, 3, padding=((0, 1), (2, 0))), (1, 4, 4), (1, 3, 4), 10, 12 * 9),
    case("conv-with-dilation", un.Conv2d(1, 3, dilation=(1, 3)), (1, 7, 9), (1, 5, 3), 10, 15 * 9),
    case("conv-in-groups", un.Conv2d(6, 3, groups=2), (4, 5, 5), (6, 3, 3), 6 * 2 * 9 + 6, 54 * 18),
    case("conv-depthwise", un.Conv2d(8, 3, groups=4, padding=1), (4, 5, 5), (8, 5, 5), 8 * 9 + 8, 200 * 9),
    case("conv-of-one-row", un.Conv2d(3, (1, 5)), (2, 4, 9), (3, 4, 5), 3 * 2 * 5 + 3, 60 * 10),
    case("conv-transpose-doubles", un.ConvTranspose2d(3, 2, stride=2), (5, 4, 4), (3, 8, 8), 5 * 3 * 4 + 3, 5 * 16 * 3 * 4),
    case("conv-transpose-crops", un.ConvTranspose2d(3, 3, stride=2, padding=1, output_padding=1), (5, 4, 4), (3, 8, 8), 5 * 3 * 9 + 3, 80 * 27),
    case("conv-transpose-crops-one-side", un.ConvTranspose2d(1, 3, padding=((0, 1), (2, 0))), (1, 4, 4), (1, 5, 4), 10, 16 * 9),
    case("conv-transpose-dilated-in-groups", un.ConvTranspose2d(6, 3, dilation=2, groups=2), (4, 3, 3), (6, 7, 7), 4 * 3 * 9 + 6, 36 * 27),
    case("max-pool", un.MaxPool2d(2), (3, 5, 6), (3, 2, 3)),
    case("max-pool-with-a-stride-above-the-window", un.MaxPool2d(2, 3), (3, 8, 7), (3, 3, 2)),
    case("max-pool-that-keeps-what-hangs-over", un.MaxPool2d(2, ceil_mode=True), (3, 5, 6), (3, 3, 3)),
    case("avg-pool", un.AvgPool2d(3, 1, padding="same"), (3, 5, 6), (3, 5, 6)),
    case("avg-pool-drops-a-window-of-padding", un.AvgPool2d(2, padding=1, ceil_mode=True), (1, 3, 3), (1, 2, 2)),
    case("adaptive-pool", un.AdaptiveAvgPool2d((1, 3)), (7, 5, 5), (7, 1, 3)),
    case("linear", un.Linear(128), (1250,), (128,), 1250 * 128 + 128, 1250 * 128),
    case("linear-without-bias", un.Linear(2, bias=False), (3,), (2,), 6, 6),
    case("batch-norm", un.BatchNorm2d(), (6, 4, 4), (6, 4, 4), 12),
    case("batch-norm-without-shift", un.BatchNorm2d(shift=False), (6, 4, 4), (6, 4, 4), 6),
    case("layer-norm-over-the-last-axis", un.LayerNorm(), (6, 4, 5), (6, 4, 5), 10),
    case("layer-norm-over-channels-and-rows", un.LayerNorm((1, 2)), (6, 4, 5), (6, 4, 5), 48),
    case("dropout", un.Dropout(), (6, 4), (6, 4)),
    case("flatten", un.Flatten(), (50, 5, 5), (1250,)),
    case("reshape", un.Reshape((2, -1)), (4, 3, 5), (2, 30)),
    case("transpose", un.Transpose((0, 2, 3, 1)), (4, 3, 5), (3, 5, 4)),
    case("pad", un.Pad(((1, 2), (3, 0))), (4, 3, 5), (4, 6, 8)),
    case("add-repeats-axes-of-size-1", un.Add(), [(4, 3, 1), (4, 1, 5), (1, 3, 5)], (4, 3, 5)),
    case("mul", un.Mul(), [(4, 3), (4, 1)], (4, 3)),
    case("concat-of-channels", un.Concat(), [(4, 3, 5), (2, 3, 5), (1, 3, 5)], (7, 3, 5)),
    case("concat-of-the-last-axis", un.Concat(-1), [(4, 3, 5), (4, 3, 2)], (4, 3, 7)),
    case("softmax", un.Softmax(-1), (4, 3), (4, 3)),
    case("log-softmax", un.LogSoftmax(), (4, 3), (4, 3)),
    *(
        case(cls.__name__.lower(), cls(), (4, 3, 5), (4, 3, 5))
        for cls in (un.ReLU, un.ReLU6, un.LeakyReLU, un.ELU, un.Sigmoid, un.Tanh, un.SiLU, un.GELU, un.Hardswish, un.Hardsigmoid, un.Identity)
    ),
]  # fmt: skip


@pytest.mark.parametrize(("op", "shapes", "shape", "learned", "multiply_adds"), OPS)
def test_an_op_has_the_size_worked_out_by_hand(op: Any, shapes: Any, shape: Any, learned: int, multiply_adds: int) -> None:
    found = node(op, *shapes)
    assert found.shape == shape
    assert sum(parameter.size for parameter in found.parameters.values() if parameter.trainable) == learned
    assert found.multiply_adds == multiply_adds


def test_every_op_of_the_vocabulary_has_a_line_above() -> None:
    assert {type(line.values[0]) for line in OPS} | {un.CrossEntropy, un.SquaredError} == set(VOCABULARY.values())


@pytest.mark.parametrize(
    ("op", "name"),
    [
        (un.Conv2d, "conv2d"), (un.ConvTranspose2d, "conv_transpose2d"), (un.AdaptiveAvgPool2d, "adaptive_avg_pool2d"), (un.BatchNorm2d, "batch_norm2d"),
        (un.ReLU, "relu"), (un.ReLU6, "relu6"), (un.LeakyReLU, "leaky_relu"), (un.ELU, "elu"), (un.SiLU, "silu"), (un.GELU, "gelu"),
        (un.LogSoftmax, "log_softmax"), (un.CrossEntropy, "cross_entropy"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)  # fmt: skip
def test_a_function_has_its_op_s_name_in_snake_case(op: Any, name: str) -> None:
    assert op.lowering() == name


# Sizes, from a definition that counts instead of dividing


def count(n: int, k: int, s: int, p: tuple[int, int], d: int = 1) -> int:
    """Return how many windows of taps start, start + d, … lie inside the padded line."""
    starts = range(-p[0], n + p[1], s)
    return sum(1 for start in starts if start + d * (k - 1) < n + p[1])


def ceil_count(n: int, k: int, s: int, p: tuple[int, int]) -> int:
    """Return how many windows start so that the one before did not reach the end yet, but not in the padding after."""
    starts = itertools.takewhile(lambda start: start < n and (start == -p[0] or start - s + k < n + p[1]), itertools.count(-p[0], s))
    return sum(1 for _ in starts)


GRID = list(itertools.product((5, 6, 7, 11), (1, 2, 3, 5), (1, 2, 3), ((0, 0), (1, 1), (0, 1), (2, 0))))
PADDED = [item for item in GRID if max(item[3]) < item[1]]


def label(item: Any) -> str:
    n, k, s, (before, after) = item
    return f"{n}-pixels-window-{k}-stride-{s}-sides-{before}-{after}"


@pytest.mark.parametrize("item", GRID, ids=label)
def test_conv_has_as_many_windows_as_fit(item: Any) -> None:
    n, k, s, sides = item
    assert node(un.Conv2d(1, (k, 1), stride=(s, 1), padding=(sides, 0)), (1, n, 1)).shape[1] == count(n, k, s, sides)


@pytest.mark.parametrize("item", [item for item in GRID if item[0] + sum(item[3]) > 2 * (item[1] - 1)], ids=label)
def test_a_dilated_conv_has_as_many_windows_as_fit(item: Any) -> None:
    n, k, s, sides = item
    op = un.Conv2d(1, (1, k), stride=(1, s), padding=(0, sides), dilation=(1, 2))
    assert node(op, (1, 1, n)).shape[2] == count(n, k, s, sides, 2)


@pytest.mark.parametrize("item", PADDED, ids=label)
def test_a_pool_has_as_many_windows_as_fit(item: Any) -> None:
    n, k, s, sides = item
    assert node(un.MaxPool2d((k, 1), (s, 1), (sides, 0)), (1, n, 1)).shape[1] == count(n, k, s, sides)


@pytest.mark.parametrize("item", PADDED, ids=label)
def test_ceil_mode_keeps_what_hangs_over_unless_it_starts_in_the_padding(item: Any) -> None:
    n, k, s, sides = item
    assert node(un.MaxPool2d((1, k), (1, s), (0, sides), ceil_mode=True), (1, 1, n)).shape[2] == ceil_count(n, k, s, sides)


@pytest.mark.parametrize("item", PADDED, ids=label)
def test_the_normal_form_of_ceil_mode_gives_the_same_windows_by_floor(item: Any) -> None:
    n, k, s, sides = item
    resolved = node(un.AvgPool2d((1, k), (1, s), (0, sides), ceil_mode=True), (1, 1, n)).attributes["padding"][1]
    assert count(n, k, s, resolved) == ceil_count(n, k, s, sides)
    assert resolved[0] == sides[0]
    assert resolved[1] >= sides[1]


@pytest.mark.parametrize("item", GRID, ids=label)
def test_a_transposed_conv_is_as_large_as_the_conv_it_turns_round(item: Any) -> None:
    n, k, s, _ = item
    big = node(un.ConvTranspose2d(1, (k, 1), stride=(s, 1)), (1, n, 1)).shape[1]
    assert count(big, k, s, (0, 0)) == n
    assert count(big - 1, k, s, (0, 0)) == n - 1


@pytest.mark.parametrize(("n", "k", "s"), list(itertools.product((4, 7, 8), (1, 2, 3, 5), (1, 2, 3))))
def test_same_padding_gives_the_size_over_the_stride_rounded_up(n: int, k: int, s: int) -> None:
    found = node(un.Conv2d(1, k, stride=s, padding="same"), (1, n, n))
    (before, after), other = found.attributes["padding"]
    assert found.shape[1] == math.ceil(n / s)
    assert (before, after) == other
    assert after - before in (0, 1)


class TestNormalForm:
    @pytest.mark.parametrize(
        ("op", "size", "sides"),
        [
            pytest.param(un.Conv2d(1, 3, stride=2, padding="same"), 8, (0, 1), id="8-pixels-k3-s2-pads-after"),
            pytest.param(un.Conv2d(1, 7, stride=2, padding="same"), 224, (2, 3), id="224-pixels-k7-s2-pads-2-and-3"),
            pytest.param(un.Conv2d(1, 5, padding="same"), 28, (2, 2), id="28-pixels-k5-pads-2-and-2"),
            pytest.param(un.Conv2d(1, 3, padding="same", dilation=2), 9, (2, 2), id="dilation-widens-the-window"),
            pytest.param(un.Conv2d(1, 1, stride=3, padding="same"), 8, (0, 0), id="a-kernel-below-its-stride-needs-none"),
            pytest.param(un.MaxPool2d(2, 2, "same"), 5, (0, 1), id="a-pool-pads-after"),
            pytest.param(un.AvgPool2d(3, 1, "same"), 5, (1, 1), id="an-average-pads-alike"),
        ],
    )
    def test_same_padding_is_resolved_to_sides(self, op: Any, size: int, sides: Any) -> None:
        padding = node(op, (1, size, size)).attributes["padding"]
        assert padding == (sides, sides)
        assert padding != (sides[::-1], sides[::-1]) or sides[0] == sides[1]

    @pytest.mark.parametrize(
        ("op", "shape", "attributes"),
        [
            pytest.param(un.Conv2d(4, 3, groups=2), (2, 5, 5), {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 2}, id="conv2d"),
            pytest.param(un.ConvTranspose2d(4, 3, stride=2, padding=1, output_padding=1), (2, 5, 5), {"stride": (2, 2), "crop": ((1, 0), (1, 0)), "dilation": (1, 1), "groups": 1}, id="conv-transpose2d"),
            pytest.param(un.ConvTranspose2d(4, 3, stride=2, output_padding=1), (2, 5, 5), {"stride": (2, 2), "crop": ((0, -1), (0, -1)), "dilation": (1, 1), "groups": 1}, id="conv-transpose2d-that-extends"),
            pytest.param(un.MaxPool2d(3, ceil_mode=True), (2, 5, 5), {"kernel_size": (3, 3), "stride": (3, 3), "padding": ((0, 1), (0, 1))}, id="max-pool2d"),
            pytest.param(un.AvgPool2d(3, padding=1), (2, 5, 5), {"kernel_size": (3, 3), "stride": (3, 3), "padding": ((1, 1), (1, 1)), "counted": ((1, 1), (1, 1))}, id="avg-pool2d-that-counts-padding"),
            pytest.param(un.AvgPool2d(3, padding=1, count_include_pad=False), (2, 5, 5), {"kernel_size": (3, 3), "stride": (3, 3), "padding": ((1, 1), (1, 1)), "counted": ((0, 0), (0, 0))}, id="avg-pool2d-that-does-not"),
            pytest.param(un.AdaptiveAvgPool2d((3, 1)), (2, 5, 5), {"rows": ((0, 2), (1, 4), (3, 5)), "cols": ((0, 5),)}, id="adaptive-avg-pool2d"),
            pytest.param(un.BatchNorm2d(running_var="unbiased"), (2, 5, 5), {"eps": 1e-5, "keep": 0.9, "unbiased": True}, id="batch-norm2d"),
            pytest.param(un.LayerNorm((-1, 1)), (2, 5, 5), {"axes": (1, 3), "eps": 1e-5}, id="layer-norm"),
            pytest.param(un.Softmax(-1), (2, 5, 5), {"axis": 3}, id="softmax"),
            pytest.param(un.LogSoftmax(), (7,), {"axis": 1}, id="log-softmax"),
            pytest.param(un.Reshape((-1, 5)), (2, 5, 5), {"shape": (10, 5)}, id="reshape"),
            pytest.param(un.Linear(3), (4,), {}, id="linear"),
            pytest.param(un.Hardsigmoid(), (4,), {"slope": 1 / 6, "offset": 0.5}, id="hardsigmoid"),
            pytest.param(un.Pad(1), (2, 5, 5), {"padding": ((1, 1), (1, 1)), "value": 0.0}, id="pad"),
        ],
    )  # fmt: skip
    def test_leaves_nothing_implied(self, op: Any, shape: Any, attributes: Any) -> None:
        assert node(op, shape).attributes == attributes

    @pytest.mark.parametrize(("n", "o"), [(5, 3), (7, 7), (4, 1), (3, 5), (10, 4)])
    def test_adaptive_windows_cover_every_pixel_as_evenly_as_they_can(self, n: int, o: int) -> None:
        rows = node(un.AdaptiveAvgPool2d((o, 1)), (1, n, 1)).attributes["rows"]
        assert rows == tuple((math.floor(i * n / o), math.ceil((i + 1) * n / o)) for i in range(o))
        assert set().union(*(range(*span) for span in rows)) == set(range(n))

    def test_parameters_are_in_canonical_layout(self) -> None:
        assert {key: value.shape for key, value in node(un.Conv2d(6, (3, 5), groups=2), (4, 9, 9)).parameters.items()} == {
            "weight": (6, 2, 3, 5),
            "bias": (6,),
        }
        assert node(un.ConvTranspose2d(6, (3, 5), groups=2, bias=False), (4, 9, 9)).parameters["weight"].shape == (4, 3, 3, 5)
        assert node(un.Linear(3), (7,)).parameters["weight"].shape == (3, 7)

    def test_running_statistics_are_kept_but_not_learned(self) -> None:
        graph = infer(un.Sequential([un.BatchNorm2d()], input=(3, 4, 4)))
        assert {name: parameter.trainable for name, parameter in graph.parameters.items()} == {
            "norm1.scale": True, "norm1.shift": True, "norm1.mean": False, "norm1.var": False,
        }  # fmt: skip
        assert graph.size == 6

    @pytest.mark.parametrize(
        ("padding", "ceil", "include", "divisors"),
        [
            pytest.param(1, False, True, (3, 3, 3), id="padding-counts"),
            pytest.param(1, False, False, (2, 3, 3), id="padding-does-not-count"),
            pytest.param(1, True, True, (3, 3, 3, 2), id="ceil-mode-counts-only-to-the-padding's-end"),
            pytest.param(1, True, False, (2, 3, 3, 1), id="ceil-mode-counts-pixels-only"),
        ],
    )
    def test_an_average_divides_by_the_cells_that_count(self, padding: int, ceil: bool, include: bool, divisors: Any) -> None:
        op = un.AvgPool2d((3, 1), (2, 1), (padding, 0), ceil_mode=ceil, count_include_pad=include)
        rows, cols = window_counts((6, 4), **node(op, (1, 6, 4)).attributes)
        assert rows == divisors
        assert cols == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("op", "shapes", "words"),
    [
        pytest.param(un.Conv2d(3, 7), [(1, 5, 5)], ["the window 7x7 exceeds the padded input 5x5", "padding=1", "at most 5"], id="a-window-beyond-its-input"),
        pytest.param(un.Conv2d(3, 3, dilation=3), [(1, 5, 9)], ["the window 7x7 exceeds"], id="a-dilated-window-beyond-its-input"),
        pytest.param(un.Conv2d(4, 3, groups=2), [(3, 5, 5)], ["2 groups do not divide its 3 input channels", "groups=1"], id="groups-that-do-not-divide-the-input"),
        pytest.param(un.Conv2d(5, 3, groups=2), [(4, 5, 5)], ["2 groups do not divide its 5 output channels"], id="groups-that-do-not-divide-the-output"),
        pytest.param(un.Conv2d(4, 3), [(3,)], ["3"], id="a-conv-of-a-vector"),
        pytest.param(un.ConvTranspose2d(1, 3, padding=4), [(1, 2, 2)], ["leaves nothing"], id="a-crop-of-everything"),
        pytest.param(un.ConvTranspose2d(1, 3, output_padding=1), [(1, 2, 2)], ["output_padding of 1"], id="an-output-padding-without-stride"),
        pytest.param(un.MaxPool2d(2, padding=2), [(1, 8, 8)], ["padding only", "at most 1"], id="a-pool-of-padding-only"),
        pytest.param(un.MaxPool2d(5), [(1, 4, 4)], ["the window 5x5 exceeds the padded input 4x4"], id="a-pool-beyond-its-input"),
        pytest.param(un.MaxPool2d(5, ceil_mode=True), [(1, 4, 4)], ["the window 5x5 exceeds"], id="a-pool-beyond-its-input-in-ceil-mode"),
        pytest.param(un.Linear(3), [(4, 5, 5)], ["Put Flatten() before it, which gives 100"], id="a-linear-of-an-image"),
        pytest.param(un.LayerNorm(0), [(4,)], ["axis 0 is not one of the axes 1 to 1"], id="a-norm-over-the-batch"),
        pytest.param(un.LayerNorm((1, -1)), [(4,)], ["twice"], id="an-axis-named-twice"),
        pytest.param(un.Softmax(2), [(4,)], ["axis 2"], id="an-axis-that-is-not-there"),
        pytest.param(un.Reshape((7, -1)), [(4, 5)], ["4x5 = 20 values cannot become"], id="a-reshape-that-does-not-divide"),
        pytest.param(un.Reshape((-1, -1)), [(4, 5)], ["at most one may be -1"], id="a-reshape-with-two-unknowns"),
        pytest.param(un.Transpose((1, 0, 2)), [(4, 5)], ["leaves axis 0, the batch, first"], id="a-transpose-of-the-batch"),
        pytest.param(un.Pad(1), [(4,)], ["4"], id="a-border-around-a-vector"),
        pytest.param(un.Add(), [(4, 5), (4, 3)], ["4x5 and 4x3 do not go together"], id="a-sum-of-two-sizes"),
        pytest.param(un.Mul(), [(4, 5), (4,)], ["the same number of axes"], id="a-product-of-two-ranks"),
        pytest.param(un.Concat(), [(4, 5), (4, 3)], ["differ in an axis other than 1"], id="a-concat-of-two-sizes"),
        pytest.param(un.Concat(), [(4, 5), (4,)], ["4x5 and 4"], id="a-concat-of-two-ranks"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_a_hint(op: Any, shapes: Any, words: list[str]) -> None:
    with pytest.raises(ShapeError) as caught:
        node(op, *shapes)
    missing = [word for word in words if word not in str(caught.value)]
    assert not missing, str(caught.value)
    assert str(caught.value).startswith(str(op))
    assert "\n" not in str(caught.value)


class TestZoo:
    @pytest.mark.parametrize(
        ("name", "learned"),
        [
            ("lenet", 520 + 9_050 + 160_128 + 1_290),
            ("tf-cnn", 3_274_634),
            ("vgg11", 128_806_154),
            ("vgg11-quarter", 43_093_322),
            ("nin", 1_992_166),
            ("resnet18", 11_178_378),
            ("inception-block", 163_696),
        ],
    )
    def test_a_network_has_its_tutorial_s_parameter_count(self, name: str, learned: int) -> None:
        assert infer(un.zoo.get(name)).size == learned

    def test_every_network_is_counted_above(self) -> None:
        assert list(un.zoo.names()) == ["lenet", "tf-cnn", "vgg11", "vgg11-quarter", "nin", "resnet18", "inception-block"]

    @pytest.mark.parametrize(
        ("name", "shapes"),
        [
            ("lenet", {"conv1": (20, 24, 24), "pool1": (20, 12, 12), "conv2": (50, 10, 10), "pool2": (50, 5, 5), "flatten1": (1250,), "linear1": (128,), "linear2": (10,)}),
            ("tf-cnn", {"conv1": (32, 28, 28), "pool1": (32, 14, 14), "conv2": (64, 14, 14), "pool2": (64, 7, 7), "flatten1": (3136,), "linear1": (1024,), "linear2": (10,)}),
            ("vgg11", {f"block{i}.pool": shape for i, shape in enumerate([(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)], 1)} | {"flatten": (25088,), "linear1": (4096,), "linear2": (4096,), "linear3": (10,)}),
            ("vgg11-quarter", {"block1.pool": (16, 112, 112), "block5.pool": (128, 7, 7), "flatten": (6272,), "linear3": (10,)}),
            ("nin", {"block1.relu3": (96, 54, 54), "pool1": (96, 26, 26), "block2.relu3": (256, 26, 26), "pool2": (256, 12, 12), "block3.relu3": (384, 12, 12), "pool3": (384, 5, 5), "dropout": (384, 5, 5), "block4.relu3": (10, 5, 5), "pool4": (10, 1, 1), "flatten": (10,)}),
            ("resnet18", {"pool1": (64, 56, 56), "stage1.block2.relu2": (64, 56, 56), "stage2.block2.relu2": (128, 28, 28), "stage3.block2.relu2": (256, 14, 14), "stage4.block2.relu2": (512, 7, 7), "pool2": (512, 1, 1), "flatten": (512,), "linear": (10,)}),
            ("inception-block", {"branch1.relu1": (64, 28, 28), "branch2.relu2": (128, 28, 28), "branch3.relu2": (32, 28, 28), "branch4.relu1": (32, 28, 28), "concat1": (256, 28, 28)}),
        ],
    )  # fmt: skip
    def test_a_network_has_its_tutorial_s_layer_shapes(self, name: str, shapes: Any) -> None:
        found = infer(un.zoo.get(name)).shapes
        assert {layer: found[layer] for layer in shapes} == shapes

    def test_lenet_has_the_parameters_of_each_layer(self) -> None:
        assert {node.name: node.size for node in infer(un.zoo.lenet()).nodes if node.size} == {
            "conv1": 520, "conv2": 9_050, "linear1": 160_128, "linear2": 1_290,
        }  # fmt: skip

    def test_lenet_multiplies_and_adds_as_often_as_its_layers(self) -> None:
        assert infer(un.zoo.lenet()).multiply_adds == 576 * 20 * 25 + 100 * 50 * 180 + 1250 * 128 + 128 * 10

    @pytest.mark.parametrize(
        ("op", "size"),
        [
            pytest.param(un.Conv2d(1, 3, padding=1), (8, 8), id="3x3-with-padding-1"),
            pytest.param(un.Conv2d(1, (5, 3), padding=(2, 1)), (8, 8), id="5x3-with-padding-2x1"),
            pytest.param(un.Conv2d(1, 3, padding=2), (10, 10), id="3x3-with-padding-2"),
            pytest.param(un.Conv2d(1, (3, 5), padding=(0, 1), stride=(3, 4)), (2, 2), id="3x5-with-stride-3x4"),
            pytest.param(un.Conv2d(1, 3, padding=1, stride=2), (4, 4), id="3x3-with-stride-2"),
        ],
    )
    def test_the_convolutions_of_the_padding_lesson_have_its_sizes(self, op: Any, size: Any) -> None:
        assert node(op, (1, 8, 8)).shape[1:] == size

    def test_a_residual_block_keeps_or_halves_the_image(self) -> None:
        x = un.Input(3, 6, 6)
        assert un.zoo.residual(x, 3, "a").shape == (3, 6, 6)
        assert un.zoo.residual(x, 6, "b", project=True, stride=2).shape == (6, 3, 3)

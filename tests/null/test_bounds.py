"""Bounds: every correct float32 computation keeps them, and what is wrong by more than rounding does not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from unicnn import oracle, plugins
from unicnn.comparison.judge import Judgement, judge
from unicnn.numerics import ball, bounds
from unicnn.numerics.ball import FLOAT32, Ball, exact
from unicnn.ops import VOCABULARY

F32 = np.float32
FLOATS = st.floats(-1e4, 1e4, width=32, allow_subnormal=False)
CALM = settings(max_examples=150, deadline=None, derandomize=True)


def holds(computed: Any, found: Ball) -> bool:
    return bool((np.abs(np.asarray(computed, np.float64) - found.value) <= found.radius).all())


# Arithmetic

BINARY = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}
UNARY = {"sqrt": (np.sqrt, ball.sqrt), "exp": (np.exp, ball.exp), "tanh": (np.tanh, ball.tanh), "negative": (np.negative, lambda x: -x)}


class TestBalls:
    @CALM
    @given(start=FLOATS, steps=st.lists(st.tuples(st.sampled_from([*BINARY, *UNARY]), FLOATS), min_size=1, max_size=6))
    def test_hold_what_float32_computes(self, start: float, steps: Any) -> None:
        number, found = F32(start), exact(F32(start))
        with np.errstate(all="ignore"):
            for name, other in steps:
                if name in BINARY:
                    number = BINARY[name](number, F32(other))
                    found = {
                        "+": found + exact(F32(other)),
                        "-": found - exact(F32(other)),
                        "*": found * exact(F32(other)),
                        "/": found / exact(F32(other)),
                    }[name]
                else:
                    number, found = UNARY[name][0](number), UNARY[name][1](found)
                assume(np.isfinite(number) and np.isfinite(found.value) and abs(number) < 1e30)
                assert not np.isnan(found.radius)
        assert number.dtype == F32
        assert holds(number, found)

    @CALM
    @given(values=st.lists(FLOATS, min_size=1, max_size=60), seed=st.integers(0, 99))
    def test_hold_a_sum_in_any_order(self, values: Any, seed: int) -> None:
        numbers = np.array(values, F32)
        order = np.random.default_rng(seed).permutation(len(numbers))
        computed = F32(0)
        for number in numbers[order]:
            computed += number
        found = ball.total(exact(numbers), (0,))
        assert abs(float(computed) - math.fsum(numbers.tolist())) <= found.radius
        assert holds(computed, found)

    @CALM
    @given(values=st.lists(FLOATS, min_size=2, max_size=40), seed=st.integers(0, 99))
    def test_hold_a_scalar_product_in_any_order(self, values: Any, seed: int) -> None:
        x, weight = np.array(values, F32), np.array(values[::-1], F32)
        order = np.random.default_rng(seed).permutation(len(x))
        computed = F32(0)
        for place in order:
            computed += x[place] * weight[place]
        assert holds(computed, bounds.forward("linear", [x[None], weight[None], None], {}))

    @pytest.mark.parametrize(
        ("make", "wrong"),
        [
            pytest.param(lambda x: x + exact(F32(3)), F32(4.000001), id="a-sum"),
            pytest.param(lambda x: x * exact(F32(3)), F32(3.000001), id="a-product"),
            pytest.param(lambda x: x / exact(F32(3)), F32(0.3333335), id="a-quotient"),
            pytest.param(lambda x: ball.sqrt(x), F32(1.000002), id="a-root"),
            pytest.param(lambda x: ball.exp(x), F32(2.718285), id="an-exponential"),
            pytest.param(lambda x: -x, F32(-1.0000001), id="a-sign"),
        ],
    )
    def test_do_not_hold_what_is_off_by_a_few_units(self, make: Any, wrong: Any) -> None:
        assert holds(F32(make(exact(F32(1))).value), make(exact(F32(1))))
        assert not holds(wrong, make(exact(F32(1))))

    def test_grow_only_by_rounding(self) -> None:
        one = exact(F32(1))
        assert one.radius == 0
        assert 2.0**-24 <= float((one + one).radius) / 2 <= 2.0**-23

    def test_a_quotient_by_what_may_be_zero_is_unbounded(self) -> None:
        with np.errstate(all="ignore"):
            found = exact(F32(1)) / Ball(np.array(0.5), np.array(0.5))
        assert float(found.radius) == math.inf

    def test_what_underflows_has_a_bound(self) -> None:
        found = ball.exp(Ball(np.array(-1e10), np.array(1000.0)))
        assert holds(0.0, found)
        assert float(found.radius) < 1e-30

    def test_a_decision_is_sure_away_from_the_edge_only(self) -> None:
        decision = Ball(np.array([1.0, 1.0, 0.0]), np.array([0.5, 2.0, 0.0])) > 0
        assert decision.value.tolist() == [True, True, False]
        assert decision.sure.tolist() == [True, False, True]

    def test_an_unsure_choice_holds_both(self) -> None:
        x = Ball(np.array([0.25]), np.array([0.5]))
        found = ball.where(x > 0, exact(np.array([3.0])), exact(np.array([1.0])))
        assert holds([3.0], found)
        assert holds([1.0], found)
        assert not holds([0.5], found)


# Ops


def drawn(shape: Any, seed: int = 0, low: float = -2, high: float = 2) -> Any:
    return np.random.default_rng(seed).uniform(low, high, shape).astype(F32)


def rounded(x: Any, bits: int) -> Any:
    """Return float32 numbers rounded to `bits` significant bits, as TF32 (11) and bfloat16 (8) do."""
    mantissa, exponent = np.frexp(x.astype(np.float64))
    return np.ldexp(np.rint(mantissa * 2.0**bits) * 2.0**-bits, exponent).astype(F32)


NONE = ((0, 0), (0, 0))
CONV = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
POOL = {"kernel_size": (3, 3), "stride": (2, 2), "padding": ((1, 1), (1, 1))}
NORM = {"eps": 1e-5, "keep": 0.9, "unbiased": False}
IMAGE = (4, 3, 6, 7)


def case(id: str, op: str, operands: Any, **attributes: Any) -> Any:
    return pytest.param(op, operands, attributes, id=id)


OPS = [
    case("conv", "conv2d", [drawn(IMAGE), drawn((5, 3, 3, 3), 1), drawn((5,), 2)], **CONV),
    case("conv-without-bias", "conv2d", [drawn(IMAGE), drawn((5, 3, 3, 3), 1), None], **CONV),
    case("conv-of-many-channels", "conv2d", [drawn((1, 40, 4, 4)), drawn((3, 40, 3, 3), 1), drawn((3,), 2)], **CONV),
    case("conv-transpose", "conv_transpose2d", [drawn(IMAGE), drawn((3, 5, 3, 3), 1), drawn((5,), 2)], stride=(2, 2), crop=((1, 0), (0, 1)), dilation=(1, 1), groups=1),
    case("linear", "linear", [drawn((4, 300)), drawn((7, 300), 1), drawn((7,), 2)]),
    case("max-pool", "max_pool2d", [drawn(IMAGE)], **POOL),
    case("avg-pool", "avg_pool2d", [drawn(IMAGE)], **POOL, counted=NONE),
    case("adaptive-avg-pool", "adaptive_avg_pool2d", [drawn(IMAGE)], rows=((0, 3), (3, 6)), cols=((0, 7),)),
    case("batch-norm-in-training", "batch_norm2d", [drawn(IMAGE), drawn((3,), 1), drawn((3,), 2), drawn((3,), 3), drawn((3,), 4, 0.5)], **NORM, training=True),
    case("batch-norm-in-inference", "batch_norm2d", [drawn(IMAGE), drawn((3,), 1), drawn((3,), 2), drawn((3,), 3), drawn((3,), 4, 0.5)], **NORM, training=False),
    case("layer-norm", "layer_norm", [drawn(IMAGE), drawn((7,), 1), drawn((7,), 2)], axes=(3,), eps=1e-5),
    case("dropout", "dropout", [drawn(IMAGE), (drawn(IMAGE, 1) > 0) * F32(2)]),
    case("relu", "relu", [drawn(IMAGE)]),
    case("relu6", "relu6", [drawn(IMAGE, 0, -8, 8)]),
    case("leaky-relu", "leaky_relu", [drawn(IMAGE)], negative_slope=0.01),
    case("elu", "elu", [drawn(IMAGE)], alpha=1.0),
    case("sigmoid", "sigmoid", [drawn(IMAGE, 0, -20, 20)]),
    case("tanh", "tanh", [drawn(IMAGE)]),
    case("silu", "silu", [drawn(IMAGE, 0, -8, 8)]),
    case("gelu", "gelu", [drawn(IMAGE, 0, -5, 5)], approximate="none"),
    case("gelu-by-tanh", "gelu", [drawn(IMAGE, 0, -5, 5)], approximate="tanh"),
    case("hardswish", "hardswish", [drawn(IMAGE, 0, -5, 5)]),
    case("hardsigmoid", "hardsigmoid", [drawn(IMAGE, 0, -5, 5)], slope=1 / 6, offset=0.5),
    case("softmax", "softmax", [drawn((4, 10), 0, -20, 20)], axis=1),
    case("log-softmax", "log_softmax", [drawn((4, 10), 0, -20, 20)], axis=1),
    case("flatten", "flatten", [drawn(IMAGE)]),
    case("reshape", "reshape", [drawn(IMAGE)], shape=(126,)),
    case("transpose", "transpose", [drawn(IMAGE)], axes=(0, 2, 3, 1)),
    case("pad", "pad", [drawn(IMAGE)], padding=((1, 0), (0, 2)), value=0.5),
    case("add", "add", [drawn(IMAGE), drawn(IMAGE, 1), drawn(IMAGE, 2)]),
    case("mul", "mul", [drawn(IMAGE), drawn(IMAGE, 1), drawn(IMAGE, 2)]),
    case("concat", "concat", [drawn(IMAGE), drawn(IMAGE, 1)], axis=1),
    case("cross-entropy", "cross_entropy", [drawn((4, 10), 0, -20, 20), np.array([0, 9, 4, 4])], reduction="mean"),
    case("squared-error", "squared_error", [drawn((4, 10)), drawn((4, 10), 1)], scale=1.0, reduction="mean"),
]  # fmt: skip
EXACT = ("max_pool2d", "relu", "relu6", "flatten", "reshape", "transpose", "pad", "concat")


def computed(op: str, operands: Any, attributes: Any, dtype: str = "float32") -> Any:
    """Return what the NumPy backend computes."""
    started = plugins.backend("numpy").start("cpu", dtype)
    given = [value if value is None or value.dtype.kind == "i" else value.astype(dtype) for value in operands]
    y = getattr(started.table, op)(*given, **attributes)
    return np.asarray(y[0] if isinstance(y, tuple) else y)


@pytest.mark.parametrize(("op", "operands", "attributes"), OPS)
class TestForward:
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_a_correct_computation_keeps_the_bound(self, op: str, operands: Any, attributes: Any, dtype: str) -> None:
        y = computed(op, operands, attributes, dtype)
        assert str(y.dtype) == dtype
        assert judge(y, bounds.forward(op, operands, attributes, dtype)).bound_ratio <= 1

    def test_bfloat16_does_not(self, op: str, operands: Any, attributes: Any) -> None:
        y = rounded(computed(op, operands, attributes), 8)
        assert judge(y, bounds.forward(op, operands, attributes)).bound_ratio > 1

    def test_the_bound_is_close_to_the_value(self, op: str, operands: Any, attributes: Any) -> None:
        found = bounds.forward(op, operands, attributes)
        largest = max(1.0, float(np.abs(found.value).max()))
        assert float(found.radius.max()) <= 2e-3 * largest
        assert (float(found.radius.max()) == 0) == (op in EXACT)

    def test_the_centre_is_the_oracle_s(self, op: str, operands: Any, attributes: Any) -> None:
        given = [value if value is None or value.dtype.kind == "i" else value.astype(np.float64) for value in operands]
        y = getattr(oracle, op)(*given, **attributes)
        y = y[0] if isinstance(y, tuple) else y
        assert np.abs(bounds.forward(op, operands, attributes).value - y).max() <= 1e-13 * max(1, np.abs(y).max())


def test_every_function_of_the_vocabulary_has_a_bound() -> None:
    assert {item.values[0] for item in OPS} | {"identity"} == {op.lowering() for op in VOCABULARY.values()}


def test_gradients_of_a_correct_backend_keep_their_bounds() -> None:
    dy = drawn((4, 5, 6, 7), 5)
    x, weight, bias = drawn(IMAGE), drawn((5, 3, 3, 3), 1), drawn((5,), 2)
    table = plugins.backend("numpy").start("cpu", "float32").table
    dx = table.conv2d_input_gradient(dy, weight, input_size=(6, 7), **CONV)
    dw = table.conv2d_weight_gradient(dy, x, kernel_size=(3, 3), **CONV)
    expected = bounds.gradients("conv2d", [x, weight, bias], dy, CONV)
    assert None not in expected
    found = [dx, dw, dy.sum((0, 2, 3))]
    assert [judge(np.asarray(one), two).agrees for one, two in zip(found, expected, strict=True)] == [True] * 3  # type: ignore[arg-type]
    assert [judge(np.asarray(one) * F32(1.001), two).agrees for one, two in zip(found, expected, strict=True)] == [False] * 3  # type: ignore[arg-type]


# Wrong on purpose


X, W, B = drawn(IMAGE), drawn((5, 3, 3, 3), 1), drawn((5,), 2)


def conv(x: Any = X, weight: Any = W, bias: Any = B, **changes: Any) -> Any:
    return computed("conv2d", [x, weight, bias], CONV | changes)


def without_a_tap() -> Any:
    weight = W.copy()
    weight[:, 2, 2, 2] = 0
    return weight


MISTAKES = [
    pytest.param(lambda: conv(rounded(X, 11), rounded(W, 11)), "reduced precision", id="tf32"),
    pytest.param(lambda: conv(rounded(X, 8), rounded(W, 8)), "reduced precision", id="bfloat16"),
    pytest.param(lambda: conv(weight=without_a_tap()), "wrong", id="a-missing-tap"),
    pytest.param(lambda: conv(bias=None), "wrong", id="a-missing-bias"),
    pytest.param(lambda: conv(weight=W[:, :, ::-1, ::-1].copy()), "wrong", id="a-flipped-kernel"),
    pytest.param(lambda: conv(weight=W.transpose(0, 1, 3, 2).copy()), "wrong", id="a-transposed-kernel"),
    pytest.param(lambda: conv(weight=W[:, ::-1].copy()), "wrong", id="channels-in-another-order"),
    pytest.param(lambda: conv(padding=((0, 2), (1, 1))), "wrong", id="padding-on-the-other-side"),
    pytest.param(lambda: conv(np.pad(X, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge"), padding=NONE), "only the border of the image is wrong", id="another-border"),
    pytest.param(lambda: conv(bias=B) * F32(2), "2 times what they should be", id="twice-the-value"),
    pytest.param(lambda: conv() / F32(4), "0.25 times what they should be", id="divided-by-the-batch"),
    pytest.param(lambda: -conv(), "-1 times what they should be", id="the-sign"),
    pytest.param(lambda: conv()[:, ::-1].copy(), "another order", id="outputs-in-another-order"),
    pytest.param(lambda: conv().transpose(0, 2, 3, 1).reshape(4, 5, 6, 7), "another order", id="another-layout"),
    pytest.param(lambda: conv() * F32(np.nan), "not finite", id="nan"),
    pytest.param(lambda: np.where(conv() == conv().max(), F32(np.inf), conv()), "not finite", id="one-infinity"),
    pytest.param(lambda: conv() * F32(0), "zero and should not be", id="zeros"),
    pytest.param(lambda: conv()[:, :, 1:], "the shape is (4, 5, 5, 7) and should be (4, 5, 6, 7)", id="another-shape"),
    pytest.param(lambda: conv()[0], "the shape is (5, 6, 7)", id="a-missing-axis"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "words"), MISTAKES)
def test_a_mistake_exceeds_the_bound_and_is_described(make: Any, words: str) -> None:
    expected = bounds.forward("conv2d", [X, W, B], CONV)
    assert judge(conv(), expected).agrees
    found = judge(make(), expected)
    assert found.bound_ratio > 1
    assert not found.agrees
    assert found.looks_like is not None
    assert words in found.looks_like
    assert "\n" not in found.looks_like


@pytest.mark.parametrize("terms", [1, 9, 100])
def test_tf32_exceeds_the_bound_of_a_short_sum(terms: int) -> None:
    x, weight = drawn((16, terms), 0, 0.5), drawn((16, terms), 1, 0.5)
    expected = bounds.forward("linear", [x, weight, None], {})
    assert judge(computed("linear", [x, weight, None], {}), expected).agrees
    assert not judge(computed("linear", [rounded(x, 11), rounded(weight, 11), None], {}), expected).agrees


class TestJudging:
    def test_the_exact_value_rounded_is_no_error_at_all(self) -> None:
        value = np.array([1 / 3, -2 / 3, 0.0, 1e300])
        with np.errstate(over="ignore"):
            assert judge(value.astype(F32), exact(value)) == Judgement(0, 0, 0, 0)

    @pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
    def test_what_should_be_special_may_be(self, special: float) -> None:
        assert judge(np.array([special, 1], F32), exact(np.array([special, 1]))) == Judgement(0, 0, 0, 0)

    @pytest.mark.parametrize(("found", "wanted"), [(np.nan, 1), (1, np.nan), (np.inf, 1), (1, np.inf), (np.inf, -np.inf), (np.nan, np.inf)])
    def test_what_is_special_must_be(self, found: float, wanted: float) -> None:
        result = judge(np.array([found, 1], F32), Ball(np.array([wanted, 1.0]), np.array([0.1, 0.1])))
        assert result.bound_ratio == math.inf
        assert "not finite or should not be" in str(result.looks_like)

    def test_an_array_of_nothing_agrees(self) -> None:
        assert judge(np.zeros((0, 3), F32), exact(np.zeros((0, 3)))) == Judgement(0, 0, 0, 0)
        assert not judge(np.zeros((0, 4), F32), exact(np.zeros((0, 3)))).agrees

    def test_ratio_ulps_and_share_are_what_they_say(self) -> None:
        expected = Ball(np.array([1.0, 2.0, 4.0, 0.5]), np.full(4, 2.0**-21))
        result = judge(np.array([1.0, 2.0 + 2.0**-22, 4.0, 0.5 + 2.0**-22], F32), expected)
        assert (result.bound_ratio, result.max_ulp, result.differs) == (0.5, 4.0, 0.5)
        assert result.scaled_ulp == 0.5
        assert result.looks_like is None

    def test_an_error_without_room_for_any_is_infinitely_too_large(self) -> None:
        assert judge(np.array([1.0, 2.0], F32), exact(np.array([1.0, 2.5]))).bound_ratio == math.inf

    def test_a_few_wrong_elements_are_given_as_a_share(self) -> None:
        found = judge(np.arange(10, dtype=F32) + (np.arange(10) == 3), exact(np.arange(10.0)))
        assert "10% of the elements are wrong" in str(found.looks_like)
        assert round(found.differs * 10, 12) == 1

    @pytest.mark.parametrize("unit", [FLOAT32.unit])
    def test_gamma_grows_a_little_faster_than_the_number_of_roundings(self, unit: float) -> None:
        assert FLOAT32.gamma(0) == 0
        assert 100 * unit < FLOAT32.gamma(100) < 101 * unit

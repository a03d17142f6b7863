"""Initial weights and all other randomness: the same everywhere, and distributed as documented."""

from __future__ import annotations

import hashlib
import math
import statistics
from typing import Any

import numpy as np
import pytest

import unicnn as un
from unicnn import randomness
from unicnn.errors import DescriptionError, UnknownNameError
from unicnn.initializers import PRESETS
from unicnn.ops.base import Parameter


def digest(weights: Any) -> str:
    """Return the SHA-256 of names and little-endian float32 bytes, in the order of the network."""
    found = hashlib.sha256()
    for name, value in weights.items():
        found.update(name.encode() + b"\0" + value.astype("<f4").tobytes())
    return found.hexdigest()


# Recorded once. Another machine, another NumPy or another library must draw the same bits.
RECORDED = {
    ("torch", 0): "93b7a00d33e44dd1d4396e4a54ca0588459ae9b20db44c1d2c9c39d40769d19c",
    ("torch", 1): "8c4337b4e867f9764bbf5155693fde8ca0ed0f7098018d190f2fff39894dbe84",
    ("keras", 0): "4dbebcb485b852db34021aec1976baf00ebfb6b050d20667cb2d95d9a099833c",
    ("gluon", 0): "1d4b9ed50a203b6e5ce2da6bda274cd8f4a738543cc8ecf1fd5c9a0fbc9d8cfe",
    ("normal", 0): "291350443c7691cc6bff5ca0ba3896e66d9fca5858565f2f13db115cd9aed435",
    ("truncated", 0): "2ed067fef5cc78ed6d77f45ac47ce440ca804b48a3e5460c64131f7cd4ca7d19",
}
RULES = {
    "normal": {"weight": un.Scaled(2, "in", "normal"), "bias": un.Normal(0.01)},
    "truncated": {"weight": un.Scaled(1, "out", "truncated"), "bias": un.Uniform(0.5)},
}


@pytest.mark.parametrize(("init", "seed"), RECORDED, ids=lambda value: str(value))
def test_lenet_is_drawn_to_the_bit_as_recorded(init: str, seed: int) -> None:
    weights = un.initial_weights(un.zoo.lenet(), seed, RULES.get(init, init))
    assert digest(weights) == RECORDED[init, seed]
    weights["linear1.weight"].view(np.uint32)[3, 5] ^= 1  # one bit
    assert digest(weights) != RECORDED[init, seed]


RAW = [6044032129761069117, 2485124119112885548, 17386743399407231459]


def test_raw_bits_are_as_recorded() -> None:
    assert randomness.raw(3, 0, "conv1.weight").tolist() == RAW
    assert randomness.raw(3, 0, "conv2.weight").tolist() != RAW


def two_layers(first: str = "a", second: str = "b") -> Any:
    return un.Sequential([(first, un.Linear(4)), (second, un.Linear(4))], input=(4,))


class TestKeys:
    def test_the_same_seed_gives_the_same_weights(self) -> None:
        assert digest(un.initial_weights(two_layers(), 3)) == digest(un.initial_weights(two_layers(), 3))
        assert digest(un.initial_weights(two_layers(), 3)) != digest(un.initial_weights(two_layers(), 4))

    def test_two_layers_of_one_shape_differ(self) -> None:
        weights = un.initial_weights(two_layers())
        assert not np.array_equal(weights["a.weight"], weights["b.weight"])
        assert not np.array_equal(weights["a.bias"], weights["b.bias"])

    def test_a_layer_s_weights_follow_its_name_and_not_its_place(self) -> None:
        one, two = un.initial_weights(two_layers("a", "b")), un.initial_weights(two_layers("b", "a"))
        assert list(one) != list(two)
        assert all(np.array_equal(one[name], two[name]) for name in one)

    def test_the_name_of_the_network_does_not_matter(self) -> None:
        assert digest(un.initial_weights(un.Sequential([un.Linear(4)], input=(4,), name="x"))) == digest(
            un.initial_weights(un.Sequential([un.Linear(4)], input=(4,), name="y"))
        )

    def test_a_program_has_the_weights_of_its_seed(self) -> None:
        assert digest(un.lower(two_layers(), "numpy", seed=3).weights()) == digest(un.initial_weights(two_layers(), 3))
        assert digest(un.lower(two_layers(), "numpy", seed=4).weights()) != digest(un.initial_weights(two_layers(), 3))

    def test_statistics_and_scales_begin_neutral(self) -> None:
        weights = un.initial_weights(un.Sequential([un.BatchNorm2d(), un.LayerNorm()], input=(2, 3, 4)))
        assert {name: set(value.ravel().tolist()) for name, value in weights.items()} == {
            "norm1.scale": {1.0}, "norm1.shift": {0.0}, "norm1.mean": {0.0}, "norm1.var": {1.0}, "norm2.scale": {1.0}, "norm2.shift": {0.0},
        }  # fmt: skip

    @pytest.mark.parametrize("init", PRESETS)
    def test_everything_is_float32_in_canonical_shape(self, init: str) -> None:
        weights = un.initial_weights(un.zoo.resnet18(), init=init)
        assert {value.dtype for value in weights.values()} == {np.dtype(np.float32)}
        assert {name: value.shape for name, value in weights.items()} == {
            name: parameter.shape for name, parameter in un.infer(un.zoo.resnet18()).parameters.items()
        }


# Distributions: 40,000 numbers; what is checked lies within five standard errors

COUNT = 40_000
PARAMETER = Parameter((200, 200), "linear", fan_in=50, fan_out=150)


def moments(values: Any) -> tuple[float, float]:
    return float(values.mean()), float(values.var())


def near(values: Any, variance: float, fourth: float) -> bool:
    """Tell whether the mean is 0 and the variance as given; `fourth` is the fourth moment over the squared variance."""
    mean, found = moments(values)
    return abs(mean) <= 5 * math.sqrt(variance / COUNT) and abs(found / variance - 1) <= 5 * math.sqrt((fourth - 1) / COUNT)


def cut_moments(cut: float) -> tuple[float, float]:
    """Return the variance, and the fourth moment over its square, of the normal distribution cut at +-cut."""
    density = math.exp(-cut * cut / 2) / math.sqrt(2 * math.pi)
    inside = math.erf(cut / math.sqrt(2))
    second = 1 - 2 * cut * density / inside
    return second, (3 * second - 2 * cut**3 * density / inside) / second**2


CUT, CUT_FOURTH = cut_moments(2)
DISTRIBUTIONS = [
    pytest.param(un.Uniform(0.07), 0.07**2 / 3, 1.8, 0.07, id="uniform"),
    pytest.param(un.Normal(0.01), 0.01**2, 3, 0.06, id="normal"),
    pytest.param(un.Normal(0.01, cut=2), 0.01**2 * CUT, CUT_FOURTH, 0.02, id="normal-cut-at-2"),
    pytest.param(un.Scaled(1 / 3, "in"), 1 / 150, 1.8, 1 / math.sqrt(50), id="pytorch-s-default-is-uniform-to-one-over-root-fan-in"),
    pytest.param(un.Scaled(1, "avg"), 1 / 100, 1.8, math.sqrt(6 / 200), id="glorot-uniform"),
    pytest.param(un.Scaled(1, "out"), 1 / 150, 1.8, math.sqrt(3 / 150), id="by-the-fan-out"),
    pytest.param(un.Scaled(2, "in", "normal"), 2 / 50, 3, 6 * math.sqrt(2 / 50), id="he-normal"),
    pytest.param(un.Scaled(1, "in", "truncated"), CUT / 50, CUT_FOURTH, 2 / math.sqrt(50), id="truncated-at-two-standard-deviations"),
]


@pytest.mark.parametrize(("rule", "variance", "fourth", "bound"), DISTRIBUTIONS)
class TestDistributions:
    def test_have_their_mean_and_variance(self, rule: Any, variance: float, fourth: float, bound: float) -> None:
        values = rule.draw(PARAMETER, 0, "x")
        assert values.shape == PARAMETER.shape
        assert near(values, variance, fourth)
        assert not near(values * 1.1, variance, fourth)
        assert not near(values + 0.1 * math.sqrt(variance), variance, fourth)

    def test_keep_within_their_bound_and_nearly_reach_it(self, rule: Any, variance: float, fourth: float, bound: float) -> None:
        values = rule.draw(PARAMETER, 0, "x")
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.6 * bound
        assert values.min() < 0 < values.max()

    def test_hold_no_value_twice(self, rule: Any, variance: float, fourth: float, bound: float) -> None:
        assert len(np.unique(rule.draw(PARAMETER, 0, "x"))) == COUNT


def test_a_constant_is_constant() -> None:
    assert set(un.Constant(0.25).draw(PARAMETER, 0, "x").ravel().tolist()) == {0.25}


PRESET_NET = un.Sequential(
    [("c", un.Conv2d(8, (3, 5), groups=2)), ("t", un.ConvTranspose2d(6, 3)), un.Flatten(), ("l", un.Linear(50))], input=(4, 9, 9)
)
C_IN, C_OUT = 2 * 15, 8 * 15
T_IN, T_OUT = 6 * 9, 8 * 9  # as PyTorch and Keras count them: axis 1 of (in, out, kh, kw) is the fan in
L_IN = 6 * 9 * 7


class TestPresets:
    @pytest.mark.parametrize(
        ("init", "bounds"),
        [
            ("torch", {"c.weight": C_IN**-0.5, "c.bias": C_IN**-0.5, "t.weight": T_IN**-0.5, "t.bias": T_IN**-0.5, "l.weight": L_IN**-0.5, "l.bias": L_IN**-0.5}),
            ("keras", {"c.weight": math.sqrt(6 / (C_IN + C_OUT)), "c.bias": 0, "t.weight": math.sqrt(6 / (T_IN + T_OUT)), "t.bias": 0, "l.weight": math.sqrt(6 / (L_IN + 50)), "l.bias": 0}),
            ("gluon", {"c.weight": 0.07, "c.bias": 0, "t.weight": 0.07, "t.bias": 0, "l.weight": 0.07, "l.bias": 0}),
        ],
    )  # fmt: skip
    def test_draw_uniformly_within_each_framework_s_documented_bound(self, init: str, bounds: Any) -> None:
        weights = un.initial_weights(PRESET_NET, 1, init)
        largest = {name: float(np.abs(value).max()) for name, value in weights.items()}
        assert {name: largest[name] <= np.float32(bound) for name, bound in bounds.items()} == dict.fromkeys(weights, True)
        assert {name: largest[name] >= 0.6 * bound for name, bound in bounds.items()} == dict.fromkeys(weights, True)

    def test_are_the_default_of_pytorch_unless_asked(self) -> None:
        assert digest(un.initial_weights(PRESET_NET)) == digest(un.initial_weights(PRESET_NET, init="torch"))
        assert digest(un.initial_weights(PRESET_NET)) != digest(un.initial_weights(PRESET_NET, init="keras"))

    def test_may_be_replaced_by_role(self) -> None:
        weights = un.initial_weights(two_layers(), init={"weight": un.Constant(2), "bias": un.Constant(3)})
        assert {name: set(value.ravel().tolist()) for name, value in weights.items()} == {
            "a.weight": {2},
            "a.bias": {3},
            "b.weight": {2},
            "b.bias": {3},
        }

    def test_that_leave_a_role_out_are_refused_naming_the_weight(self) -> None:
        with pytest.raises(DescriptionError, match="no rule for 'bias', which model/a.bias needs"):
            un.initial_weights(two_layers(), init={"weight": un.Constant(2)})

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            pytest.param(lambda: un.initial_weights(two_layers(), init="kerras"), "Did you mean 'keras'", id="preset"),
            pytest.param(lambda: un.Scaled(1, "both"), "'both'", id="fan"),
            pytest.param(lambda: un.Scaled(1, "in", "gaussian"), "'gaussian'", id="distribution"),
        ],
    )
    def test_of_an_unknown_name_are_refused(self, make: Any, words: str) -> None:
        with pytest.raises(UnknownNameError, match=words):
            make()


# The functions underneath

PROBABILITIES = [
    1e-300,
    2.0**-53,
    1e-12,
    1e-5,
    0.02,
    0.0749,
    0.0751,
    0.3,
    0.49999,
    0.5,
    0.5000001,
    0.7,
    0.9249,
    0.9251,
    0.98,
    1 - 1e-5,
    1 - 1e-12,
    1 - 2.0**-53,
]


class TestFunctions:
    @pytest.mark.parametrize("p", PROBABILITIES)
    def test_the_normal_quantile_is_the_standard_library_s(self, p: float) -> None:
        expected = statistics.NormalDist().inv_cdf(p)
        (found,) = randomness.quantile(np.array([p]))
        assert abs(found - expected) <= 1e-12 * max(1, abs(expected))
        assert abs(found * (1 + 1e-9) + 1e-9 - expected) > 1e-12 * max(1, abs(expected))

    @pytest.mark.parametrize("p", [0.02, 0.1, 0.3, 0.5])
    def test_the_normal_quantile_inverts_the_distribution_function(self, p: float) -> None:
        (low, high) = randomness.quantile(np.array([p, 1 - p]))
        assert abs(0.5 * math.erfc(-low / math.sqrt(2)) - p) <= 1e-15
        assert abs(low + high) <= 1e-15

    @pytest.mark.parametrize(
        "x", [5e-324, 1e-300, 1e-17, 0.1, 0.7, math.sqrt(0.5), 0.9999999, 1.0000001, math.sqrt(2), 2.0, math.e, 10.0, 1e300]
    )
    def test_the_logarithm_is_the_standard_library_s(self, x: float) -> None:
        (found,) = randomness.log(np.array([x]))
        assert abs(found - math.log(x)) <= 4e-16 * abs(math.log(x))
        assert abs(found * (1 + 1e-14) - math.log(x)) > 4e-16 * abs(math.log(x))

    def test_the_logarithm_of_1_is_0(self) -> None:
        assert randomness.log(np.array([1.0])).tolist() == [0.0]

    def test_uniform_numbers_are_multiples_of_a_53rd_power_below_1(self) -> None:
        values = randomness.uniform((1000,), "x")
        assert np.array_equal(values * 2.0**53, np.rint(values * 2.0**53))
        assert not np.array_equal(values * 2.0**40, np.rint(values * 2.0**40))
        assert 0 <= values.min() < 0.01
        assert 0.99 < values.max() < 1

    @pytest.mark.parametrize("shape", [(0,), (3, 0, 2), ()])
    def test_any_shape_can_be_drawn(self, shape: Any) -> None:
        assert (
            randomness.uniform(shape, "x").shape == randomness.normal(shape, "x").shape == randomness.mask(shape, 0.5, "x").shape == shape
        )

    def test_more_numbers_begin_with_the_fewer(self) -> None:
        assert np.array_equal(randomness.raw(100, "x")[:7], randomness.raw(7, "x"))
        assert not np.array_equal(randomness.raw(100, "x")[:7], randomness.raw(7, "y"))


class TestMasks:
    @pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9])
    def test_drop_with_probability_p_and_scale_the_rest(self, p: float) -> None:
        mask = randomness.mask((COUNT,), p, "dropout", 0, "d", 0)
        assert mask.dtype == np.float32
        assert set(mask.tolist()) == {0.0, float(np.float32(1 / (1 - p)))}
        error = 5 * math.sqrt(p * (1 - p) / COUNT)
        assert abs(float((mask == 0).mean()) - p) <= error
        assert abs(float((mask == 0).mean()) - p - 2 * error) > error

    @pytest.mark.parametrize(("p", "value"), [(0.0, 1.0), (1.0, 0.0)])
    def test_drop_nothing_or_everything(self, p: float, value: float) -> None:
        assert set(randomness.mask((100,), p, "x").tolist()) == {value}

    @pytest.mark.parametrize(
        "other", [("dropout", 1, "d", 0), ("dropout", 0, "e", 0), ("dropout", 0, "d", 1)], ids=["seed", "layer", "step"]
    )
    def test_differ_by_seed_layer_and_step(self, other: Any) -> None:
        one = randomness.mask((1000,), 0.5, "dropout", 0, "d", 0)
        assert np.array_equal(one, randomness.mask((1000,), 0.5, "dropout", 0, "d", 0))
        different = float((one != randomness.mask((1000,), 0.5, *other)).mean())
        assert 0.4 < different < 0.6


class TestPermutations:
    @pytest.mark.parametrize("count", [0, 1, 2, 7, 1000])
    def test_hold_every_number_once(self, count: int) -> None:
        assert sorted(randomness.permutation(count, "shuffle", 0).tolist()) == list(range(count))

    def test_differ_by_key_and_from_the_order(self) -> None:
        first, again, second = (randomness.permutation(1000, "shuffle", step).tolist() for step in (0, 0, 1))
        assert first == again != second
        assert first != list(range(1000))

    def test_put_every_number_everywhere(self) -> None:
        places = np.array([randomness.permutation(4, "shuffle", step) for step in range(400)])
        counts = np.array([np.bincount(column, minlength=4) for column in places.T])
        assert counts.min() > 60
        assert counts.max() < 140

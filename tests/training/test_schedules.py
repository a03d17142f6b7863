"""The learning rate of every update: each framework's own schedule objects, the documented rates, and the same bits on every machine."""

from __future__ import annotations

import ast
import inspect
import itertools
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import unicnn as un
from unicnn.errors import DescriptionError
from unicnn.training.schedules import SCHEDULES, cosine_of_half_turns

BASE = 0.3
UPDATES = 26
EPOCH = 3
"""Updates in an epoch."""
DOUBLE = 1e-15
"""Of the base rate: a few roundings of float64."""
SINGLE = 2**-21
"""Of the base rate: Keras computes in float32, in at most eight roundings of 2^-24."""


def rates(schedule: Any, preset: str, count: int = UPDATES, base: float = BASE) -> list[float]:
    """Return the rates of a recipe's first updates."""
    recipe = un.Recipe(optimizer=un.SGD(base), batch_size=1, steps=count, schedule=schedule, preset=preset)
    return [recipe.rate(update, update // EPOCH) for update in range(count)]


def distance(mine: list[float], theirs: list[float]) -> float:
    assert len(mine) == len(theirs)
    return max(abs(a - b) for a, b in zip(mine, theirs, strict=True)) / BASE


# PyTorch: an object is stepped after an update, or after the last update of an epoch

COUNTED = ["update", "epoch"]


def torchs(make: Callable[[Any, Any], Any], every: int) -> Iterator[float]:
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], BASE)
    schedule = make(torch.optim.lr_scheduler, optimizer)
    for update in itertools.count(1):
        yield optimizer.param_groups[0]["lr"]
        optimizer.step()
        if update % every == 0:
            schedule.step()


TORCH: dict[str, tuple[dict[str, Any], Callable[[Any, Any], Any]]] = {
    "StepLR": ({"name": "StepDecay", "size": 3}, lambda module, o: module.StepLR(o, 3)),
    "StepLR by 0.7": ({"name": "StepDecay", "size": 2, "gamma": 0.7}, lambda module, o: module.StepLR(o, 2, 0.7)),
    "MultiStepLR": ({"name": "MultiStepDecay", "milestones": [2, 3, 7]}, lambda module, o: module.MultiStepLR(o, [2, 3, 7])),
    "MultiStepLR with a milestone twice": (
        {"name": "MultiStepDecay", "milestones": [2, 2, 5], "gamma": 0.5},
        lambda module, o: module.MultiStepLR(o, [2, 2, 5], 0.5),
    ),
    "CosineAnnealingLR, there and back": ({"name": "CosineDecay", "length": 7}, lambda module, o: module.CosineAnnealingLR(o, 7)),
    "CosineAnnealingLR to a tenth": (
        {"name": "CosineDecay", "length": 5, "final": 0.1},
        lambda module, o: module.CosineAnnealingLR(o, 5, 0.1 * BASE),
    ),
    "PolynomialLR": ({"name": "PolynomialDecay", "length": 6}, lambda module, o: module.PolynomialLR(o, 6)),
    "PolynomialLR, cubic": ({"name": "PolynomialDecay", "length": 9, "exponent": 3}, lambda module, o: module.PolynomialLR(o, 9, 3)),
    "LinearLR": ({"name": "Warmup", "length": 4, "start": 0.25}, lambda module, o: module.LinearLR(o, 0.25, total_iters=4)),
    "LinearLR, then StepLR": (
        {"name": "Warmup", "length": 4, "start": 0.25, "then": {"name": "StepDecay", "size": 3, "gamma": 0.5}},
        lambda module, o: module.SequentialLR(o, [module.LinearLR(o, 0.25, total_iters=4), module.StepLR(o, 3, 0.5)], [4]),
    ),
    "ConstantLR that changes nothing": ({"name": "ConstantRate"}, lambda module, o: module.ConstantLR(o, 1.0)),
}


@pytest.mark.parametrize("unit", COUNTED, ids=lambda unit: f"stepped once an {unit}")
@pytest.mark.parametrize("name", TORCH)
def test_pytorchs_schedulers_give_the_same_rates(name: str, unit: str) -> None:
    pytest.importorskip("torch")
    table, make = TORCH[name]
    theirs = list(itertools.islice(torchs(make, EPOCH if unit == "epoch" else 1), UPDATES))
    assert distance(rates({**table, "unit": unit}, "torch"), theirs) < 10 * DOUBLE  # theirs come from the rate before, by recursion
    assert len(set(theirs)) > 1 or name.startswith("Constant")


# Keras: an object is called with the updates so far


def kerases(make: Callable[[Any], Any]) -> list[float]:
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras

    schedule = make(keras.optimizers.schedules)
    return [float(schedule(update)) for update in range(UPDATES)]


KERAS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "ExponentialDecay in steps": (
        un.StepDecay(4, 0.5),
        lambda module: module.ExponentialDecay(BASE, 4, 0.5, staircase=True),
    ),
    "PiecewiseConstantDecay": (
        un.MultiStepDecay((2, 5, 9), 0.5),
        lambda module: module.PiecewiseConstantDecay([2, 5, 9], [BASE, BASE / 2, BASE / 4, BASE / 8]),
    ),
    "CosineDecay": (un.CosineDecay(7), lambda module: module.CosineDecay(BASE, 7)),
    "CosineDecay to a quarter": (un.CosineDecay(7, final=0.25), lambda module: module.CosineDecay(BASE, 7, alpha=0.25)),
    "PolynomialDecay": (un.PolynomialDecay(6), lambda module: module.PolynomialDecay(BASE, 6, 0.0)),
    "PolynomialDecay, quadratic, to a tenth": (
        un.PolynomialDecay(9, 2, final=0.1),
        lambda module: module.PolynomialDecay(BASE, 9, 0.1 * BASE, power=2.0),
    ),
    "CosineDecay that warms up": (
        un.Warmup(4, then=un.CosineDecay(7)),
        lambda module: module.CosineDecay(0.0, 7, warmup_target=BASE, warmup_steps=4),
    ),
}


@pytest.mark.parametrize("name", KERAS)
def test_kerass_schedules_give_the_same_rates_in_float32(name: str) -> None:
    pytest.importorskip("keras")
    schedule, make = KERAS[name]
    theirs = kerases(make)
    assert distance(rates(schedule, "keras"), theirs) < SINGLE
    assert len(set(theirs)) > 2


# MXNet: an object is called with the number of the update, the first being 1; a warm-up's first update is past its beginning

MXNET: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "FactorScheduler": (un.StepDecay(4, 0.5), lambda module: module.FactorScheduler(4, 0.5, base_lr=BASE)),
    "MultiFactorScheduler": (un.MultiStepDecay((2, 5, 9), 0.5), lambda module: module.MultiFactorScheduler([2, 5, 9], 0.5, base_lr=BASE)),
    "PolyScheduler": (un.PolynomialDecay(6, 2), lambda module: module.PolyScheduler(6, BASE)),
    "PolyScheduler, linear, to a tenth": (
        un.PolynomialDecay(9, 1, final=0.1),
        lambda module: module.PolyScheduler(9, BASE, 1, final_lr=0.1 * BASE),
    ),
    "CosineScheduler": (un.CosineDecay(7), lambda module: module.CosineScheduler(7, BASE)),
    "CosineScheduler to a tenth": (un.CosineDecay(7, final=0.1), lambda module: module.CosineScheduler(7, BASE, 0.1 * BASE)),
    "CosineScheduler that warms up in 4": (
        un.Warmup(3, start=0.25, then=un.CosineDecay(7, first=0)),
        lambda module: module.CosineScheduler(11, BASE, warmup_steps=4),
    ),
}


@pytest.mark.parametrize("name", MXNET)
def test_mxnets_schedulers_give_the_same_rates(name: str) -> None:
    pytest.importorskip("unicnn_mxnet")
    from unicnn_mxnet.compat import mx

    schedule, make = MXNET[name]
    own = make(mx.lr_scheduler)
    theirs = [own(update) for update in range(1, UPDATES + 1)]
    assert distance(rates(schedule, "gluon"), theirs) < DOUBLE
    assert len(set(theirs)) > 2


# What is documented, from a base of 1: three digits

TENTHS = [1, 1, 0.1, 0.1, 0.01, 0.01]
DOCUMENTED = [
    ("gluon", un.StepDecay(2), TENTHS, "FactorScheduler"),
    ("gluon", un.MultiStepDecay((2, 4)), TENTHS, "MultiFactorScheduler"),
    ("gluon", un.CosineDecay(4), [0.854, 0.5, 0.146, 0, 0, 0], "CosineScheduler"),
    ("gluon", un.PolynomialDecay(4), [0.75, 0.5, 0.25, 0, 0, 0], "PolyScheduler"),
    ("torch", un.StepDecay(2, unit="update"), TENTHS, "StepLR"),
    ("torch", un.MultiStepDecay((2, 4), unit="update"), TENTHS, "MultiStepLR"),
    ("torch", un.CosineDecay(4, unit="update"), [1, 0.854, 0.5, 0.146, 0, 0.146, 0.5, 0.854, 1, 0.854], "CosineAnnealingLR"),
    ("torch", un.StepDecay(2), [1] * 6 + [0.1] * 6 + [0.01], "StepLR once an epoch"),
    ("keras", un.StepDecay(2), TENTHS, "ExponentialDecay"),
    ("keras", un.MultiStepDecay((2, 4)), [1, 1, 1, 0.1, 0.1, 0.01], "PiecewiseConstantDecay"),
    ("keras", un.CosineDecay(4), [1, 0.854, 0.5, 0.146, 0, 0], "CosineDecay"),
    ("keras", un.PolynomialDecay(4), [1, 0.75, 0.5, 0.25, 0, 0], "PolynomialDecay"),
]


@pytest.mark.parametrize(
    ("preset", "schedule", "expected"),
    [pytest.param(preset, schedule, expected, id=f"{preset}, {name}") for preset, schedule, expected, name in DOCUMENTED],
)
def test_the_rates_are_the_documented_ones(preset: str, schedule: Any, expected: list[float]) -> None:
    assert [round(rate, 3) for rate in rates(schedule, preset, len(expected), 1.0)] == expected


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize(("preset", "unit"), [("torch", "epoch"), ("keras", "update"), ("gluon", "update")])
def test_a_schedule_counts_what_its_framework_counts(name: str, preset: str, unit: str) -> None:
    needed = {"StepDecay": {"size": 2}, "MultiStepDecay": {"milestones": 2}, "ConstantRate": {}}.get(name, {"length": 4})
    assert SCHEDULES[name](**needed).filled(preset).unit == unit  # type: ignore[attr-defined]


# Warming up


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        pytest.param(un.Warmup(4), [0, 0.25, 0.5, 0.75, 1, 1, 1], id="to the rate itself"),
        pytest.param(un.Warmup(2, start=0.5), [0.5, 0.75, 1, 1], id="from half of it"),
        pytest.param(un.Warmup(2, then=un.StepDecay(2, 0.5)), [0, 0.5, 1, 1, 0.5, 0.5, 0.25], id="then falling from there"),
        pytest.param(
            un.Warmup(2, then=un.StepDecay(1, 0.5, unit="epoch")), [0, 0.5, 1, 0.5, 0.5, 0.5, 0.25], id="then epochs, from the first"
        ),
        pytest.param(un.Warmup(1, unit="epoch", then=un.StepDecay(1, 0.5)), [0, 0, 0, 1, 1, 1, 0.5, 0.5, 0.5, 0.25], id="both in epochs"),
        pytest.param(
            un.Warmup(2, then=un.Warmup(2, start=0.5, then=un.StepDecay(1, 0.5))), [0, 0.5, 0.5, 0.75, 1, 0.5, 0.25], id="one in another"
        ),
        pytest.param(un.Warmup(3, start=2.0), [2, 2 - 1 / 3, 2 - 2 / 3, 1, 1], id="from above"),
    ],
)
def test_a_warm_up_rises_then_follows_another(schedule: Any, expected: list[float]) -> None:
    found = rates(schedule, "keras", len(expected), 1.0)
    assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) < DOUBLE


@pytest.mark.parametrize("then", [5, ["StepDecay"], 0.5, True])
def test_what_follows_a_warm_up_is_a_schedule(then: Any) -> None:
    with pytest.raises(DescriptionError, match="Warmup: then must be a schedule"):
        un.Warmup(4, then=then)


def test_what_follows_a_warm_up_is_looked_up() -> None:
    with pytest.raises(DescriptionError, match=r"Warmup.then: there is no 'CosineDecey'. Did you mean .*CosineDecay"):
        un.Warmup(4, then={"name": "CosineDecey", "length": 3})


# The same bits on every machine: what additions and multiplications give, not what a library's pow and cos give

EXACT = [
    pytest.param(
        un.StepDecay(1, 0.7),
        ["0x1.0000000000000p+0", "0x1.6666666666666p-1", "0x1.f5c28f5c28f5bp-2", "0x1.5f3b645a1cabfp-2", "0x1.ebb98c7e2823ep-3", "0x1.5835158b827f8p-3"],
        id="powers",
    ),
    pytest.param(
        un.CosineDecay(9, final=0.1),
        ["0x1.0000000000000p+0", "0x1.f21aed10b6119p-1", "0x1.ca18bd6107db4p-1", "0x1.8cccccccccccdp-1", "0x1.419bc94947d00p-1", "0x1.e32ed3d3d6c68p-2",
         "0x1.4cccccccccccfp-2", "0x1.a469d748ad5fep-3", "0x1.04611889f4869p-3", "0x1.999999999999ap-4", "0x1.999999999999ap-4"],
        id="a cosine",
    ),
    pytest.param(
        un.PolynomialDecay(7, 5, final=0.1),
        ["0x1.0000000000000p+0", "0x1.08654f3548a0fp-1", "0x1.11c1d6105eff6p-2", "0x1.3d19c352a3698p-3", "0x1.cee6209a1ef51p-4", "0x1.a09e6901f7037p-4",
         "0x1.99d1c014dc84fp-4", "0x1.999999999999ap-4"],
        id="a polynomial",
    ),
    pytest.param(un.Warmup(3, 0.1), ["0x1.999999999999ap-4", "0x1.999999999999ap-2", "0x1.6666666666666p-1", "0x1.0000000000000p+0"], id="a warm-up"),
]  # fmt: skip


@pytest.mark.parametrize(("schedule", "expected"), EXACT)
def test_rates_are_these_bits(schedule: Any, expected: list[str]) -> None:
    assert [rate.hex() for rate in rates(schedule, "keras", len(expected), 1.0)] == expected


def test_no_library_is_asked_for_a_power_or_a_cosine() -> None:
    tree = ast.parse(Path(inspect.getfile(un.CosineDecay)).read_text(encoding="utf-8"))
    powers = [node for node in ast.walk(tree) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)]
    assert [ast.unparse(node) for node in powers] == ["(-1) ** k"]  # of whole numbers
    called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "math"}
    assert called == {"pi", "factorial"}


@pytest.mark.parametrize("denominator", [3, 4, 7, 90, 1000, 46875])
def test_the_cosine_is_within_two_roundings_of_the_true_one(denominator: int) -> None:
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(40):
        for numerator in range(0, denominator + 1, max(1, denominator // 500)):
            x = numerator / denominator
            assert abs(cosine_of_half_turns(x) - mpmath.cos(mpmath.pi * mpmath.mpf(x))) < 2**-52


def test_the_cosine_is_exact_where_it_has_to_be() -> None:
    assert [cosine_of_half_turns(x) for x in (0.0, 0.5, 1.0)] == [1.0, 0.0, -1.0]
    assert all(cosine_of_half_turns(k / 64) == -cosine_of_half_turns(1 - k / 64) for k in range(65))
    assert all(math.copysign(1, cosine_of_half_turns(k / 64)) == math.copysign(1, math.cos(math.pi * k / 64)) for k in range(32))

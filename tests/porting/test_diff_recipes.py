"""Two recipes side by side: choices whose consequences are known."""

from __future__ import annotations

from typing import Any

import pytest

import unicnn as un
from unicnn.porting.difference.choices import Length
from unicnn.porting.difference.result import INITIAL, NO_EFFECT, NOTHING, REPORTING, TRAINING
from unicnn.porting.difference.training import Training

STEP = un.StepDecay(4, 0.1, unit="epoch")
PER_EPOCH = 235
"""Batches of 256 in 60,000 samples."""


def recipe(optimizer: Any = None, **changes: Any) -> un.Recipe:
    settings = {"batch_size": 256, "epochs": 10, "data": "fashion-mnist"} | changes
    return un.Recipe(optimizer=optimizer or un.SGD(0.1), **settings)


def momentum(form: str, **changes: Any) -> un.Recipe:
    return recipe(un.SGD(0.1, momentum=0.9, form=form), **changes)


PAIRS = {
    "the form of momentum at a constant rate": (momentum("buffer"), momentum("velocity"), {"optimizer.form": NO_EFFECT}),
    "the form of momentum with a schedule": (
        momentum("buffer", schedule=STEP),
        momentum("velocity", schedule=STEP),
        {"optimizer.form": TRAINING},
    ),
    "the form of no momentum": (
        recipe(un.SGD(0.1, form="buffer"), schedule=STEP),
        recipe(un.SGD(0.1, form="velocity"), schedule=STEP),
        {"optimizer.form": NO_EFFECT},
    ),
    "Nesterov without momentum": (recipe(), recipe(un.SGD(0.1, nesterov=True)), {"optimizer.nesterov": NO_EFFECT}),
    "Nesterov": (
        momentum("buffer"),
        recipe(un.SGD(0.1, momentum=0.9, form="buffer", nesterov=True)),
        {"optimizer.nesterov": TRAINING},
    ),
    "a divisor that ignores that the last batch is short": (
        recipe(divisor="nominal"),
        recipe(divisor="actual"),
        {"divisor": TRAINING},
    ),
    "a divisor where no batch is short": (
        recipe(divisor="nominal", last="drop"),
        recipe(divisor="actual", last="drop"),
        {"divisor": NO_EFFECT},
    ),
    "a divisor written as a number": (recipe(divisor="nominal"), recipe(divisor=256), {"divisor": NO_EFFECT}),
    "how figures are averaged": (recipe(averaging="batches"), recipe(averaging="samples"), {"averaging": REPORTING}),
    "a loss that is summed for the report": (
        recipe(loss="cross_entropy", divisor="actual"),
        recipe(loss={"name": "cross_entropy", "reduction": "sum"}, divisor="actual"),
        {"loss.reduction": REPORTING},
    ),
    "no weight decay, in two ways": (
        recipe(un.SGD(0.1, decay="l2")),
        recipe(un.SGD(0.1, decay="decoupled")),
        {"optimizer.decay": NO_EFFECT},
    ),
    "weight decay, in two ways": (
        recipe(un.SGD(0.1, weight_decay=0.01, decay="l2", momentum=0.9)),
        recipe(un.SGD(0.1, weight_decay=0.01, decay="decoupled", momentum=0.9)),
        {"optimizer.decay": TRAINING},
    ),
    "a schedule that changes nothing": (recipe(), recipe(schedule=un.StepDecay(100, unit="epoch")), {"schedule": NO_EFFECT}),
    "one schedule in two units": (
        recipe(schedule=un.StepDecay(4, 0.1, unit="epoch")),
        recipe(schedule=un.StepDecay(4 * PER_EPOCH, 0.1, unit="update")),
        {"schedule": NO_EFFECT},
    ),
    "initial weights": (
        recipe(init="gluon"),
        recipe(init={"weight": un.Normal(0.01), "bias": un.Constant(0)}),
        {"init.weight": INITIAL},
    ),
    "Adam as PyTorch and as Keras have it": (
        recipe(un.Adam(0.001), preset="torch"),
        recipe(un.Adam(0.001), preset="keras"),
        {
            "optimizer.decay": NO_EFFECT,
            "optimizer.eps": TRAINING,
            "optimizer.eps_placement": TRAINING,
            "schedule.unit": NO_EFFECT,
            "init.weight": INITIAL,
            "init.bias": INITIAL,
        },
    ),
    "two optimisers": (recipe(), recipe(un.Adam(0.001)), {"optimizer": TRAINING}),
    "how long": (recipe(), recipe(epochs=None, steps=6000), {"length": TRAINING}),
    "what is trained, left open": (recipe(model="lenet"), recipe(), {"model": NO_EFFECT}),
    "pixels that are divided": (recipe(), recipe(data=un.Data("fashion-mnist", divide_by=1.0)), {"data.divide_by": TRAINING}),
}


@pytest.mark.parametrize(("a", "b", "expected"), PAIRS.values(), ids=PAIRS)
def test_what_differs_and_how_much_it_matters(a: un.Recipe, b: un.Recipe, expected: dict[str, str]) -> None:
    result = un.diff(a, b)
    assert {item.what: item.severity for item in result.differences} == expected
    assert result.same == (set(expected.values()) == {NO_EFFECT})


@pytest.mark.parametrize(("a", "b", "expected"), PAIRS.values(), ids=PAIRS)
def test_what_is_measured_agrees_with_what_is_said(a: un.Recipe, b: un.Recipe, expected: dict[str, str]) -> None:
    for item in un.diff(a, b).differences:
        if item.effect.weights is not None:
            assert (item.effect.weights > NOTHING) == (expected[item.what] == TRAINING)


@pytest.mark.parametrize("a", [a for a, _, _ in PAIRS.values()], ids=PAIRS)
def test_a_recipe_differs_in_nothing_from_itself(a: un.Recipe) -> None:
    result = un.diff(a, a.replace(name="again"))
    assert (result.differences, result.same, result.first_rate) == ((), True, None)
    assert result.verdict == "The same recipe: nothing differs."


def test_forms_of_momentum_part_at_the_first_change_of_rate() -> None:
    a, b = momentum("buffer", schedule=STEP), momentum("velocity", schedule=STEP)
    result = un.diff(a, b)
    training = Training(a, b, 0)
    changed = next(place for place, update in enumerate(training.updates) if update >= 4 * PER_EPOCH)
    assert changed > 1
    assert result.differences[0].effect.step == changed + 1
    assert f"step {changed + 1} has the rate of update {4 * PER_EPOCH + 1}" in result.differences[0].effect.note
    assert result.first_rate is None


def test_a_short_batch_is_where_divisors_part() -> None:
    (difference,) = un.diff(recipe(divisor="nominal"), recipe(divisor="actual")).differences
    assert difference.effect.step == 4
    assert "every fourth batch is a short one" in difference.effect.note


@pytest.mark.parametrize(
    ("a", "b", "first"),
    [
        (STEP, un.StepDecay(4, 0.5, unit="epoch"), 4 * PER_EPOCH + 1),
        (STEP, un.StepDecay(2, 0.1, unit="epoch"), 2 * PER_EPOCH + 1),
        (un.CosineDecay(100, first=0, after="hold", unit="update"), un.CosineDecay(100, first=1, after="hold", unit="update"), 1),
        (
            un.MultiStepDecay((7,), boundary="later", unit="update"),
            un.MultiStepDecay((7,), boundary="earlier", unit="update"),
            8,
        ),
    ],
    ids=["another factor", "earlier", "MXNet's cosine begins at 1", "Keras keeps the earlier rate at a boundary"],
)
def test_the_first_update_with_another_rate_is_told(a: Any, b: Any, first: int) -> None:
    one, other = recipe(schedule=a), recipe(schedule=b)
    result = un.diff(one, other)
    assert result.first_rate == first
    assert f"differ from update {first:,} on" in result.verdict
    rates = {update: (x, y) for update, _, x, y in result.rates}
    assert rates[first][0] != rates[first][1]
    assert first == 1 or rates[first - 1][0] == rates[first - 1][1]
    assert rates[first] == (one.rate(first - 1, (first - 1) // PER_EPOCH), other.rate(first - 1, (first - 1) // PER_EPOCH))


def test_each_choice_is_made_alone() -> None:
    a = recipe(un.SGD(0.1, momentum=0.5, form="buffer"))
    both = recipe(un.SGD(0.2, momentum=0.9, form="buffer"))
    rate, mass = un.diff(a, both).differences
    (alone,) = un.diff(a, recipe(un.SGD(0.2, momentum=0.5, form="buffer"))).differences
    assert rate.effect == alone.effect
    assert rate.effect.weights != mass.effect.weights
    assert un.diff(a, both).together.weights not in (rate.effect.weights, mass.effect.weights)


def test_the_length_of_a_training_is_counted() -> None:
    assert Length.of(recipe()) == Length(PER_EPOCH, 10 * PER_EPOCH)
    assert Length.of(recipe(last="drop")) == Length(PER_EPOCH - 1, 10 * (PER_EPOCH - 1))
    assert Length.of(recipe(epochs=None, steps=7, data=un.Data("fashion-mnist", train=1000))) == Length(4, 7)


def test_first_weights_are_told_by_their_size() -> None:
    difference = next(item for item in un.diff(recipe(init="gluon"), recipe(init="torch")).differences if item.what == "init.weight")
    told = [float(word.strip(".")) for word in difference.effect.note.split()[-3:] if word != "and"]
    # Uniform within 0.07, and within 1/sqrt(180), of 9,000 values: a standard deviation is known to about 1 in 200.
    for found, bound in zip(told, (0.07, 180**-0.5), strict=True):
        assert abs(found - bound / 3**0.5) < 0.02 * found
    assert told[0] != told[1]


def test_another_rate_does_not_hide_that_schedules_agree() -> None:
    a, b = recipe(preset="torch"), recipe(un.SGD(0.2), preset="keras")
    found = {item.what: item.severity for item in un.diff(a, b).differences}
    assert (found["schedule.unit"], found["optimizer.learning_rate"]) == (NO_EFFECT, TRAINING)


def test_recipes_are_compared_from_the_same_start() -> None:
    result = un.diff(recipe(init="gluon"), recipe(init="torch"))
    assert result.together.weights == 0
    assert "differ in how the weights begin, not in how they move" in result.verdict
    moved = un.diff(recipe(init="gluon"), recipe(un.SGD(0.2), init="torch"))
    assert moved.together == next(item.effect for item in moved.differences if item.what == "optimizer.learning_rate")

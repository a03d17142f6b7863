"""In float64 every backend trains alike, step by step, whatever the recipe: each setting against NumPy's arithmetic, and none without effect."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import unicnn as un
from tests.training.small import HALVED, NETWORK, RATE, SIZE, STEPS, arrays, difference, samples, targets
from unicnn.training.clipping import CLIPS
from unicnn.training.optimizers import OPTIMIZERS
from unicnn.training.run import Run

BOUND = 1e-10
"""Of the largest entry. Rounding gives some 1e-14 here; float32 anywhere, in a number as in an array, gives 1e-8 or more."""
SEEN = 1e-5
"""What another setting changes, at least, of the largest entry."""

EPS = 2**-10
BETAS = {"beta1": 0.875, "beta2": 0.96875}
BUFFER, VELOCITY = ({"momentum": 0.875, "form": form} for form in ("buffer", "velocity"))
PLAIN = un.SGD(RATE)
ROOTED = {"rho": 0.875, "eps": EPS}


def adam(**settings: Any) -> un.Adam:
    return un.Adam(2**-6, **{**BETAS, "eps": EPS, **settings})


def adamw(**settings: Any) -> un.AdamW:
    return un.AdamW(2**-6, **{**BETAS, "eps": EPS, "weight_decay": 0.25, **settings})


def rmsprop(**settings: Any) -> un.RMSProp:
    return un.RMSProp(2**-6, **{**ROOTED, **settings})


def adagrad(**settings: Any) -> un.Adagrad:
    return un.Adagrad(2**-4, **{"initial": 0.0, "eps": EPS, **settings})


def sgd(rate: float = RATE, **settings: Any) -> un.SGD:
    return un.SGD(rate, **settings)


def both(optimizer: Any, other: Any, **settings: Any) -> tuple[Any, Any]:
    return {"optimizer": optimizer, **settings}, {"optimizer": other, **settings}


SHORT = {"last": "keep"}
"""21 samples in batches of 8: the last of an epoch has 5."""
SUM, SQUARES = un.CrossEntropy("sum"), un.SquaredError(0.5, "sum")

VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "SGD": both(PLAIN, sgd(2**-5)),
    "SGD whose rate changes": ({"schedule": HALVED}, {}),
    "SGD with a momentum buffer": both(sgd(**BUFFER), sgd(**VELOCITY), schedule=HALVED),
    "SGD with a velocity": both(sgd(**VELOCITY), sgd(**VELOCITY, nesterov=True), schedule=HALVED),
    "SGD that looks ahead from a buffer": both(sgd(**BUFFER, nesterov=True), sgd(**VELOCITY, nesterov=True), schedule=HALVED),
    "SGD that looks ahead from a velocity": both(sgd(**VELOCITY, nesterov=True), sgd(**BUFFER, nesterov=True), schedule=HALVED),
    "Adam, eps on the corrected root": both(adam(eps_placement="corrected"), adam(eps_placement="uncorrected")),
    "Adam, eps on the uncorrected root": both(adam(eps_placement="uncorrected"), adam(eps_placement="uncorrected", eps=EPS / 2)),
    "Adam with another beta1": both(adam(beta1=0.75), adam()),
    "Adam with another beta2": both(adam(beta2=0.875), adam()),
    "Adam whose rate changes": both(adam(), adam(beta1=0.75), schedule=HALVED),
    "AdamW, eps on the corrected root": both(adamw(), adam(weight_decay=0.25, decay="l2")),
    "AdamW, eps on the uncorrected root": both(adamw(eps_placement="uncorrected"), adamw()),
    "RMSProp, eps outside the root": both(rmsprop(eps_placement="outside"), rmsprop(eps_placement="inside")),
    "RMSProp, eps inside the root": both(rmsprop(eps_placement="inside"), rmsprop(eps_placement="inside", rho=0.75)),
    "RMSProp, centred": both(rmsprop(centered=True), rmsprop()),
    "RMSProp, centred, eps inside the root": both(rmsprop(centered=True, eps_placement="inside"), rmsprop(centered=True)),
    "RMSProp with a momentum buffer": both(rmsprop(**BUFFER), rmsprop(**VELOCITY), schedule=HALVED),
    "RMSProp with a velocity": both(rmsprop(**VELOCITY), rmsprop(), schedule=HALVED),
    "RMSProp, centred, with a velocity": both(rmsprop(centered=True, **VELOCITY), rmsprop(**VELOCITY)),
    "Adagrad, eps outside the root": both(adagrad(eps_placement="outside"), adagrad(eps_placement="inside")),
    "Adagrad, eps inside the root": both(adagrad(eps_placement="inside"), adagrad(eps_placement="inside", eps=EPS / 2)),
    "Adagrad from another beginning": both(adagrad(initial=0.125), adagrad()),
    "decay added to every gradient": both(sgd(weight_decay=0.25, **BUFFER), sgd(weight_decay=0.25, decay="decoupled", **BUFFER)),
    "decay of every parameter itself": both(
        sgd(weight_decay=0.25, decay="decoupled", **BUFFER), sgd(weight_decay=0.125, decay="decoupled", **BUFFER)
    ),
    "decay added to the gradient of weights": both(sgd(weight_decay=0.25, decay_applies_to="weights"), sgd(weight_decay=0.25)),
    "decay of weights themselves": both(
        sgd(weight_decay=0.25, decay="decoupled", decay_applies_to="weights"), sgd(weight_decay=0.25, decay="decoupled")
    ),
    "decay added to the gradient, in Adam": both(adam(weight_decay=0.25), adam(weight_decay=0.25, decay="decoupled")),
    "decay of the parameter itself, in RMSProp": both(rmsprop(weight_decay=0.25, decay="decoupled"), rmsprop(weight_decay=0.25)),
    "decay added to the gradient, in Adagrad": both(adagrad(weight_decay=0.25), adagrad(weight_decay=0.25, decay="decoupled")),
    "each element of a gradient clipped": ({"clip": un.ClipValue(2**-6)}, {"clip": un.ClipValue(2**-5)}),
    "each gradient's norm clipped": ({"clip": un.ClipNorm(0.0625)}, {"clip": un.ClipGlobalNorm(0.0625, 0.0)}),
    "the norm of all gradients clipped": ({"clip": un.ClipGlobalNorm(0.25, 0.0)}, {"clip": un.ClipNorm(0.25)}),
    "the norm of all gradients clipped, with an eps": ({"clip": un.ClipGlobalNorm(0.25, 2**-6)}, {"clip": un.ClipGlobalNorm(0.25, 0.0)}),
    "clipped, then decayed, in Adam": both(adam(weight_decay=0.25), adam(), clip=un.ClipValue(2**-6)),
    "cross entropy, summed": ({"loss": SUM, "divisor": 16.0}, {"loss": SUM, "divisor": 8.0}),
    "squared error, averaged": ({"loss": un.SquaredError(0.5)}, {"loss": un.SquaredError(1.0)}),
    "squared error, summed": ({"loss": SQUARES, "divisor": 32.0}, {"loss": un.SquaredError(0.25, "sum"), "divisor": 32.0}),
    "a short batch, divided by its size": ({**SHORT, "divisor": "actual"}, {**SHORT, "divisor": "nominal"}),
    "a short batch, divided by the nominal size": ({**SHORT, "divisor": "nominal"}, {**SHORT, "divisor": "actual"}),
    "a short batch, divided by a number": ({**SHORT, "divisor": 12.0}, {**SHORT, "divisor": "actual"}),
    "a short batch of a sum, divided by its size": ({**SHORT, "loss": SUM, "divisor": "actual"}, {**SHORT, "loss": SUM, "divisor": 8.0}),
    "a short batch of a sum, divided by the nominal size": (
        {**SHORT, "loss": SUM, "divisor": "nominal"},
        {**SHORT, "loss": SUM, "divisor": "actual"},
    ),
    "a short batch, dropped": ({"last": "drop"}, {"last": "pad"}),
    "a short batch, filled from the beginning": ({"last": "pad"}, {"last": "keep"}),
    "samples in order": ({"order": "sequential"}, {"order": "shuffle"}),
    "samples drawn with replacement": ({"order": "sample"}, {"order": "shuffle"}),
}
NAMES = list(VARIANTS)


def carried_out(settings: dict[str, Any], backend: str) -> Run:
    recipe = un.Recipe(**{"optimizer": PLAIN, "batch_size": SIZE, "steps": STEPS, "last": "drop", **settings})
    data = (samples if recipe.metrics else targets)(21)
    run = Run(NETWORK, recipe, backend, "float64", seed=4, data=data)
    run.go()
    return run


@cache
def by_numpy(name: str) -> Run:
    return carried_out(VARIANTS[name][0], "numpy")


@pytest.mark.parametrize("name", NAMES)
def test_every_loss_weight_and_state_is_that_of_numpy(name: str, backend: str) -> None:
    mine, numpys = arrays(carried_out(VARIANTS[name][0], backend)), arrays(by_numpy(name))
    assert mine.keys() == numpys.keys()
    bound = 0.0 if backend == "numpy" else BOUND  # NumPy itself gives the same bits once more
    for part, array in numpys.items():
        assert array.dtype == mine[part].dtype == np.float64, part
        assert difference(mine[part], array) <= bound, part


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_changes_and_every_weight_moves(name: str) -> None:
    run = by_numpy(name)
    found, start = arrays(run), un.initial_weights(NETWORK, seed=4)
    assert len(run.history.losses) == STEPS
    assert np.ptp(run.history.losses) > 0.1 * max(run.history.losses)
    for weight, array in start.items():
        assert np.abs(found[weight] - array).max() > 1e-3, weight


@pytest.mark.parametrize("name", NAMES)
def test_another_setting_would_be_seen(name: str) -> None:
    one, other = arrays(by_numpy(name)), arrays(carried_out(VARIANTS[name][1], "numpy"))
    for part in (*un.initial_weights(NETWORK, seed=4), "losses"):
        assert difference(one[part], other[part]) > SEEN, part


def test_every_optimizer_and_every_limit_is_tried() -> None:
    recipes = [by_numpy(name).recipe for name in NAMES]
    assert {type(recipe.optimizer) for recipe in recipes} == set(OPTIMIZERS.values())
    assert {type(recipe.clip) for recipe in recipes} == {type(None), *CLIPS.values()}
    for field, values in {"order": 3, "last": 3, "divisor": 5}.items():
        assert len({getattr(recipe, field) for recipe in recipes}) == values


@pytest.mark.parametrize("name", NAMES)
def test_every_number_is_exact_in_float32(name: str) -> None:
    """So that what frameworks keep in float32 is no reason for a difference."""
    recipe = by_numpy(name).recipe
    numbers = [value for part in (recipe.optimizer, recipe.schedule, recipe.clip) if part for value in part.fields().values()]
    found = [value for value in numbers if isinstance(value, float)]
    assert found
    assert found == [float(np.float32(value)) for value in found]

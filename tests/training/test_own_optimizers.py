"""A recipe against each framework's own optimiser, loss and layers in a loop written by hand: the same weights after every update, in float64."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

import unicnn as un
from tests.training.small import HALVED, RATE, SIZE, STEPS, difference, samples, targets
from unicnn.training.batches import Batches
from unicnn.training.optimizers import power
from unicnn.training.update import numbers

BOUND = 1e-10
"""Of the largest entry. Hyperparameters that a framework keeps in float32 are ones that float32 holds; all else is float64."""
COUNT, SEED = 21, 4  # the last of three batches has 5 samples

NETWORK = un.Sequential([un.Conv2d(3, 3, activation="relu"), un.MaxPool2d(2), un.Flatten(), un.Linear(4)], input=(2, 8, 8), name="plain")
EPS = 2**-10
MOMENTUM = {"momentum": 0.875}
BETAS = {"beta1": 0.875, "beta2": 0.96875}


@dataclass(frozen=True, eq=False)
class Case:
    """Hold a recipe's optimiser, what a framework's own is made of, and what else differs from the plain recipe."""

    optimizer: Any
    own: Callable[[Any, Any], Any]
    rest: dict[str, Any] = dataclasses.field(default_factory=dict)
    limit: Callable[[Any, Any], Any] | None = None


def recipe(case: Case, preset: str) -> un.Recipe:
    return un.Recipe(**{"optimizer": case.optimizer, "batch_size": SIZE, "steps": STEPS, "preset": preset, **case.rest})


def data(of: un.Recipe) -> tuple[Any, Any]:
    return (samples if isinstance(of.loss, un.CrossEntropy) else targets)(COUNT)


def start() -> dict[str, Any]:
    return {name: array.astype(np.float64) for name, array in un.initial_weights(NETWORK, seed=7).items()}


def batches(of: un.Recipe) -> Iterator[tuple[Any, Any]]:
    x, y = data(of)
    order = Batches.of(of, COUNT, SEED)
    for step in range(STEPS):
        yield x[order.indices(step)], y[order.indices(step)]


@cache
def trained(case: Case, preset: str, backend: str) -> dict[str, Any]:
    of = recipe(case, preset)
    history, program = un.train(NETWORK, of, backend, "float64", seed=SEED, data=data(of), weights=start())
    return {"losses": np.array(history.losses)} | program.weights()


def check(case: Case, preset: str, backend: str, own: dict[str, Any]) -> None:
    mine, begun = trained(case, preset, backend), start()
    assert mine.keys() == own.keys()
    for name, array in own.items():
        assert array.dtype == np.float64, name
        assert difference(mine[name], array) < BOUND, name
        assert np.abs(array - begun.get(name, array[0])).max() > 1e-3, name


# PyTorch, which computes with Python's numbers: its defaults are taken as they are


def by_torch(case: Case) -> dict[str, Any]:
    import torch
    from torch import nn

    of, weights = recipe(case, "torch"), start()
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 4)).double()
    parameters = dict(zip(weights, network.parameters(), strict=True))
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(torch.from_numpy(weights[name]))
    kind = nn.CrossEntropyLoss if isinstance(of.loss, un.CrossEntropy) else nn.MSELoss
    loss_function = kind(reduction=of.loss.reduction)
    optimizer = case.own(torch.optim, network.parameters())
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 7, 0.5) if of.schedule == HALVED else None
    losses = []
    for x, y in batches(of):
        optimizer.zero_grad()
        loss = loss_function(network(torch.from_numpy(x)), torch.from_numpy(y))
        loss.backward()
        if case.limit is not None:
            case.limit(nn.utils, network.parameters())
        optimizer.step()
        if schedule is not None:
            schedule.step()
        losses.append(loss.item())
    return {"losses": np.array(losses)} | {name: parameter.detach().numpy() for name, parameter in parameters.items()}


TORCH = {
    "SGD": Case(un.SGD(RATE), lambda optim, p: optim.SGD(p, RATE)),
    "SGD with momentum and a rate that changes": Case(
        un.SGD(RATE, **MOMENTUM), lambda optim, p: optim.SGD(p, RATE, **MOMENTUM), {"schedule": HALVED}
    ),
    "SGD that looks ahead, its rate changing": Case(
        un.SGD(RATE, **MOMENTUM, nesterov=True), lambda optim, p: optim.SGD(p, RATE, **MOMENTUM, nesterov=True), {"schedule": HALVED}
    ),
    "SGD with momentum and weight decay": Case(
        un.SGD(RATE, **MOMENTUM, weight_decay=0.125), lambda optim, p: optim.SGD(p, RATE, **MOMENTUM, weight_decay=0.125)
    ),
    "Adam": Case(un.Adam(RATE), lambda optim, p: optim.Adam(p, RATE)),
    "Adam with a large eps and other betas": Case(
        un.Adam(RATE, beta1=0.8, beta2=0.95, eps=0.01), lambda optim, p: optim.Adam(p, RATE, betas=(0.8, 0.95), eps=0.01)
    ),
    "Adam with weight decay": Case(un.Adam(RATE, weight_decay=0.125), lambda optim, p: optim.Adam(p, RATE, weight_decay=0.125)),
    "AdamW": Case(un.AdamW(RATE), lambda optim, p: optim.AdamW(p, RATE)),
    "AdamW with more decay and a rate that changes": Case(
        un.AdamW(RATE, weight_decay=0.5), lambda optim, p: optim.AdamW(p, RATE, weight_decay=0.5), {"schedule": HALVED}
    ),
    "RMSprop": Case(un.RMSProp(RATE), lambda optim, p: optim.RMSprop(p, RATE)),
    "RMSprop, centred": Case(un.RMSProp(RATE, eps=0.01, centered=True), lambda optim, p: optim.RMSprop(p, RATE, eps=0.01, centered=True)),
    "RMSprop with momentum, decay and a rate that changes": Case(
        un.RMSProp(RATE, rho=0.875, **MOMENTUM, weight_decay=0.125),
        lambda optim, p: optim.RMSprop(p, RATE, alpha=0.875, **MOMENTUM, weight_decay=0.125),
        {"schedule": HALVED},
    ),
    "Adagrad": Case(un.Adagrad(RATE), lambda optim, p: optim.Adagrad(p, RATE)),
    "Adagrad from another beginning, with weight decay": Case(
        un.Adagrad(RATE, initial=0.25, weight_decay=0.125),
        lambda optim, p: optim.Adagrad(p, RATE, initial_accumulator_value=0.25, weight_decay=0.125),
    ),
    "clip_grad_norm_": Case(
        un.SGD(RATE),
        lambda optim, p: optim.SGD(p, RATE),
        {"clip": un.ClipGlobalNorm(0.25)},
        lambda utils, p: utils.clip_grad_norm_(p, 0.25),
    ),
    "clip_grad_value_, then weight decay": Case(
        un.SGD(RATE, weight_decay=0.125),
        lambda optim, p: optim.SGD(p, RATE, weight_decay=0.125),
        {"clip": un.ClipValue(0.03125)},
        lambda utils, p: utils.clip_grad_value_(p, 0.03125),
    ),
    "the sum of the cross entropy": Case(un.SGD(RATE / 8), lambda optim, p: optim.SGD(p, RATE / 8), {"loss": un.CrossEntropy("sum")}),
    "MSELoss": Case(un.SGD(RATE), lambda optim, p: optim.SGD(p, RATE), {"loss": "squared_error"}),
    "the sum of the squared error": Case(
        un.SGD(RATE / 32), lambda optim, p: optim.SGD(p, RATE / 32), {"loss": un.SquaredError(reduction="sum")}
    ),
}


@cache
def torch_once(name: str) -> dict[str, Any]:
    return by_torch(TORCH[name])


@pytest.mark.parametrize("backend_", ["numpy", "torch"], ids=lambda name: f"on {name}")
@pytest.mark.parametrize("name", TORCH)
def test_the_preset_torch_is_what_torch_does(name: str, backend_: str) -> None:
    pytest.importorskip("unicnn_torch")
    check(TORCH[name], "torch", backend_, torch_once(name))


# Keras, whose learning rate is float32


def by_keras(case: Case) -> dict[str, Any]:
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras
    import tensorflow as tf

    of, weights = recipe(case, "keras"), start()
    wide = {"dtype": "float64"}
    conv, dense = keras.layers.Conv2D(3, 3, activation="relu", **wide), keras.layers.Dense(4, **wide)
    shape = [keras.layers.MaxPooling2D(2, **wide), keras.layers.Permute((3, 1, 2), **wide), keras.layers.Flatten(**wide)]
    network = keras.Sequential([keras.layers.Input((8, 8, 2), **wide), conv, *shape, dense])
    conv.set_weights([weights["conv1.weight"].transpose(2, 3, 1, 0), weights["conv1.bias"]])
    dense.set_weights([weights["linear1.weight"].T, weights["linear1.bias"]])
    reduction = {"mean": "sum_over_batch_size"}.get(of.loss.reduction, of.loss.reduction)
    if isinstance(of.loss, un.CrossEntropy):
        loss_function = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction, **wide)
    else:
        loss_function = keras.losses.MeanSquaredError(reduction=reduction, **wide)
    rate = keras.optimizers.schedules.ExponentialDecay(RATE, 7, 0.5, staircase=True) if of.schedule == HALVED else RATE
    optimizer = case.own(keras.optimizers, rate)
    losses = []
    for x, y in batches(of):
        with tf.GradientTape() as tape:
            loss = loss_function(y, network(x.transpose(0, 2, 3, 1), training=True))
        optimizer.apply_gradients(zip(tape.gradient(loss, network.trainable_weights), network.trainable_weights, strict=True))
        losses.append(float(loss))
    (kernel, conv_bias), (matrix, dense_bias) = conv.get_weights(), dense.get_weights()
    return {
        "losses": np.array(losses),
        "conv1.weight": kernel.transpose(3, 2, 0, 1),
        "conv1.bias": conv_bias,
        "linear1.weight": matrix.T,
        "linear1.bias": dense_bias,
    }


KERAS = {
    "SGD": Case(un.SGD(RATE), lambda optim, rate: optim.SGD(rate)),
    "SGD with momentum and a rate that changes": Case(
        un.SGD(RATE, **MOMENTUM), lambda optim, rate: optim.SGD(rate, **MOMENTUM), {"schedule": HALVED}
    ),
    "SGD that looks ahead, its rate changing": Case(
        un.SGD(RATE, **MOMENTUM, nesterov=True), lambda optim, rate: optim.SGD(rate, **MOMENTUM, nesterov=True), {"schedule": HALVED}
    ),
    "SGD with momentum and weight decay": Case(
        un.SGD(RATE, **MOMENTUM, weight_decay=0.125), lambda optim, rate: optim.SGD(rate, **MOMENTUM, weight_decay=0.125)
    ),
    "Adam": Case(un.Adam(RATE, **BETAS), lambda optim, rate: optim.Adam(rate, beta_1=0.875, beta_2=0.96875)),
    "Adam with a large eps and weight decay": Case(
        un.Adam(RATE, **BETAS, eps=EPS, weight_decay=0.125),
        lambda optim, rate: optim.Adam(rate, beta_1=0.875, beta_2=0.96875, epsilon=EPS, weight_decay=0.125),
    ),
    "AdamW": Case(
        un.AdamW(RATE, **BETAS, weight_decay=float(np.float32(0.004))), lambda optim, rate: optim.AdamW(rate, beta_1=0.875, beta_2=0.96875)
    ),
    "RMSprop": Case(un.RMSProp(RATE), lambda optim, rate: optim.RMSprop(rate)),
    "RMSprop, centred": Case(un.RMSProp(RATE, centered=True, eps=EPS), lambda optim, rate: optim.RMSprop(rate, centered=True, epsilon=EPS)),
    "RMSprop with momentum, decay and a rate that changes": Case(
        un.RMSProp(RATE, rho=0.875, **MOMENTUM, weight_decay=0.125),
        lambda optim, rate: optim.RMSprop(rate, rho=0.875, **MOMENTUM, weight_decay=0.125),
        {"schedule": HALVED},
    ),
    "Adagrad": Case(un.Adagrad(RATE, initial=float(np.float32(0.1))), lambda optim, rate: optim.Adagrad(rate)),
    "Adagrad from another beginning, with weight decay": Case(
        un.Adagrad(RATE, initial=0.25, weight_decay=0.125),
        lambda optim, rate: optim.Adagrad(rate, initial_accumulator_value=0.25, weight_decay=0.125),
    ),
    "clipnorm": Case(un.SGD(RATE), lambda optim, rate: optim.SGD(rate, clipnorm=0.125), {"clip": un.ClipNorm(0.125)}),
    "global_clipnorm": Case(un.SGD(RATE), lambda optim, rate: optim.SGD(rate, global_clipnorm=0.25), {"clip": un.ClipGlobalNorm(0.25)}),
    "clipvalue, then weight decay": Case(
        un.SGD(RATE, weight_decay=0.125),
        lambda optim, rate: optim.SGD(rate, clipvalue=0.03125, weight_decay=0.125),
        {"clip": un.ClipValue(0.03125)},
    ),
    "the sum of the cross entropy": Case(un.SGD(RATE / 8), lambda optim, rate: optim.SGD(rate / 8), {"loss": un.CrossEntropy("sum")}),
    "MeanSquaredError": Case(un.SGD(RATE), lambda optim, rate: optim.SGD(rate), {"loss": "squared_error"}),
}


@cache
def keras_once(name: str) -> dict[str, Any]:
    return by_keras(KERAS[name])


@pytest.mark.parametrize("backend_", ["numpy", "tensorflow"], ids=lambda name: f"on {name}")
@pytest.mark.parametrize("name", KERAS)
def test_the_preset_keras_is_what_keras_does(name: str, backend_: str) -> None:
    pytest.importorskip("unicnn_tensorflow")
    pytest.importorskip("keras")
    check(KERAS[name], "keras", backend_, keras_once(name))


# Gluon, whose fused updates hold every number in float32, and whose Trainer divides by the size it is told


class Fused(un.ConstantRate):
    """Be the schedule under which Adam's step, the correction included, is a number that float32 holds: MXNet makes it one."""

    def at(self, update: int, epoch: int) -> float:
        first, second = 1 - power(BETAS["beta1"], update + 1), math.sqrt(1 - power(BETAS["beta2"], update + 1))
        return float(np.float32(second / first)) * first / second


FUSED = Fused()


def by_gluon(case: Case) -> dict[str, Any]:
    from unicnn_mxnet.compat import mx

    nn, of, weights = mx.gluon.nn, recipe(case, "gluon"), start()
    network = nn.Sequential()
    network.add(nn.Conv2D(3, 3, activation="relu", in_channels=2), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(4, in_units=27))
    network.cast("float64")
    network.initialize()
    parameters = dict(zip(weights, network.collect_params().values(), strict=True))
    for name, parameter in parameters.items():
        parameter.set_data(mx.nd.array(weights[name], dtype="float64"))
    loss_function = mx.gluon.loss.SoftmaxCrossEntropyLoss() if isinstance(of.loss, un.CrossEntropy) else mx.gluon.loss.L2Loss()
    schedule = mx.lr_scheduler.FactorScheduler(7, 0.5, base_lr=RATE) if of.schedule == HALVED else None
    optimizer = case.own(mx.optimizer, {"learning_rate": RATE, "lr_scheduler": schedule})
    trainer = mx.gluon.Trainer(network.collect_params(), optimizer)
    losses = []
    for step, (x, y) in enumerate(batches(of)):
        with mx.autograd.record():
            loss = loss_function(network(mx.nd.array(x, dtype="float64")), mx.nd.array(y, dtype="float64"))
        loss.backward()
        if isinstance(of.schedule, Fused):
            trainer.set_learning_rate(of.rate(step, 0))
        if case.limit is not None:
            gradients = [parameter.grad() for parameter in parameters.values()]
            for gradient in gradients:
                gradient /= SIZE
            case.limit(mx.gluon.utils, gradients)
        trainer.step(1 if case.limit is not None else SIZE)  # of a short last batch too
        losses.append((loss.mean() if of.loss.reduction == "mean" else loss.sum()).asscalar())
    return {"losses": np.array(losses, np.float64)} | {name: parameter.data().asnumpy() for name, parameter in parameters.items()}


def wide(optimizer: type[Any]) -> type[Any]:
    """Return the optimiser with a state in the type of the weights: MXNet makes it float32, which its own kernel then rejects."""

    class Wide(optimizer):
        def create_state(self, index: int, weight: Any) -> Any:
            state = super().create_state(index, weight)
            return tuple(item.astype(weight.dtype) for item in state) if isinstance(state, tuple) else state.astype(weight.dtype)

    return Wide


def clip_global_norm(utils: Any, gradients: list[Any]) -> None:
    """Clip in float64: the function compares its factor with a 1 of float32, which MXNet rejects."""
    with patch.object(utils.ndarray, "ones", partial(utils.ndarray.ones, dtype="float64")):
        utils.clip_global_norm(gradients, 0.25)


GLUON = {
    "SGD": Case(un.SGD(RATE), lambda optim, rate: optim.SGD(**rate)),
    "SGD with momentum and a rate that changes": Case(
        un.SGD(RATE, **MOMENTUM), lambda optim, rate: optim.SGD(**MOMENTUM, **rate), {"schedule": HALVED}
    ),
    "NAG, its rate changing": Case(
        un.SGD(RATE, **MOMENTUM, nesterov=True), lambda optim, rate: optim.NAG(**MOMENTUM, **rate), {"schedule": HALVED}
    ),
    "SGD with momentum and wd": Case(
        un.SGD(RATE, **MOMENTUM, weight_decay=0.125), lambda optim, rate: optim.SGD(**MOMENTUM, wd=0.125, **rate)
    ),
    "Adam": Case(un.Adam(RATE, **BETAS, eps=EPS), lambda optim, rate: optim.Adam(**BETAS, epsilon=EPS, **rate), {"schedule": FUSED}),
    "Adam with wd": Case(
        un.Adam(RATE, **BETAS, eps=EPS, weight_decay=0.125),
        lambda optim, rate: optim.Adam(**BETAS, epsilon=EPS, wd=0.125, **rate),
        {"schedule": FUSED},
    ),
    "RMSProp with wd": Case(
        un.RMSProp(RATE, rho=0.875, eps=EPS, weight_decay=0.125),
        lambda optim, rate: wide(optim.RMSProp)(gamma1=0.875, epsilon=EPS, wd=0.125, **rate),
    ),
    "RMSProp, centred, with its own momentum": Case(
        un.RMSProp(RATE, rho=0.875, eps=EPS, centered=True, momentum=0.75),
        lambda optim, rate: wide(optim.RMSProp)(gamma1=0.875, gamma2=0.75, centered=True, epsilon=EPS, **rate),
    ),
    "RMSProp, centred, its rate changing": Case(
        un.RMSProp(RATE, rho=0.875, eps=EPS, centered=True, momentum=0.75),
        lambda optim, rate: wide(optim.RMSProp)(gamma1=0.875, gamma2=0.75, centered=True, epsilon=EPS, **rate),
        {"schedule": HALVED},
    ),
    "AdaGrad": Case(un.Adagrad(RATE), lambda optim, rate: wide(optim.AdaGrad)(**rate)),
    "AdaGrad with wd": Case(
        un.Adagrad(RATE, eps=EPS, weight_decay=0.125), lambda optim, rate: wide(optim.AdaGrad)(eps=EPS, wd=0.125, **rate)
    ),
    "clip_gradient, then wd": Case(
        un.SGD(RATE, weight_decay=0.125),
        lambda optim, rate: optim.SGD(wd=0.125, clip_gradient=0.03125, **rate),
        {"clip": un.ClipValue(0.03125)},
    ),
    "clip_gradient of Adam": Case(
        un.Adam(RATE, **BETAS, eps=EPS),
        lambda optim, rate: optim.Adam(**BETAS, epsilon=EPS, clip_gradient=0.03125, **rate),
        {"clip": un.ClipValue(0.03125), "schedule": FUSED},
    ),
    "clip_global_norm": Case(
        un.SGD(RATE),
        lambda optim, rate: optim.SGD(**rate),
        {"clip": un.ClipGlobalNorm(0.25)},
        clip_global_norm,
    ),
    "the sum of the cross entropy": Case(un.SGD(RATE), lambda optim, rate: optim.SGD(**rate), {"loss": un.CrossEntropy("sum")}),
    "L2Loss": Case(un.SGD(RATE), lambda optim, rate: optim.SGD(**rate), {"loss": un.SquaredError(0.5)}),
}


@cache
def gluon_once(name: str) -> dict[str, Any]:
    return by_gluon(GLUON[name])


@pytest.mark.parametrize("backend_", ["numpy", "mxnet"], ids=lambda name: f"on {name}")
@pytest.mark.parametrize("name", GLUON)
def test_the_preset_gluon_is_what_gluon_does(name: str, backend_: str) -> None:
    pytest.importorskip("unicnn_mxnet")
    check(GLUON[name], "gluon", backend_, gluon_once(name))


# What a recipe does not describe


def moved_by_mxnet(optimizer: str, gradients: list[float], **settings: Any) -> tuple[list[float], Any]:
    """Return where a weight that begins at 2 is after each update, and the state."""
    from unicnn_mxnet.compat import mx

    own = mx.optimizer.create(optimizer, learning_rate=0.25, **settings)
    weight = mx.nd.array([2.0])
    state, places = own.create_state(0, weight), []
    for gradient in gradients:
        own.update(0, weight, mx.nd.array([gradient]), state)
        places.append(float(weight.asscalar()))
    return places, state


def moved(optimizer: Any, gradients: list[float], clip: Any = None) -> list[float]:
    """Return where a recipe takes a weight that begins at 2."""
    of = un.Recipe(optimizer=optimizer, batch_size=1, steps=1, clip=clip, preset="gluon")
    limit = clip.limit if clip else math.inf
    t = SimpleNamespace(sqrt=np.sqrt, maximum=np.maximum)
    weight, state, places = np.array([2.0]), {slot: np.zeros(1) for slot in of.optimizer.slots}, []
    for step, gradient in enumerate(gradients, 1):
        limited = np.clip([gradient], -limit, limit)
        decays = of.optimizer.decays("weight")
        weight, state = of.optimizer.update(t, weight, limited, state, numbers(of, of.rate(step - 1, 0), step), decays=decays)
        places.append(float(weight[0]))
    return places


def test_mxnets_nag_decays_its_velocity_at_the_weight_it_has_just_moved() -> None:
    """Its kernel writes the weight first, and reads it once more for the velocity; so the preset holds for NAG without wd only."""
    pytest.importorskip("unicnn_mxnet")
    optimizer = un.SGD(0.25, momentum=0.5, nesterov=True, weight_decay=0.5)
    places, state = moved_by_mxnet("nag", [1.5, -0.5], momentum=0.5, wd=0.5)
    assert places[0] == moved(optimizer, [1.5])[0] == 1.0625
    assert float(state.asscalar()) != -0.625
    velocity = -0.25 * (1.5 + 0.5 * 1.0625)
    second = 0.5 * velocity - 0.25 * (-0.5 + 0.5 * 1.0625)
    assert places[1] == 1.0625 + 0.5 * second - 0.25 * (-0.5 + 0.5 * 1.0625)
    assert moved(optimizer, [1.5, -0.5])[1] == 0.89453125


@pytest.mark.parametrize(
    ("optimizer", "settings", "mine"),
    [
        ("adam", {"beta1": 0.0, "beta2": 0.0, "epsilon": 1.0}, un.Adam(0.25, beta1=0.0, beta2=0.0, eps=1.0)),
        ("rmsprop", {"gamma1": 0.0, "epsilon": 3.0}, un.RMSProp(0.25, rho=0.0, eps=3.0)),
    ],
    ids=["Adam", "RMSProp"],
)
def test_mxnet_clips_what_decay_has_been_added_to(optimizer: str, settings: dict[str, float], mine: Any) -> None:
    """A recipe limits the gradient, then adds the decay, as SGD does everywhere."""
    pytest.importorskip("unicnn_mxnet")
    places, _ = moved_by_mxnet(optimizer, [1.5], wd=0.5, clip_gradient=1.0, **settings)
    decayed = dataclasses.replace(mine, weight_decay=0.5)
    assert places == [2 - 0.25 * 0.5]  # the gradient 1.5 + 0.5 * 2 is limited to 1, and the root is 2
    assert moved(mine, [2.5], un.ClipValue(1.0)) == places
    assert moved(decayed, [1.5], un.ClipValue(1.0))[0] < places[0] - 0.01


@pytest.mark.parametrize("optimizer", ["rmsprop", "adagrad"])
def test_mxnet_rejects_weights_of_float64_with_a_state_of_its_own_making(optimizer: str) -> None:
    pytest.importorskip("unicnn_mxnet")
    from unicnn_mxnet.compat import mx

    own, weight = mx.optimizer.create(optimizer), mx.nd.array([2.0], dtype="float64")
    with pytest.raises(mx.MXNetError):
        own.update(0, weight, weight.copy(), own.create_state(0, weight))


# The presets are not one another's


@pytest.mark.parametrize(
    ("case", "preset", "other", "apart"),
    [
        pytest.param(cases[name], preset, other, apart, id=f"{name}, {preset}'s and {other}'s")
        for cases, name, preset, other, apart in [
            (TORCH, "SGD with momentum and a rate that changes", "torch", "keras", 0.01),
            (TORCH, "SGD that looks ahead, its rate changing", "torch", "keras", 0.01),
            (TORCH, "SGD with momentum and weight decay", "torch", "keras", 0.01),
            (TORCH, "Adam", "torch", "keras", 1e-6),
            (TORCH, "AdamW", "torch", "keras", 0.01),
            (TORCH, "RMSprop", "torch", "keras", 0.01),
            (TORCH, "Adagrad", "torch", "keras", 0.01),
            (TORCH, "clip_grad_norm_", "torch", "keras", 1e-8),
            (KERAS, "SGD with momentum and weight decay", "keras", "gluon", 0.01),
            (KERAS, "RMSprop, centred", "keras", "gluon", 0.01),
            (KERAS, "global_clipnorm", "keras", "gluon", 1e-9),
            (GLUON, "SGD", "gluon", "torch", 0.01),
            (GLUON, "Adam with wd", "gluon", "torch", 0.01),
            (GLUON, "AdaGrad with wd", "gluon", "torch", 0.01),
            (GLUON, "the sum of the cross entropy", "gluon", "torch", 0.01),
        ]
    ],
)
def test_another_preset_would_be_seen(case: Case, preset: str, other: str, apart: float) -> None:
    mine, others = (trained(case, name, "numpy") for name in (preset, other))
    assert difference(mine["conv1.weight"], others["conv1.weight"]) > apart
